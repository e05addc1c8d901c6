"""`jobsight check`: what is expected of each task."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import click

from jobsight.cli.desk import API, changing, looking, pages
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import Columns, moment, plain, print_json, print_list, print_table
from jobsight.cli.remote import server_options
from jobsight.errors import NotFoundError, UsageError
from jobsight.protocol.expectations import CHECK_FIELDS

Command = TypeVar("Command", bound=Callable[..., Any])

_FIELDS = {
    "schedule": ("SCHEDULE", "When it starts: five cron fields, @daily, `every 15m`, or as systemd: `Mon..Fri 02:00`."),
    "tz": ("ZONE", "IANA zone in which the schedule is read.  [default: UTC]"),
    "start_grace": ("TIME", "A run must start within this after its slot.  [default: 5m]"),
    "early_margin": ("TIME", "A run this much before its slot counts for it.  [default: 1m]"),
    "finish_by": ("TIME", "A run must end within this after its slot."),
    "max_runtime": ("TIME", "A run takes no longer than this."),
    "heartbeat": ("TIME", "A running job is heard at least this often."),
    "stall_after": ("TIME", "Progress must rise within this."),
    "min_runtime": ("TIME", "A run that is done sooner is suspicious."),
    "severity": ("SEVERITY", "critical or warning.  [default: critical]"),
    "owner": ("NAME", "Whose task it is."),
    "runbook_url": ("URL", "What to do when it is broken."),
}
_NUMBERS = {
    "max_retries": "Retry limit of its jobs.",
    "failure_threshold": "Failures in a row that open an alert.  [default: 1]",
    "recovery_threshold": "Successes in a row that close it.  [default: 1]",
}


def _field_options(command: Command) -> Command:
    options = [
        *(
            click.option(f"--{name.replace('_', '-')}", metavar=kind, help=about)
            for name, (kind, about) in _FIELDS.items()
        ),
        *(click.option(f"--{name.replace('_', '-')}", type=int, help=about) for name, about in _NUMBERS.items()),
        click.option("--failure-rate-max", type=float, help="Share of failed runs (0 to 1) that is too much."),
        click.option("--measure", multiple=True, metavar="NAME=MIN..MAX", help="Bounds of a measure; may be repeated."),
        click.option("--label", multiple=True, metavar="KEY=VALUE", help="For routes and silences; may be repeated."),
        click.option(
            "--depends-on", multiple=True, metavar="TASK", help="Quiet while this one fires; may be repeated."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group("check", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Say what is expected of a task: when it starts, how long it may take, how often it is heard."""


