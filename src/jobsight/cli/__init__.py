"""
The command line. One file a command, imported only when that command is called.

Help pages and usage errors are drawn by rich-click; a command that just runs never loads it, since cron may start it every minute.
`run` and `report` belong to the client, and load nothing but it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_HELP = frozenset({"--help", "-h"})


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command.

    Args:
        argv: Its words, without the program's name; those of the process by default.

    Returns:
        The exit code: 0 fine, 1 something is wrong, 2 usage, further ones as `errors` lists them.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] in (["run"], ["report"]):
        _leave_the_commands_modules()
    if words[:1] == ["run"]:
        from jobsight.client.run import main as run_client

        return run_client(words[1:])
    if words[:1] == ["report"]:
        from jobsight.client.report import main as report_client

        return report_client(words[1:])
    if not words or not _HELP.isdisjoint(words):
        from rich_click.patch import patch

        patch()
    from jobsight.cli.commands import run

    return run(words)


def _leave_the_commands_modules() -> None:
    """
    Import nothing from PYTHONPATH: it is meant for the command, and a module there that is called as one of Python's own
    would stand in its place.
    """
    own = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    theirs = {os.path.abspath(one) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one}
    sys.path[:] = [one for one in sys.path if one == own or os.path.abspath(one) not in theirs]
