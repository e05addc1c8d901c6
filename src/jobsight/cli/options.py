"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from jobsight.errors import UsageError

Command = TypeVar("Command", bound=Callable[..., Any])


def default_data() -> Path:
    """The data folder where none is named: `JOBSIGHT_DATA`, else the platform's place for a service's data."""
    named = os.environ.get("JOBSIGHT_DATA")
    if named:
        return Path(named)
    from platformdirs import site_data_dir, user_data_dir

    if os.geteuid() == 0:
        return Path("/var/lib/jobsight") if os.name == "posix" else Path(site_data_dir("jobsight"))
    return Path(user_data_dir("jobsight"))


def data_option(command: Command) -> Command:
    """`--data DIR`: the folder to read; a node may be running on it."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        default=default_data,
        show_default="$JOBSIGHT_DATA, else the platform's data folder",
        help="The data folder. A node may be running on it.",
    )(command)


def json_option(command: Command) -> Command:
    """`--json`: for programs."""
    return click.option("--json", "as_json", is_flag=True, help="JSON, one value a line, for programs.")(command)


def moment_ms(text: str, now_ms: int) -> int:
    """
    A moment that an operator named, as ms since the epoch: RFC 3339 text, or an age such as `90s`, `15m`, `24h`, `7d`.

    Raises:
        UsageError: It is neither.
    """
    from jobsight.core.times import epoch_ms

    units = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
    if text[:-1].isdigit() and text[-1] in units:
        return now_ms - int(text[:-1]) * units[text[-1]]
    try:
        return epoch_ms(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is no moment; expected an age such as 90s, 15m, 24h or 7d, or a time such as 2026-11-23T02:00:00Z"
        ) from None
