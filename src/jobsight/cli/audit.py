"""`jobsight audit`: who has changed what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from jobsight.cli.desk import looking, pages
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import Columns, print_list
from jobsight.cli.remote import server_options


@click.command("audit")
@click.option("--author", help="Only what this one has done, such as token:abc or local:ana.")
@click.option("--action", help="Only this, such as check_set or silence_set.")
@click.option("--subject", help="Only what was done to this: a task, an alert, a silence, a channel.")
@click.option("--since", metavar="MOMENT", help="Only since then: 24h, or RFC 3339.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most.")
@data_option
@server_options
@json_option
def command(data: Path, server: str | None, token: str | None, as_json: bool, limit: int, **wanted: Any) -> int:
    """List every change that somebody has made, the newest first."""
    with looking(data, server, token) as desk:
        found = pages(desk, "audit", "entries", limit, **wanted)
    columns: Columns = {
        "WHEN": "at_ms",
        "WHO": "author",
        "WHAT": lambda one: one["action"].replace("_", " "),
        "TO": lambda one: one["subject"] or "-",
        "HOW": lambda one: msgspec.json.encode(one["detail"]).decode() if one["detail"] else "-",
    }
    print_list(found, columns, "nobody has changed anything", as_json=as_json)
    return 0
