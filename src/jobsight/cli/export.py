"""`jobsight export`: jobs and events for other programs."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from jobsight.app.clock import clock_ms
from jobsight.app.stores import read_log, read_view
from jobsight.cli.options import data_option, moment_ms
from jobsight.core.masking import MASK
from jobsight.view.answers import JobAnswer
from jobsight.view.watch_reading import PAGE_MAX

_SECRET = re.compile(rb'"secret":"[^"]*"')
_EVENT_FIELDS = ("seq", "index", "accept_ms", "kind", "message")

format_option = click.option(
    "--format", "form", type=click.Choice(["ndjson", "csv"]), default="ndjson", show_default=True
)
since_option = click.option(
    "--since", metavar="MOMENT", help="Only what was heard of since: 90s, 15m, 24h, 7d, or a time."
)


@click.group("export", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Write jobs or events to stdout, for other programs. A service may be running on the folder."""


@command.command("jobs")
@data_option
@format_option
@since_option
@click.option("--status", help="Only jobs that stand in this status.")
@click.option("--task", help="Only jobs of this task.")
def jobs(data: Path, form: str, since: str | None, status: str | None, task: str | None) -> None:
    """The latest state of each job, the newest first."""
    since_ms = None if since is None else moment_ms(since, clock_ms())
    _write(form, JobAnswer.__struct_fields__, _jobs(data, status, task, since_ms))


@command.command("events")
@data_option
@format_option
@since_option
def events(data: Path, form: str, since: str | None) -> None:
    """Every event of the log in its order: its place, when it was accepted, and the message as it came."""
    since_ms = None if since is None else moment_ms(since, clock_ms())
    _write(form, _EVENT_FIELDS, _events(data, since_ms))


def _jobs(data: Path, status: str | None, task: str | None, since_ms: int | None) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    with read_view(data) as view:
        while True:
            page = view.list_jobs(status=status, task=task, since_ms=since_ms, limit=PAGE_MAX, cursor=cursor)
            for job in page.jobs:
                yield msgspec.structs.asdict(job)
            cursor = page.cursor
            if cursor is None:
                return


def _events(data: Path, since_ms: int | None) -> Iterator[dict[str, Any]]:
    with read_log(data) as log:
        for record in log.read():
            if since_ms is not None and record.accept_ms < since_ms:
                continue
            kind = record.kind.name.lower()
            for index, line in enumerate(record.payload.splitlines()):
                message = line if kind == "reports" else _SECRET.sub(b'"secret":"%s"' % MASK.encode(), line)
                yield {
                    "seq": record.seq,
                    "index": index,
                    "accept_ms": record.accept_ms,
                    "kind": kind,
                    "message": msgspec.Raw(message),
                }


def _write(form: str, fields: Iterable[str], rows: Iterable[dict[str, Any]]) -> None:
    if form == "ndjson":
        out, encode = sys.stdout.buffer, msgspec.json.Encoder().encode
        for row in rows:
            out.write(encode(row) + b"\n")
        return
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(fields)
    for row in rows:
        table.writerow([_cell(value) for value in row.values()])


def _cell(value: object) -> object:
    """A value in a table: nothing for none, JSON for what has parts."""
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value
