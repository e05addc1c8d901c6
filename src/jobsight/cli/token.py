"""`jobsight token`: who may report to the service, and who may do more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import click

from jobsight.app.clock import clock_ms
from jobsight.app.writing import open_tokens
from jobsight.cli.commands import complain
from jobsight.cli.options import default_data, json_option
from jobsight.cli.output import moment, print_json, print_table
from jobsight.cli.server import Server, local_author, server_at, server_of_folder
from jobsight.config.values import duration_ms
from jobsight.core.events import InternalEvent, TokenRevoked
from jobsight.core.tokens import SCOPES
from jobsight.engine.tokens import TOKENS_PATH, TokenRegistry, describe, new_token
from jobsight.errors import InUseError, NotFoundError, UsageError


@click.group("token", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Make, list and revoke tokens."""


def target_options(function: Callable[..., int]) -> Callable[..., int]:
    """Options that say whose tokens or users are meant: `data`, `server`, `token`."""
    options = (
        click.option(
            "--data",
            type=click.Path(path_type=Path, file_okay=False),
            help="The data folder; a service may be running on it.  [default: $JOBSIGHT_DATA, else the platform's data folder]",
        ),
        click.option("--server", metavar="URL", envvar="JOBSIGHT_SERVER", help="Ask the service at this URL instead."),
        click.option(
            "--token", envvar="JOBSIGHT_TOKEN", help="An admin token, for --server.  [default: $JOBSIGHT_TOKEN]"
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@command.command("create")
@click.option(
    "--scope", type=click.Choice(list(SCOPES)), required=True, help="What it allows; each allows those before it."
)
@click.option("--note", default="", help="What it is for.")
@click.option("--expires", metavar="AGE", help="It ends after this time: 12h, 90d.")
@target_options
@json_option
def create(
    scope: str,
    note: str,
    expires: str | None,
    data: Path | None,
    server: str | None,
    token: str | None,
    as_json: bool,
) -> int:
    """Make a token and print it. It is shown this once."""
    expires_ms = None if expires is None else clock_ms() + _duration_ms(expires)
    with _desk(data, server, token, is_new=True) as desk:
        made = desk.create(scope, note, expires_ms)
    if as_json:
        print_json(made)
        return 0
    sys.stdout.write(f"{made['token']}\n")
    sys.stdout.flush()
    if sys.stderr.isatty():
        complain("keep it now: only its SHA-256 is stored, so it cannot be shown again")
    return 0


@command.command("list")
@target_options
@json_option
def index(data: Path | None, server: str | None, token: str | None, as_json: bool) -> int:
    """List the tokens, without their secrets."""
    with _desk(data, server, token) as desk:
        found = desk.all()
    if as_json:
        for one in found:
            print_json(one)
        return 0
    print_table(
        ["ID", "SCOPE", "STATE", "CREATED", "EXPIRES", "LAST USED", "BY", "NOTE"],
        [_row(one) for one in found],
        "no tokens; make one: jobsight token create --scope admin",
    )
    return 0


@command.command("revoke")
@click.argument("token_id")
@target_options
def revoke(token_id: str, data: Path | None, server: str | None, token: str | None) -> int:
    """Take the token TOKEN_ID back; it is good for nothing from then on."""
    with _desk(data, server, token) as desk:
        desk.revoke(token_id)
    sys.stdout.write(f"revoked {token_id}\n")
    return 0


class _Desk(Protocol):
    """Where tokens are made."""

    def create(self, scope: str, note: str, expires_ms: int | None) -> dict[str, Any]: ...

    def all(self) -> list[dict[str, Any]]: ...

    def revoke(self, token_id: str) -> None: ...


class _FolderDesk:
    """A data folder that this very process holds."""

    def __init__(self, tokens: TokenRegistry, store: Callable[[list[InternalEvent]], None]) -> None:
        self._tokens = tokens
        self._store = store

    def create(self, scope: str, note: str, expires_ms: int | None) -> dict[str, Any]:
        born = new_token(SCOPES[scope], note=note, expires_ms=expires_ms, author=local_author())
        self._store([born.event])
        return {"token": born.text, "token_id": born.event.token_id}

    def all(self) -> list[dict[str, Any]]:
        now_ms = clock_ms()
        return [describe(one, self._tokens, now_ms) for one in self._tokens.all()]

    def revoke(self, token_id: str) -> None:
        if all(one.token_id != token_id for one in self._tokens.all()):
            raise NotFoundError(f"there is no token {token_id!r}; jobsight token list shows what there is")
        self._store([TokenRevoked(token_id=token_id, author=local_author())])


class _ServerDesk:
    """A running service."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def create(self, scope: str, note: str, expires_ms: int | None) -> dict[str, Any]:
        return self._server.call("POST", TOKENS_PATH, {"scope": scope, "note": note, "expires_ms": expires_ms})

    def all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._server.call("GET", TOKENS_PATH)["tokens"]
        return found

    def revoke(self, token_id: str) -> None:
        self._server.call("DELETE", f"{TOKENS_PATH}/{quote(token_id, safe='')}")


@contextmanager
def _desk(data: Path | None, url: str | None, token: str | None, *, is_new: bool = False) -> Iterator[_Desk]:
    """
    The service at a URL, unless a folder is named; else the folder, or the service that holds it.

    `is_new` lets a folder be made that is not there yet.
    """
    if url and data is None:
        yield _ServerDesk(server_at(url, token))
        return
    folder = default_data() if data is None else data
    if not is_new and not folder.exists():
        raise NotFoundError(f"there is no folder {folder}; name another one: --data DIR")
    with ExitStack() as stack:
        try:
            desk: _Desk = _FolderDesk(*stack.enter_context(open_tokens(folder, complain)))
        except InUseError:
            holder = server_of_folder(folder)
            if holder is None:
                raise
            desk = _ServerDesk(holder)
        yield desk


def _duration_ms(text: str) -> int:
    try:
        return duration_ms(text)
    except ValueError as error:
        raise UsageError(f"--expires: {error}") from error


def _row(one: dict[str, Any]) -> list[str]:
    times = [moment(one[name]) for name in ("created_ms", "expires_ms", "last_used_ms")]
    return [one["token_id"], one["scope"], one["state"], *times, one["author"], one["note"]]