@command.command("set")
@click.argument("task")
@_field_options
@click.option("--unset", multiple=True, metavar="FIELD", help="Expect this no more; may be repeated.")
@data_option
@server_options
@json_option
def put(
    task: str,
    unset: tuple[str, ...],
    data: Path,
    server: str | None,
    token: str | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Expect something of TASK. What is not named stays as it was."""
    fields = _fields_of(given)
    unknown = [name for name in unset if name.replace("-", "_") not in CHECK_FIELDS]
    if unknown:
        raise UsageError(f"--unset {unknown[0]}: expected one of {', '.join(CHECK_FIELDS)}")
    if not fields and not unset:
        raise UsageError("expected something to expect, such as --schedule '0 2 * * *' or --max-runtime 2h")
    path = f"{API}checks/{quote(task, safe='')}"
    with changing(data, server, token, is_new=True) as desk:
        try:
            before: dict[str, Any] = desk.call("GET", path)["check"]
        except NotFoundError:
            before = {}
        kept = {name: one for name, one in before.items() if name not in {one.replace("-", "_") for one in unset}}
        made = desk.call("PUT", path, {**kept, **fields})
    _show(made, as_json)
    return 0


@command.command("list")
@click.option("--origin", type=click.Choice(["config", "api", "report"]), help="Only checks of this origin.")
@click.option("--state", type=click.Choice(["new", "ok", "alerting"]), help="Only checks that stand so.")
@data_option
@server_options
@json_option
def index(
    origin: str | None, state: str | None, data: Path, server: str | None, token: str | None, as_json: bool
) -> int:
    """List what is expected of each task, and how that stands."""
    with looking(data, server, token) as desk:
        found = pages(desk, "checks", "checks", sys.maxsize, origin=origin, state=state)
    columns: Columns = {
        "TASK": "task",
        "STATE": "state",
        "EXPECTED": lambda one: _in_words(one["check"]),
        "NEXT": "next_slot_ms",
        "LAST SUCCESS": "last_success_ms",
        "BY": lambda one: f"{one['origin']} ({one['author']})" if one["author"] else one["origin"],
    }
    hint = "nothing is expected of any task; begin with: jobsight check set TASK --schedule '0 2 * * *'"
    print_list(found, columns, hint, as_json=as_json)
    return 0


@command.command("show")
@click.argument("task")
@data_option
@server_options
@json_option
def show(task: str, data: Path, server: str | None, token: str | None, as_json: bool) -> int:
    """Show what is expected of TASK, and how that stands."""
    with looking(data, server, token) as desk:
        _show(desk.call("GET", f"{API}checks/{quote(task, safe='')}"), as_json)
    return 0


@command.command("rm")
@click.argument("task")
@data_option
@server_options
def remove(task: str, data: Path, server: str | None, token: str | None) -> int:
    """Expect nothing of TASK any more; its open conditions end."""
    with changing(data, server, token) as desk:
        desk.call("DELETE", f"{API}checks/{quote(task, safe='')}")
    sys.stdout.write(plain(f"nothing is expected of {task} any more") + "\n")
    return 0


def _fields_of(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of a check that the command line names."""
    fields = {name: one for name, one in given.items() if one is not None and name in CHECK_FIELDS and one != ()}
    if given["measure"]:
        fields["measures"] = dict(_measure(text) for text in given["measure"])
    if given["label"]:
        fields["labels"] = dict(_pair("--label", text) for text in given["label"])
    if "depends_on" in fields:
        fields["depends_on"] = list(fields["depends_on"])
    return fields


def _pair(option: str, text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise UsageError(f"{option}: expected KEY=VALUE, got {plain(text)!r}")
    return name, value


def _measure(text: str) -> tuple[str, dict[str, float]]:
    name, bounds = _pair("--measure", text)
    low, dots, high = bounds.partition("..")
    try:
        found = {key: float(one) for key, one in (("min", low), ("max", high)) if one}
    except ValueError:
        found = {}
    if not dots or not found:
        raise UsageError(f"--measure: expected NAME=MIN..MAX, one of them may be left out, got {plain(text)!r}")
    return name, found


def _in_words(check: dict[str, Any]) -> str:
    shown = [check["schedule"]] if "schedule" in check else []
    names = ("max_runtime", "finish_by", "heartbeat", "stall_after", "min_runtime", "failure_rate_max")
    return ", ".join(shown + [f"{name} {check[name]}" for name in names if name in check]) or "-"


def _show(one: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(one)
        return
    rows = [[name, _value(value)] for name, value in one["check"].items()]
    times = ("since_ms", "next_slot_ms", "deadline_ms", "last_start_ms", "last_end_ms", "last_success_ms")
    rows += [[name.removesuffix("_ms").replace("_", " "), moment(one[name])] for name in times if one[name] is not None]
    rows += [["failures in a row", str(one["failures_in_row"])], ["missed in a row", str(one["missed_in_row"])]]
    rows += [["running now", str(one["active_runs"])]]
    if one["learned_runs"] < one["learning_runs"]:
        rows.append(["learning", f"{one['learned_runs']}/{one['learning_runs']}"])
    rows += [["open alert", alert_id] for alert_id in one["alerts"]]
    sys.stdout.write(plain(f"{one['task']}: {one['state']}, set by {one['origin']} {one['author']}".rstrip()) + "\n")
    print_table(["EXPECTED, AND SEEN", ""], rows, "")


def _value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_bounds(one) if isinstance(one, dict) else one}" for name, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _bounds(one: dict[str, Any]) -> str:
    return "..".join(f"{one[name]:g}" if name in one else "" for name in ("min", "max"))
