"""`jobsight log`: the log as it stands."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from jobsight.app.clock import clock_ms
from jobsight.app.stores import read_log
from jobsight.app.writing import trim_log
from jobsight.cli.commands import complain
from jobsight.cli.options import data_option, moment_ms
from jobsight.cli.output import plain_json, progress
from jobsight.config.values import duration_ms
from jobsight.core.counted import counted
from jobsight.errors import DataError, UsageError
from jobsight.logs.base import Record
from jobsight.logs.verdict import words


@click.group("log")
def command() -> None:
    """Read the log: every event that was ever answered, in order."""


@command.command("cat")
@data_option
@click.option("--from", "start", metavar="PLACE", help="First batch: its number, a time, or an age such as 24h.")
@click.option("--to", "end", metavar="PLACE", help="Last batch: its number, a time, or an age.")
@click.option("--job", "job_id", metavar="ID", help="Only events of this job.")
def cat(data: Path, start: str | None, end: str | None, job_id: str | None) -> None:
    """Print events as JSON, one a line: place (seq, index), accept time in ms since the epoch, kind, message as it came."""
    first, last = _place(start), _place(end)
    from jobsight.engine.recovery import job_ids_of

    with read_log(data) as log:
        after_seq = first[1] - 1 if first is not None and first[0] == "seq" else 0
        for record in log.read(max(after_seq, 0)):
            if last is not None and _is_after(record, last):
                break
            if first is not None and first[0] == "ms" and record.accept_ms < first[1]:
                continue
            ids = None if job_id is None else job_ids_of(record)
            for index, line in enumerate(record.payload.splitlines()):
                if ids is None or ids[index] == job_id:
                    _print(record, index, line)


@command.command("verify")
@data_option
def verify(data: Path) -> int:
    """Check the whole chain of checksums, and say exactly what is sound and what is not (exit code 65 where something is not)."""
    with read_log(data) as log, progress("verifying") as bar:
        verdict = log.verify(bar)
    if verdict.damage is not None:
        raise DataError(words(verdict))
    click.echo(words(verdict))
    return 0


@command.command("trim")
@data_option
@click.option("--keep", default="90d", show_default=True, help="How long events are kept in the log, such as 90d.")
def trim(data: Path, keep: str) -> int:
    """Delete old events from the log, behind a verified copy of the view. No process may be using the folder."""
    deleted = trim_log(data, _keep_ms(keep), complain)
    click.echo(f"{counted(deleted, 'batch was', 'batches were')} deleted from the log")
    return 0


def _keep_ms(text: str) -> int:
    try:
        return duration_ms(text)
    except ValueError as error:
        raise UsageError(f"--keep: {error}") from error


def _place(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    return ("seq", int(text)) if text.isdigit() else ("ms", moment_ms(text, clock_ms()))


def _is_after(record: Record, last: tuple[str, int]) -> bool:
    return record.seq > last[1] if last[0] == "seq" else record.accept_ms > last[1]


def _print(record: Record, index: int, line: bytes) -> None:
    head = f'{{"seq": {record.seq}, "index": {index}, "accept_ms": {record.accept_ms}, "kind": "{record.kind.name.lower()}"'
    sys.stdout.buffer.write(b'%s, "message": %s}\n' % (head.encode(), plain_json(line.decode()).encode()))
