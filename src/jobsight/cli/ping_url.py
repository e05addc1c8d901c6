"""`jobsight ping-url`: addresses to which pings are sent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from jobsight.cli.desk import changing
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import Columns, print_json, print_list
from jobsight.cli.remote import server_options
from jobsight.engine.ping_urls import PING_URLS_PATH
from jobsight.errors import UsageError


@click.group("ping-url", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Make, list, replace and revoke ping URLs. A ping URL is the only credential of its pings, and opens nothing else."""


@command.command("create")
@click.option("--task", help="Whose jobs its pings are.")
@click.option("--key", "is_key", is_flag=True, help="Make a ping key instead: its URLs name the task themselves.")
@click.option(
    "--secret", help="A UUID (or, with --key, a ping key) that is in use elsewhere already, to be taken over."
)
@click.option("--note", default="", help="What it is for.")
@data_option
@server_options
@json_option
def create(
    task: str | None,
    is_key: bool,
    secret: str | None,
    note: str,
    data: Path,
    server: str | None,
    token: str | None,
    as_json: bool,
) -> int:
    """Make a ping URL for a task, or a ping key for all of them, and print its path."""
    if (task is None) is not is_key:
        raise UsageError("expected --task NAME, or --key for a key whose URLs name the task themselves")
    with changing(data, server, token, is_new=True) as desk:
        made = desk.call("POST", PING_URLS_PATH, {"task": task, "secret": secret, "note": note})
    _show(made, as_json)
    return 0


@command.command("list")
@data_option
@server_options
@json_option
def index(data: Path, server: str | None, token: str | None, as_json: bool) -> int:
    """List the ping URLs, without their secrets."""
    with changing(data, server, token) as desk:
        found = desk.call("GET", PING_URLS_PATH)["ping_urls"]
    columns: Columns = {
        "ID": "ping_id",
        "TASK": lambda one: one["task"] or "(any: a key)",
        "STATE": "state",
        "CREATED": "created_ms",
        "LAST PING": "last_ping_ms",
        "BY": "author",
        "NOTE": "note",
    }
    print_list(found, columns, "no ping URLs; make one: jobsight ping-url create --task NAME", as_json=as_json)
    return 0


@command.command("rotate")
@click.argument("ping_id")
@data_option
@server_options
@json_option
def rotate(ping_id: str, data: Path, server: str | None, token: str | None, as_json: bool) -> int:
    """Put a new URL in the place of PING_ID, which is good for nothing from then on, and print its path."""
    with changing(data, server, token) as desk:
        made = desk.call("POST", f"{PING_URLS_PATH}/{quote(ping_id, safe='')}/rotate")
    _show(made, as_json)
    return 0


@command.command("revoke")
@click.argument("ping_id")
@data_option
@server_options
def revoke(ping_id: str, data: Path, server: str | None, token: str | None) -> int:
    """Take the ping URL PING_ID back; its pings are refused from then on."""
    with changing(data, server, token) as desk:
        desk.call("DELETE", f"{PING_URLS_PATH}/{quote(ping_id, safe='')}")
    sys.stdout.write(f"revoked {ping_id}\n")
    return 0


def _show(made: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(made)
    else:
        sys.stdout.write(f"{made['path']}\n")
