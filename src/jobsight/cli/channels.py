"""`jobsight channels`: by which ways people are told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from jobsight.cli.desk import API, looking
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import Columns, plain, print_json, print_list
from jobsight.cli.remote import any_server, server_options


@click.group("channels", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """List channels, and try them."""


@command.command("list")
@data_option
@server_options
@json_option
def index(data: Path, server: str | None, token: str | None, as_json: bool) -> int:
    """List the channels, without their secrets, and how each of them does."""
    with looking(data, server, token) as desk:
        found: list[dict[str, Any]] = desk.call("GET", f"{API}channels")["channels"]
    columns: Columns = {
        "CHANNEL": "name",
        "TYPE": lambda one: one["type"] or "-",
        "LEADS TO": lambda one: one["target"] or "-",
        "STATE": "state",
        "WAITING": "waiting",
        "LAST": "last_ms",
        "ANSWER": lambda one: one["last_answer"] or "-",
    }
    hint = "no channels, so nobody is told; begin with: jobsight serve --notify mailto:you@example.org"
    print_list(found, columns, hint, as_json=as_json)
    return 0


@command.command("test")
@click.argument("name")
@data_option
@server_options
@json_option
def test(name: str, data: Path, server: str | None, token: str | None, as_json: bool) -> int:
    """Send a test through the channel NAME of the running service; exit code 1 where it is not taken."""
    answer = any_server(server, token, data).call("POST", f"{API}channels/{quote(name, safe='')}/test", seconds=60)
    if as_json:
        print_json(answer)
    else:
        verdict = "took it" if answer["is_delivered"] else "did NOT take it"
        sys.stdout.write(plain(f"{name} {verdict}: {answer['detail']}") + "\n")
    return 0 if answer["is_delivered"] else 1
