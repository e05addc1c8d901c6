"""`jobsight silence`: tell nobody of some alerts, for a while."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from jobsight.cli.desk import API, changing, looking
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import Columns, plain, print_json, print_list
from jobsight.cli.remote import server_options
from jobsight.errors import UsageError


@click.group("silence", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Tell nobody of alerts that match, for a while. They are still recorded."""


@command.command("add")
@click.argument("match", metavar="NAME=GLOB...", nargs=-1, required=True)
@click.option("--for", "duration", metavar="TIME", help="How long: 2h, 1h30m, 7d; at most 90d.")
@click.option("--until", "ends", metavar="MOMENT", help="Its end, RFC 3339 with a zone.")
@click.option("--from", "starts", metavar="MOMENT", help="Its beginning.  [default: now]")
@click.option("--comment", default="", help="Why.")
@click.option("--dry-run", is_flag=True, help="Only say which open alerts it would silence.")
@data_option
@server_options
@json_option
def add(match: tuple[str, ...], data: Path, server: str | None, token: str | None, as_json: bool, **given: Any) -> int:
    """Silence alerts that match all of NAME=GLOB: task, queue, rule, severity, alert_id, or a label; != for those that do not."""
    if given["duration"] is None and given["ends"] is None:
        raise UsageError("expected --for TIME or --until MOMENT; a silence has an end")
    wish = {"match": list(match), **{name: one for name, one in given.items() if one is not None}}
    with changing(data, server, token) as desk:
        made = desk.call("POST", f"{API}silences", wish)
    if as_json:
        print_json(made)
        return 0
    alerts = "1 open alert matches" if made["count"] == 1 else f"{made['count']} open alerts match"
    name = "nothing was done" if made["silence_id"] is None else f"silence {made['silence_id']}"
    sys.stdout.write(f"{name}; {alerts}\n")
    return 0


@command.command("list")
@data_option
@server_options
@json_option
def index(data: Path, server: str | None, token: str | None, as_json: bool) -> int:
    """List silences that have not ended."""
    with looking(data, server, token) as desk:
        found: list[dict[str, Any]] = desk.call("GET", f"{API}silences")["silences"]
    columns: Columns = {
        "SILENCE": "silence_id",
        "STATE": "state",
        "MATCHES": lambda one: " ".join(one["match"]),
        "FROM": "starts_ms",
        "UNTIL": "ends_ms",
        "ALERTS": "alerts",
        "BY": "author",
        "COMMENT": "comment",
    }
    print_list(found, columns, "no silences; make one: jobsight silence add task=NAME --for 2h", as_json=as_json)
    return 0


@command.command("end")
@click.argument("silence_id")
@data_option
@server_options
def end(silence_id: str, data: Path, server: str | None, token: str | None) -> int:
    """End SILENCE_ID before its time; what still fires is told."""
    with changing(data, server, token) as desk:
        desk.call("DELETE", f"{API}silences/{quote(silence_id, safe='')}")
    sys.stdout.write(plain(f"ended {silence_id}") + "\n")
    return 0
