"""`jobsight explain ALERT`: why somebody was told, and what became of it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import click
import msgspec

from jobsight.app.clock import clock_ms
from jobsight.app.stores import read_view
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import moment, plain, print_json, print_table
from jobsight.cli.remote import chosen_server, get, server_options
from jobsight.core.explanations import Fact
from jobsight.core.receipts import Receipt
from jobsight.engine.receipts import receipt_from_view
from jobsight.errors import NotFoundError


@click.command("explain")
@click.argument("alert", metavar="ALERT")
@data_option
@server_options
@json_option
def command(alert: str, data: Path, server: str | None, token: str | None, as_json: bool) -> None:
    """
    Show the receipt of an alert: the rule and what it looked at, every decision with its reason, every delivery try, who
    acknowledged. ALERT is its id, or its fingerprint (exit code 66 where there is none).
    """
    asked = chosen_server(server, token)
    if asked is not None:
        found: Receipt | None = msgspec.convert(get(asked, f"alerts/{quote(alert, safe='')}/receipt"), Receipt)
    else:
        with read_view(data) as view:
            found = receipt_from_view(view, alert, clock_ms())
    if found is None:
        raise NotFoundError(f"no alert is called {plain(alert)!r} in {data}; see them: jobsight status")
    if as_json:
        print_json(found)
        return
    subject = found.task or found.queue or "(none)"
    click.echo(plain(f"{found.alert_id}  {found.state}  {subject}: {found.text}") + "\n")
    print_facts(found.facts)


def print_facts(facts: list[Fact]) -> None:
    """Facts, a line each."""
    rows = [(moment(fact.at_ms), fact.name.replace("_", " "), fact.text) for fact in facts]
    print_table(("WHEN", "WHAT", "FOUND"), rows, empty="nothing is on record")
