"""
The command line. One file a command, imported only when that command is called.

Help pages and usage errors are drawn by rich-click; a command that just runs never loads it, since cron may start it every minute.
`run` and `report` belong to the client, and load nothing but it.
"""

from __future__ import annotations

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
