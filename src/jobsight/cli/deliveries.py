"""`jobsight deliveries`: what was told to whom, and what has become of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from jobsight.cli.desk import API, changing, looking, pages
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import Columns, plain, print_json, print_list
from jobsight.cli.remote import server_options
from jobsight.errors import UsageError


@click.group("deliveries", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """List notifications, and send once more what was given up."""


@command.command("list")
@click.option(
    "--state", type=click.Choice(["waiting", "delivered", "dead", "retried"]), help="Only those that stand there."
)
@click.option("--channel", help="Only through this channel.")
@click.option("--alert", "alert_id", metavar="ALERT", help="Only those that speak of this alert alone.")
@click.option("--since", metavar="MOMENT", help="Only those since then: 24h, or RFC 3339.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most.")
@data_option
@server_options
@json_option
def index(data: Path, server: str | None, token: str | None, as_json: bool, limit: int, **wanted: Any) -> int:
    """List notifications, the newest first."""
    with looking(data, server, token) as desk:
        found = pages(desk, "deliveries", "deliveries", limit, **wanted)
    columns: Columns = {
        "DELIVERY": "delivery_id",
        "STATE": "state",
        "CHANNEL": "channel",
        "KIND": "kind",
        "DECIDED": "created_ms",
        "DONE": "done_ms",
        "TRIES": "tries",
        "ANSWER": lambda one: one["detail"] or "-",
        "WHAT": "title",
    }
    print_list(found, columns, "no notifications", as_json=as_json)
    return 0


@command.command("retry")
@click.argument("delivery_ids", metavar="[DELIVERY]...", nargs=-1)
@click.option("--channel", help="All that was given up of this channel, as far as it is still of use.")
@click.option("--dry-run", is_flag=True, help="With --channel: only say how many there are.")
@data_option
@server_options
@json_option
def retry(
    delivery_ids: tuple[str, ...],
    channel: str | None,
    dry_run: bool,
    data: Path,
    server: str | None,
    token: str | None,
    as_json: bool,
) -> int:
    """Send once more what was given up (dead)."""
    if bool(delivery_ids) is (channel is not None):
        raise UsageError("expected deliveries by their ids (jobsight deliveries list --state dead), or --channel NAME")
    with changing(data, server, token) as desk:
        if channel is not None:
            answer = desk.call("POST", f"{API}deliveries/retry", {"channel": channel, "dry_run": dry_run})
            count = answer["count"]
            line = f"{count} would be sent again" if dry_run else f"{count} are sent again"
            print_json(answer) if as_json else sys.stdout.write(line + "\n")
            return 0
        for delivery_id in delivery_ids:
            answer = desk.call("POST", f"{API}deliveries/{quote(delivery_id, safe='')}/retry")
            print_json(answer) if as_json else sys.stdout.write(plain(f"{delivery_id} is sent again") + "\n")
    return 0
