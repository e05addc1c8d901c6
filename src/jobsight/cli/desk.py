"""Where operators' commands go: a running service, or the folder itself where nobody holds it. Both speak the same API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from jobsight.app.in_folder import open_changing, open_looking
from jobsight.cli.commands import complain
from jobsight.cli.remote import chosen_server, query_of
from jobsight.cli.server import Server, local_author, server_of_folder
from jobsight.errors import InUseError, NotFoundError, UnreachableError

API: Final = "/api/v1/"


@contextmanager
def changing(data: Path, url: str | None, token: str | None, *, is_new: bool = False) -> Iterator[Server]:
    """
    Where something can be changed: the service at a URL unless a folder is named, else the folder, or the service that holds it.

    `is_new` lets a folder be made that is not there yet, and says so: a slip would otherwise go unseen.
    """
    asked = chosen_server(url, token)
    if asked is not None:
        yield asked
        return
    if not data.exists():
        if not is_new:
            raise NotFoundError(f"there is no folder {data}; name another one: --data DIR")
        complain(f"{data} is a new data folder; where the service has another one, name it: --data DIR")
    with ExitStack() as stack:
        try:
            client = stack.enter_context(open_changing(data, local_author(), complain))
            server = Server(client, str(data))
        except InUseError:
            holder = server_of_folder(data)
            if holder is None:
                raise
            server = holder
        yield server


@contextmanager
def looking(data: Path, url: str | None, token: str | None) -> Iterator[Server]:
    """Where something can be seen: the service at a URL, the one that holds the folder, or the folder as of its last flush."""
    server = chosen_server(url, token) or _answering(data)
    if server is not None:
        yield server
        return
    with open_looking(data) as client:
        yield Server(client, str(data))


def _answering(data: Path) -> Server | None:
    """The service that holds a folder; None where there is none, or where its socket is all that is left."""
    server = server_of_folder(data)
    if server is None:
        return None
    try:
        server.why_not_ready()
    except UnreachableError:
        return None
    return server


def pages(server: Server, path: str, key: str, limit: int, **wanted: object) -> list[dict[str, Any]]:
    """The first rows of a list, from as many pages as that takes."""
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while len(rows) < limit:
        query = query_of({**wanted, "limit": min(limit - len(rows), 500), "cursor": cursor})
        page = server.call("GET", f"{API}{path}{query}")
        rows += page[key]
        cursor = page["cursor"]
        if cursor is None:
            break
    return rows
