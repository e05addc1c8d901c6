"""`jobsight maintenance`: silences with a schedule."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from jobsight.cli.desk import API, changing, looking
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import Columns, moment, plain, print_json, print_list
from jobsight.cli.remote import server_options


@click.group("maintenance", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Plan maintenance: whatever matches is told to nobody, each time."""


@command.command("add")
@click.argument("name")
@click.option("--match", multiple=True, required=True, metavar="NAME=GLOB", help="What is silenced; may be repeated.")
@click.option(
    "--schedule",
    required=True,
    help="When it begins: five cron fields, @weekly, `every 15m`, or as systemd: `Sat 22:00`.",
)
@click.option("--for", "duration", required=True, metavar="TIME", help="How long it lasts: 30m, 2h.")
@click.option("--tz", metavar="ZONE", help="IANA zone in which the schedule is read.  [default: UTC]")
@click.option("--comment", default="", help="Why.")
@data_option
@server_options
@json_option
def add(
    name: str,
    match: tuple[str, ...],
    data: Path,
    server: str | None,
    token: str | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Plan a maintenance window NAME, in the place of the one of this name."""
    wish = {"match": list(match), **{key: one for key, one in given.items() if one is not None}}
    with changing(data, server, token) as desk:
        made = desk.call("PUT", f"{API}maintenance/{quote(name, safe='')}", wish)
    if as_json:
        print_json(made)
    else:
        sys.stdout.write(plain(f"{name} is {made['state']}; it begins {moment(made['starts_ms'])}") + "\n")
    return 0


@command.command("list")
@data_option
@server_options
@json_option
def index(data: Path, server: str | None, token: str | None, as_json: bool) -> int:
    """List maintenance windows, and when each begins next."""
    with looking(data, server, token) as desk:
        found: list[dict[str, Any]] = desk.call("GET", f"{API}maintenance")["maintenance"]
    columns: Columns = {
        "NAME": "name",
        "STATE": "state",
        "MATCHES": lambda one: " ".join(one["window"]["match"]),
        "SCHEDULE": lambda one: f"{one['window']['schedule']} {one['window'].get('tz', 'UTC')}",
        "FOR": lambda one: one["window"]["duration"],
        "BEGINS": "starts_ms",
        "ENDS": "ends_ms",
        "BY": "author",
        "COMMENT": lambda one: one["window"].get("comment", ""),
    }
    example = "jobsight maintenance add NAME --match queue=db* --schedule '0 2 * * 0' --for 2h"
    print_list(found, columns, f"no maintenance is planned; plan one: {example}", as_json=as_json)
    return 0


@command.command("rm")
@click.argument("name")
@data_option
@server_options
def remove(name: str, data: Path, server: str | None, token: str | None) -> int:
    """Take the maintenance window NAME back, and end the silence that it has made."""
    with changing(data, server, token) as desk:
        desk.call("DELETE", f"{API}maintenance/{quote(name, safe='')}")
    sys.stdout.write(plain(f"removed {name}") + "\n")
    return 0
