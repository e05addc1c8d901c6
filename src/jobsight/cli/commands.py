"""The table of commands, and how one is run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

import click
from typing_extensions import override

from jobsight import __version__
from jobsight.errors import JobsightError

COMMANDS: Final = {
    "serve": "jobsight.cli.serve",
    "config": "jobsight.cli.config",
    "token": "jobsight.cli.token",
    "user": "jobsight.cli.user",
    "ping-url": "jobsight.cli.ping_url",
    "node": "jobsight.cli.node",
    "status": "jobsight.cli.status",
    "alerts": "jobsight.cli.alerts",
    "ack": "jobsight.cli.ack",
    "resolve": "jobsight.cli.resolve",
    "silence": "jobsight.cli.silence",
    "maintenance": "jobsight.cli.maintenance",
    "check": "jobsight.cli.check",
    "channels": "jobsight.cli.channels",
    "routes": "jobsight.cli.routes",
    "deliveries": "jobsight.cli.deliveries",
    "drill": "jobsight.cli.drill",
    "audit": "jobsight.cli.audit",
    "tail": "jobsight.cli.tail",
    "stats": "jobsight.cli.stats",
    "jobs": "jobsight.cli.jobs",
    "job": "jobsight.cli.job",
    "explain": "jobsight.cli.explain",
    "why-not": "jobsight.cli.why_not",
    "replay": "jobsight.cli.replay",
    "doctor": "jobsight.cli.doctor",
    "backup": "jobsight.cli.backup",
    "restore": "jobsight.cli.restore",
    "export": "jobsight.cli.export",
    "log": "jobsight.cli.log",
    "view": "jobsight.cli.view",
}
"""Command -> the module that holds it, in an object named `command`."""

CLIENT_COMMANDS: Final = {
    "run": "Run a command and watch it as a job.",
    "report": "Report where a job stands, from a shell script.",
}
"""Commands of the client, for the list of all: they are run before anything of this module is loaded."""


class LazyGroup(click.Group):
    """Imports a command's module when the command is asked for."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *CLIENT_COMMANDS]

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in CLIENT_COMMANDS:
            return click.Command(cmd_name, help=CLIENT_COMMANDS[cmd_name])
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(module).command
        return command

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            near = get_close_matches(args[0], self.list_commands(ctx), n=3)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {' or '.join(near)}?" if near else ""))
        return super().resolve_command(ctx, args)


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="jobsight")
def jobsight() -> None:
    """Jobsight watches jobs of every kind, and says when one has failed for good or has gone silent."""


def run(words: Sequence[str]) -> int:
    """Run a command; errors that operators can mend are one line on stderr, and the exit code says which kind they are."""
    try:
        result = jobsight.main(list(words), prog_name="jobsight", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return 2
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    except JobsightError as error:
        complain(str(error))
        return error.exit_code
    return result if isinstance(result, int) else 0


def complain(text: str) -> None:
    """One line on stderr, under the program's name."""
    sys.stderr.write(f"jobsight: {text}\n")
    sys.stderr.flush()
