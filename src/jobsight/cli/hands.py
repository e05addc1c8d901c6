"""`jobsight ack` and `jobsight resolve`: somebody takes care of alerts, or says that they are over."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

import click

from jobsight.cli.desk import API, changing
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import plain, print_json
from jobsight.cli.remote import server_options
from jobsight.errors import UsageError

Command = TypeVar("Command", bound=Callable[..., Any])


def hand_options(command: Command) -> Command:
    """The options of both commands."""
    options = (
        click.argument("alerts", metavar="[ALERT]...", nargs=-1),
        click.option(
            "--match", multiple=True, metavar="NAME=GLOB", help="All open alerts that match; may be repeated."
        ),
        click.option("--dry-run", is_flag=True, help="With --match: only say how many there are."),
        click.option("--comment", default="", help="What the others should know."),
        click.option("--by", metavar="NAME", help="Who it is.  [default: this user, or the token]"),
        data_option,
        server_options,
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def lend(verb: str, done: str, given: dict[str, Any]) -> int:
    """Acknowledge or resolve what the command line names, and say so in the word `done`."""
    alerts, match, data = given["alerts"], given["match"], given["data"]
    if bool(alerts) is bool(match):
        raise UsageError("expected alerts by their ids (jobsight alerts lists them), or --match NAME=GLOB")
    wish = {"comment": given["comment"], **({} if given["by"] is None else {"by": given["by"]})}
    with changing(data, given["server"], given["token"]) as desk:
        if match:
            many = {**wish, "match": list(match), "dry_run": given["dry_run"]}
            _show_many(desk.call("POST", f"{API}alerts/{verb}", many), done, given["as_json"])
            return 0
        for alert in alerts:
            answer = desk.call("POST", f"{API}alerts/{quote(alert, safe='')}/{verb}", wish)["alert"]
            if given["as_json"]:
                print_json(answer)
            else:
                sys.stdout.write(plain(f"{done} {answer['alert_id']}: {answer['text'] or answer['last_error']}") + "\n")
    return 0


def _show_many(answer: dict[str, Any], done: str, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    alerts = "1 alert" if answer["count"] == 1 else f"{answer['count']} alerts"
    sys.stdout.write(f"{done} {alerts}\n" if answer["is_done"] else f"{alerts} would be {done}\n")


@click.command("ack")
@hand_options
def acknowledge(**given: Any) -> int:
    """Acknowledge alerts: you take care, and nobody is told again for a day."""
    return lend("acknowledge", "acknowledged", given)


@click.command("resolve")
@hand_options
def resolve(**given: Any) -> int:
    """Resolve alerts by hand: it is over."""
    return lend("resolve", "resolved", given)
