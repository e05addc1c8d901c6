"""`jobsight drill`: does an alert really arrive?"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from jobsight.cli.desk import API
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import print_json, print_table
from jobsight.cli.remote import any_server, server_options

LOOK_SECONDS = 0.5


@click.command("drill")
@click.option(
    "--wait", type=click.IntRange(1, 3_600), default=60, show_default=True, help="Seconds to wait for what arrives."
)
@data_option
@server_options
@json_option
def command(wait: int, data: Path, server: str | None, token: str | None, as_json: bool) -> int:
    """
    Tell every channel of every route, by the real ways, of a failure that is none, and say what has arrived.

    Exit code 1 where anything has not.
    """
    desk = any_server(server, token, data)
    drill = desk.call("POST", f"{API}drills")
    end = time.monotonic() + wait
    while not drill["is_over"] and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
        drill = desk.call("GET", f"{API}drills/{drill['drill_id']}")
    if as_json:
        print_json(drill)
    else:
        _show(drill)
    return 0 if all(road["state"] == "delivered" for road in drill["roads"]) else 1


def _show(drill: dict[str, Any]) -> None:
    rows = [[road["route"], road["channel"], road["state"], road["detail"] or "-"] for road in drill["roads"]]
    print_table(["ROUTE", "CHANNEL", "STATE", "ANSWER"], rows, "there is no way to anybody")
    arrived = sum(road["state"] == "delivered" for road in drill["roads"])
    sys.stdout.write(f"{arrived} of {len(rows)} arrived\n")
