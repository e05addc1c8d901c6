"""`jobsight tail`: reports as they come."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from jobsight.cli.commands import complain
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import duration, moment, plain
from jobsight.cli.remote import any_server, query_of, server_options


@click.command("tail")
@data_option
@click.option("--task", help="Only reports on jobs of this task.")
@click.option("--status", help="Only reports after which their job stands in this status.")
@click.option("--count", type=click.IntRange(1), help="End after so many.")
@server_options
@json_option
def command(
    data: Path,
    task: str | None,
    status: str | None,
    count: int | None,
    server: str | None,
    token: str | None,
    as_json: bool,
) -> int:
    """Show reports as they come, until interrupted. What came faster than it could be shown is left out, and said."""
    shown = 0
    kind = ""
    for line in any_server(server, token, data).lines(f"/api/v1/tail{query_of({'task': task, 'status': status})}"):
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data" and kind == "dropped":
            complain(f"{msgspec.json.decode(value)['count']} reports came too fast to be shown")
        elif name == "data":
            sys.stdout.write((value if as_json else _line(msgspec.json.decode(value))) + "\n")
            sys.stdout.flush()
            shown += 1
            if shown == count:
                break
    return 0


def _line(event: dict[str, Any]) -> str:
    """A report for people: when, which task and job, where it stands, and what it says."""
    body = event["message"].get("body", event["message"])
    told = [
        moment(event["accept_ms"]),
        event["task"] or "(none)",
        body["job_id"],
        event["status"] or body["type"],
    ]
    if body.get("progress") is not None:
        told.append(f"{body['progress']:g} %")
    if body.get("duration_ms") is not None:
        told.append(f"in {duration(body['duration_ms'])}")
    told += [str(body[name]) for name in ("error", "reason", "message") if body.get(name)]
    return "  ".join(plain(one) for one in told)
