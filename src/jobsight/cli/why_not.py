"""`jobsight why-not TASK`: why nobody was told."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import click
import msgspec

from jobsight.app.clock import clock_ms
from jobsight.app.stores import read_view
from jobsight.cli.explain import print_facts
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import plain, print_json
from jobsight.cli.remote import chosen_server, get, server_options
from jobsight.core.receipts import WhyNot
from jobsight.engine.receipts import why_not_from_view


@click.command("why-not")
@click.argument("task", metavar="TASK")
@data_option
@server_options
@json_option
def command(task: str, data: Path, server: str | None, token: str | None, as_json: bool) -> None:
    """Say why nobody was told about a task: "no alert: failure 1 of 2; silenced until 10:00Z by ana"; then the facts."""
    asked = chosen_server(server, token)
    if asked is not None:
        found = msgspec.convert(get(asked, f"tasks/{quote(task, safe='')}/why-not"), WhyNot)
    else:
        with read_view(data) as view:
            found = why_not_from_view(view, task, clock_ms())
    if as_json:
        print_json(found)
        return
    click.echo(plain(found.answer) + "\n")
    print_facts(found.facts)
