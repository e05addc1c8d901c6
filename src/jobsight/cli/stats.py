"""`jobsight stats`: the figures over all jobs, or over some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from jobsight.app.stores import read_view
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import duration, number, print_json, print_table
from jobsight.cli.remote import chosen_server, get, server_options
from jobsight.core.statistics import Totals


@click.command("stats")
@data_option
@click.option("--task", help="Only jobs of this task.")
@click.option("--queue", help="Only jobs of this queue.")
@server_options
@json_option
def command(
    data: Path, task: str | None, queue: str | None, server: str | None, token: str | None, as_json: bool
) -> None:
    """Show how many jobs there are, where they stand, and how long they take."""
    asked = chosen_server(server, token)
    if asked is not None:
        found = get(asked, "stats", task=task, queue=queue, detail=1)
        totals, by_status = msgspec.convert(found, Totals), found["by_status"]
    else:
        with read_view(data) as view:
            totals, by_status = view.totals(task, queue), view.by_status(task, queue)
    statuses = {word: count for word, count in sorted(by_status.items()) if count}
    if as_json:
        figures: dict[str, Any] = msgspec.to_builtins(totals)
        print_json({**figures, "by_status": statuses})
        return
    rows = [
        ("jobs", number(totals.total)),
        ("completed", number(totals.completed)),
        ("failed", number(totals.failed)),
        ("mean duration", duration(totals.avg_duration_ms) if totals.completed else "-"),
    ]
    rows += [(word, number(count)) for word, count in statuses.items() if word not in ("completed", "failed")]
    print_table(("WHAT", "HOW MANY"), rows, empty="")
