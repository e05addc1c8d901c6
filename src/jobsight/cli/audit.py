"""`jobsight audit`: who has changed what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from jobsight.cli.desk import looking, pages
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import moment, print_json, print_table
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
    if as_json:
        for one in found:
            print_json(one)
        return 0
    print_table(
        ["WHEN", "WHO", "WHAT", "TO", "HOW"],
        [
            [
                moment(one["at_ms"]),
                one["author"],
                one["action"].replace("_", " "),
                one["subject"] or "-",
                msgspec.json.encode(one["detail"]).decode() if one["detail"] else "-",
            ]
            for one in found
        ],
        "nobody has changed anything",
    )
    return 0
