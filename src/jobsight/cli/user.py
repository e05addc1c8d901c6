"""`jobsight user`: operators who may sign in with a name and a password."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import quote

import click

from jobsight.cli.desk import changing
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import print_list
from jobsight.cli.remote import server_options
from jobsight.engine.users import USER_SCOPES, USERS_PATH
from jobsight.errors import UsageError


@click.group("user", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Add, list and remove operators who sign in with a name and a password."""


@command.command("add")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(list(USER_SCOPES)),
    required=True,
    help="What the operator may do; each allows those before it.",
)
@data_option
@server_options
def add(name: str, scope: str, data: Path, server: str | None, token: str | None) -> int:
    """Let the operator NAME sign in. Asks for the password, or reads it from stdin. From then on, nobody comes in without."""
    with changing(data, server, token, is_new=True) as desk:
        desk.call("POST", USERS_PATH, {"name": name, "scope": scope, "password": _password()})
    sys.stdout.write(f"added {name}\n")
    return 0


@command.command("list")
@data_option
@server_options
@json_option
def index(data: Path, server: str | None, token: str | None, as_json: bool) -> int:
    """List the operators."""
    with changing(data, server, token) as desk:
        found = desk.call("GET", USERS_PATH)["users"]
    columns = {"NAME": "name", "SCOPE": "scope", "ADDED": "created_ms", "CHANGED": "changed_ms", "BY": "author"}
    print_list(found, columns, "no users; add one: jobsight user add NAME --scope admin", as_json=as_json)
    return 0


@command.command("password")
@click.argument("name")
@data_option
@server_options
def password(name: str, data: Path, server: str | None, token: str | None) -> int:
    """Give the operator NAME another password, asked for or read from stdin. Sessions of the one before end."""
    with changing(data, server, token) as desk:
        desk.call("PUT", f"{USERS_PATH}/{quote(name, safe='')}/password", {"password": _password()})
    sys.stdout.write(f"changed the password of {name}\n")
    return 0


@command.command("remove")
@click.argument("name")
@data_option
@server_options
def remove(name: str, data: Path, server: str | None, token: str | None) -> int:
    """Let the operator NAME sign in no more. Sessions end."""
    with changing(data, server, token) as desk:
        desk.call("DELETE", f"{USERS_PATH}/{quote(name, safe='')}")
    sys.stdout.write(f"removed {name}\n")
    return 0


def _password() -> str:
    """Asked for twice at a terminal, so that a slip of the finger locks nobody out; else the first line of stdin."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first: str = click.prompt("Password", hide_input=True, err=True)
    if first != click.prompt("Once more", hide_input=True, err=True):
        raise UsageError("the two passwords differ; nothing was changed")
    return first
