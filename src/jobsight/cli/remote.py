"""The reading commands against a running service: which one, and its answers as the values that the view would give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import click
import msgspec

from jobsight.cli.server import Server, server_at, server_of_folder
from jobsight.errors import UnreachableError
from jobsight.view.answers import AlertPage, JobPage

Command = TypeVar("Command", bound=Callable[..., Any])

ROUNDS_MAX = 1_000
"""Requests for one page: a search that finds little gives short pages."""


def server_options(command: Command) -> Command:
    """`--server URL` and `--token`: ask a service instead of reading a folder."""
    server = click.option(
        "--server",
        metavar="URL",
        envvar="JOBSIGHT_SERVER",
        help="Ask the service at this URL instead, unless --data is given.  [default: $JOBSIGHT_SERVER]",
    )
    token = click.option("--token", envvar="JOBSIGHT_TOKEN", help="A token that may read.  [default: $JOBSIGHT_TOKEN]")
    return server(token(command))


def chosen_server(url: str | None, token: str | None) -> Server | None:
    """The service at the URL; None where there is no URL, or a folder was named on the command line."""
    source = click.get_current_context().get_parameter_source("data")
    if not url or source is click.core.ParameterSource.COMMANDLINE:
        return None
    return server_at(url, token)


def any_server(url: str | None, token: str | None, data: Path) -> Server:
    """
    The service at the URL, else the one that holds the folder.

    Raises:
        UnreachableError: There is none.
    """
    found = chosen_server(url, token) or server_of_folder(data)
    if found is None:
        raise UnreachableError(f"no service runs on {data}; start one: jobsight serve, or name one: --server URL")
    return found


def get(server: Server, path: str, **wanted: object) -> dict[str, Any]:
    """One query; parameters that are None are left out."""
    return server.call("GET", f"/api/v1/{path}{query_of(wanted)}")


def query_of(wanted: Mapping[str, object]) -> str:
    """Parameters as they stand behind a path."""
    told = {name: value for name, value in wanted.items() if value is not None}
    return f"?{urlencode(told)}" if told else ""


def job_path(job_id: str) -> str:
    """Where a job is found."""
    return f"jobs/{quote(job_id, safe='')}"


def job_page(server: Server, *, limit: int, **wanted: object) -> JobPage:
    """A page of jobs, filled up from as many answers as that takes."""
    page = msgspec.convert(get(server, "jobs", limit=limit, **wanted), JobPage)
    for _ in range(ROUNDS_MAX):
        if page.cursor is None or len(page.jobs) >= limit:
            break
        further = {**wanted, "cursor": page.cursor, "limit": limit - len(page.jobs)}
        more = msgspec.convert(get(server, "jobs", **further), JobPage)
        page = msgspec.structs.replace(page, jobs=page.jobs + more.jobs, cursor=more.cursor)
    return page


def alert_page(server: Server, **wanted: object) -> AlertPage:
    """A page of alerts."""
    return msgspec.convert(get(server, "alerts", **wanted), AlertPage)
