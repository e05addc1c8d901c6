"""`jobsight ping-url`: addresses to which pings are sent."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import click

from jobsight.app.writing import open_state
from jobsight.cli.commands import complain
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import moment, print_json, print_table
from jobsight.cli.remote import chosen_server, server_options
from jobsight.cli.server import Server, local_author, server_of_folder
from jobsight.core.events import InternalEvent, PingUrlRevoked
from jobsight.core.ping_urls import PingUrl
from jobsight.core.state import State
from jobsight.engine.ping_urls import PING_URLS_PATH, describe_ping_url, new_ping_url
from jobsight.errors import InUseError, NotFoundError, UsageError


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
    with _desk(data, server, token, is_new=True) as desk:
        made = desk.create({"task": task, "secret": secret, "note": note})
    _show(made, as_json)
    return 0


@command.command("list")
@data_option
@server_options
@json_option
def index(data: Path, server: str | None, token: str | None, as_json: bool) -> int:
    """List the ping URLs, without their secrets."""
    with _desk(data, server, token) as desk:
        found = desk.all()
    if as_json:
        for one in found:
            print_json(one)
        return 0
    print_table(
        ["ID", "TASK", "STATE", "CREATED", "LAST PING", "BY", "NOTE"],
        [
            [
                one["ping_id"],
                one["task"] or "(any: a key)",
                one["state"],
                moment(one["created_ms"]),
                moment(one["last_ping_ms"]),
                one["author"],
                one["note"],
            ]
            for one in found
        ],
        "no ping URLs; make one: jobsight ping-url create --task NAME",
    )
    return 0


@command.command("rotate")
@click.argument("ping_id")
@data_option
@server_options
@json_option
def rotate(ping_id: str, data: Path, server: str | None, token: str | None, as_json: bool) -> int:
    """Put a new URL in the place of PING_ID, which is good for nothing from then on, and print its path."""
    with _desk(data, server, token) as desk:
        made = desk.rotate(ping_id)
    _show(made, as_json)
    return 0


@command.command("revoke")
@click.argument("ping_id")
@data_option
@server_options
def revoke(ping_id: str, data: Path, server: str | None, token: str | None) -> int:
    """Take the ping URL PING_ID back; its pings are refused from then on."""
    with _desk(data, server, token) as desk:
        desk.revoke(ping_id)
    sys.stdout.write(f"revoked {ping_id}\n")
    return 0


class _Desk(Protocol):
    """Where ping URLs are made."""

    def create(self, wish: dict[str, Any]) -> dict[str, Any]: ...

    def all(self) -> list[dict[str, Any]]: ...

    def rotate(self, ping_id: str) -> dict[str, Any]: ...

    def revoke(self, ping_id: str) -> None: ...


class _FolderDesk:
    """A data folder that this very process holds."""

    def __init__(self, state: State, store: Callable[[list[InternalEvent]], None]) -> None:
        self._state = state
        self._store = store

    def create(self, wish: dict[str, Any]) -> dict[str, Any]:
        return self._make(wish["task"], wish["secret"], wish["note"], [])

    def all(self) -> list[dict[str, Any]]:
        urls = sorted(self._state.ping_urls.values(), key=lambda url: url.created_ms)
        return [describe_ping_url(url, None) for url in urls]

    def rotate(self, ping_id: str) -> dict[str, Any]:
        old = self._found(ping_id)
        return self._make(old.task, None, old.note, [PingUrlRevoked(ping_id=ping_id, author=local_author())])

    def revoke(self, ping_id: str) -> None:
        self._found(ping_id)
        self._store([PingUrlRevoked(ping_id=ping_id, author=local_author())])

    def _make(self, task: str | None, secret: str | None, note: str, before: list[InternalEvent]) -> dict[str, Any]:
        made = new_ping_url(self._state, task, secret=secret, note=note, author=local_author())
        self._store([*before, made.event])
        return {"ping_id": made.event.ping_id, "path": made.path}

    def _found(self, ping_id: str) -> PingUrl:
        url = self._state.ping_urls.get(ping_id)
        if url is None or url.revoked_ms is not None:
            raise NotFoundError(f"there is no ping URL {ping_id!r}; jobsight ping-url list shows what there is")
        return url


class _ServerDesk:
    """A running service."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def create(self, wish: dict[str, Any]) -> dict[str, Any]:
        return self._server.call("POST", PING_URLS_PATH, wish)

    def all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._server.call("GET", PING_URLS_PATH)["ping_urls"]
        return found

    def rotate(self, ping_id: str) -> dict[str, Any]:
        return self._server.call("POST", f"{PING_URLS_PATH}/{quote(ping_id, safe='')}/rotate")

    def revoke(self, ping_id: str) -> None:
        self._server.call("DELETE", f"{PING_URLS_PATH}/{quote(ping_id, safe='')}")


@contextmanager
def _desk(data: Path, url: str | None, token: str | None, *, is_new: bool = False) -> Iterator[_Desk]:
    """The service at a URL, unless a folder is named; else the folder, or the service that holds it."""
    asked = chosen_server(url, token)
    if asked is not None:
        yield _ServerDesk(asked)
        return
    if not is_new and not data.exists():
        raise NotFoundError(f"there is no folder {data}; name another one: --data DIR")
    with ExitStack() as stack:
        try:
            desk: _Desk = _FolderDesk(*stack.enter_context(open_state(data, complain)))
        except InUseError:
            holder = server_of_folder(data)
            if holder is None:
                raise
            desk = _ServerDesk(holder)
        yield desk


def _show(made: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(made)
    else:
        sys.stdout.write(f"{made['path']}\n")
