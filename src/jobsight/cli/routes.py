"""`jobsight routes`: who is told what."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from jobsight.cli.desk import API, looking
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import plain, print_json, print_table
from jobsight.cli.remote import query_of, server_options


@click.command("routes")
@click.option("--task", help="Ask who would be told now of an alert of this task.")
@click.option("--queue", help="Of this queue.")
@click.option("--rule", help="Of this rule.  [default: job_failed]")
@click.option("--severity", type=click.Choice(["critical", "warning"]), help="This bad.  [default: critical]")
@data_option
@server_options
@json_option
def command(data: Path, server: str | None, token: str | None, as_json: bool, **asked: Any) -> int:
    """Show every way from an alert to a channel; or, where an alert is described, who would be told of it now."""
    is_question = any(one is not None for one in asked.values())
    with looking(data, server, token) as desk:
        path = f"{API}routes/whom{query_of(asked)}" if is_question else f"{API}routes"
        found = desk.call("GET", path)
    if as_json:
        print_json(found)
    elif is_question:
        rows = [[channel, group] for channel, group in found["channels"].items()]
        print_table(["CHANNEL", "IN THE GROUP"], rows, "nobody would be told")
    else:
        print_table(
            ["ROUTE", "CHANNEL"],
            [[road["route"], road["channel"]] for road in found["roads"]],
            "nobody is told: there is no channel",
        )
        for line in _as_in_the_file("routes", found["routes"]):
            sys.stdout.write(plain(line) + "\n")
    return 0


def _as_in_the_file(path: str, routes: dict[str, Any]) -> Iterator[str]:
    """The routes as they stand in the configuration file."""
    for name, route in routes.items():
        here = f"{path}.{name if name.replace('-', '').replace('_', '').isalnum() else json.dumps(name)}"
        yield from ("", f"[{here}]")
        yield from (f"{key} = {json.dumps(value)}" for key, value in route.items() if key != "routes")
        yield from _as_in_the_file(f"{here}.routes", route.get("routes", {}))
