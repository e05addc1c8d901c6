"""`jobsight user`: operators who may sign in with a name and a password."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import click

from jobsight.app.writing import open_users
from jobsight.cli.commands import complain
from jobsight.cli.options import default_data, json_option
from jobsight.cli.output import moment, print_json, print_table
from jobsight.cli.server import Server, local_author, server_at, server_of_folder
from jobsight.cli.token import target_options
from jobsight.core.events import InternalEvent, UserRemoved
from jobsight.engine.users import USER_SCOPES, USERS_PATH, Users, describe_user, require_password
from jobsight.errors import InUseError, NotFoundError, UsageError


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
@target_options
def add(name: str, scope: str, data: Path | None, server: str | None, token: str | None) -> int:
    """Let the operator NAME sign in. Asks for the password, or reads it from stdin. From then on, nobody comes in without."""
    with _desk(data, server, token, is_new=True) as desk:
        desk.add(name, scope, _password())
    sys.stdout.write(f"added {name}\n")
    return 0


@command.command("list")
@target_options
@json_option
def index(data: Path | None, server: str | None, token: str | None, as_json: bool) -> int:
    """List the operators."""
    with _desk(data, server, token) as desk:
        found = desk.all()
    if as_json:
        for one in found:
            print_json(one)
        return 0
    print_table(
        ["NAME", "SCOPE", "ADDED", "CHANGED", "BY"],
        [
            [one["name"], one["scope"], moment(one["created_ms"]), moment(one["changed_ms"]), one["author"]]
            for one in found
        ],
        "no users; add one: jobsight user add NAME --scope admin",
    )
    return 0


@command.command("password")
@click.argument("name")
@target_options
def password(name: str, data: Path | None, server: str | None, token: str | None) -> int:
    """Give the operator NAME another password, asked for or read from stdin. Sessions of the one before end."""
    with _desk(data, server, token) as desk:
        desk.change_password(name, _password())
    sys.stdout.write(f"changed the password of {name}\n")
    return 0


@command.command("remove")
@click.argument("name")
@target_options
def remove(name: str, data: Path | None, server: str | None, token: str | None) -> int:
    """Let the operator NAME sign in no more. Sessions end."""
    with _desk(data, server, token) as desk:
        desk.remove(name)
    sys.stdout.write(f"removed {name}\n")
    return 0


class _Desk(Protocol):
    """Where operators are added."""

    def add(self, name: str, scope: str, password: str) -> None: ...

    def all(self) -> list[dict[str, Any]]: ...

    def change_password(self, name: str, password: str) -> None: ...

    def remove(self, name: str) -> None: ...


class _FolderDesk:
    """A data folder that this very process holds."""

    def __init__(self, users: Users, store: Callable[[list[InternalEvent]], None]) -> None:
        self._users = users
        self._store = store

    def add(self, name: str, scope: str, password: str) -> None:
        self._users.require_new(name, scope, password)
        self._store([self._users.keep(name, scope, password, local_author())])

    def all(self) -> list[dict[str, Any]]:
        return [describe_user(user) for user in self._users.all()]

    def change_password(self, name: str, password: str) -> None:
        require_password(password)
        user = self._users.require(name)
        before = user.password_ref
        self._store([self._users.keep(name, user.scope, password, local_author())])
        self._users.forget(before)

    def remove(self, name: str) -> None:
        user = self._users.require(name)
        self._store([UserRemoved(name=name, author=local_author())])
        self._users.forget(user.password_ref)


class _ServerDesk:
    """A running service."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def add(self, name: str, scope: str, password: str) -> None:
        self._server.call("POST", USERS_PATH, {"name": name, "scope": scope, "password": password})

    def all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._server.call("GET", USERS_PATH)["users"]
        return found

    def change_password(self, name: str, password: str) -> None:
        self._server.call("PUT", f"{USERS_PATH}/{quote(name, safe='')}/password", {"password": password})

    def remove(self, name: str) -> None:
        self._server.call("DELETE", f"{USERS_PATH}/{quote(name, safe='')}")


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
            desk: _Desk = _FolderDesk(*stack.enter_context(open_users(folder, complain)))
        except InUseError:
            holder = server_of_folder(folder)
            if holder is None:
                raise
            desk = _ServerDesk(holder)
        yield desk


def _password() -> str:
    """Asked for twice at a terminal, so that a slip of the finger locks nobody out; else the first line of stdin."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first: str = click.prompt("Password", hide_input=True, err=True)
    if first != click.prompt("Once more", hide_input=True, err=True):
        raise UsageError("the two passwords differ; nothing was changed")
    return first
