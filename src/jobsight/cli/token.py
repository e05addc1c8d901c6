"""`jobsight token`: who may report to the service, and who may do more."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import quote

import click

from jobsight.app.clock import clock_ms
from jobsight.cli.commands import complain
from jobsight.cli.desk import changing
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import print_json, print_list
from jobsight.cli.remote import server_options
from jobsight.config.values import duration_ms
from jobsight.core.tokens import SCOPES
from jobsight.engine.tokens import TOKENS_PATH
from jobsight.errors import UsageError


@click.group("token", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Make, list and revoke tokens."""


@command.command("create")
@click.option(
    "--scope", type=click.Choice(list(SCOPES)), required=True, help="What it allows; each allows those before it."
)
@click.option("--note", default="", help="What it is for.")
@click.option("--expires", metavar="AGE", help="It ends after this time: 12h, 90d.")
@data_option
@server_options
@json_option
def create(
    scope: str, note: str, expires: str | None, data: Path, server: str | None, token: str | None, as_json: bool
) -> int:
    """Make a token and print it. It is shown this once."""
    expires_ms = None if expires is None else clock_ms() + _duration_ms(expires)
    with changing(data, server, token, is_new=True) as desk:
        made = desk.call("POST", TOKENS_PATH, {"scope": scope, "note": note, "expires_ms": expires_ms})
    if as_json:
        print_json(made)
        return 0
    sys.stdout.write(f"{made['token']}\n")
    sys.stdout.flush()
    if sys.stderr.isatty():
        complain("keep it now: only its SHA-256 is stored, so it cannot be shown again")
    return 0


@command.command("list")
@data_option
@server_options
@json_option
def index(data: Path, server: str | None, token: str | None, as_json: bool) -> int:
    """List the tokens, without their secrets."""
    with changing(data, server, token) as desk:
        found = desk.call("GET", TOKENS_PATH)["tokens"]
    columns = {
        "ID": "token_id",
        "SCOPE": "scope",
        "STATE": "state",
        "CREATED": "created_ms",
        "EXPIRES": "expires_ms",
        "LAST USED": "last_used_ms",
        "BY": "author",
        "NOTE": "note",
    }
    print_list(found, columns, "no tokens; make one: jobsight token create --scope admin", as_json=as_json)
    return 0


@command.command("revoke")
@click.argument("token_id")
@data_option
@server_options
def revoke(token_id: str, data: Path, server: str | None, token: str | None) -> int:
    """Take the token TOKEN_ID back; it is good for nothing from then on."""
    with changing(data, server, token) as desk:
        desk.call("DELETE", f"{TOKENS_PATH}/{quote(token_id, safe='')}")
    sys.stdout.write(f"revoked {token_id}\n")
    return 0


def _duration_ms(text: str) -> int:
    try:
        return duration_ms(text)
    except ValueError as error:
        raise UsageError(f"--expires: {error}") from error
