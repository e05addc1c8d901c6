"""`jobsight alerts`: what is wrong, and what was."""

from __future__ import annotations

from pathlib import Path

import click

from jobsight.app.clock import clock_ms
from jobsight.cli.desk import looking, pages
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import Columns, duration, print_list
from jobsight.cli.remote import server_options

STATES = ["open", "pending", "firing", "acknowledged", "resolved", "all"]


@click.command("alerts")
@click.option(
    "--state", type=click.Choice(STATES), default="open", show_default=True, help="Only alerts that stand there."
)
@click.option("--task", help="Only alerts of this task.")
@click.option("--rule", help="Only alerts of this rule, such as missed.")
@click.option("--severity", type=click.Choice(["critical", "warning"]), help="Only alerts that are this bad.")
@click.option("--queue", help="Only alerts of this queue.")
@click.option("--since", metavar="MOMENT", help="Only alerts that have changed since: 24h, or RFC 3339.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most.")
@data_option
@server_options
@json_option
def command(
    state: str,
    task: str | None,
    rule: str | None,
    severity: str | None,
    queue: str | None,
    since: str | None,
    limit: int,
    data: Path,
    server: str | None,
    token: str | None,
    as_json: bool,
) -> int:
    """List alerts, the newest first."""
    wanted = {"task": task, "rule": rule, "severity": severity, "queue": queue, "since": since}
    with looking(data, server, token) as desk:
        found = pages(desk, "alerts", "alerts", limit, state=None if state == "all" else state, **wanted)
    now_ms = clock_ms()
    columns: Columns = {
        "ALERT": "alert_id",
        "STATE": lambda one: one["suppressed"] or one["state"],
        "SEVERITY": "severity",
        "RULE": "rule",
        "TASK": lambda one: one["task"] or one["queue"] or "-",
        "OPENED": "opened_ms",
        "FOR": lambda one: duration((one["resolved_ms"] or now_ms) - one["opened_ms"]),
        "COUNT": "count",
        "WHAT": lambda one: one["text"] or one["last_error"],
    }
    print_list(found, columns, "no alerts; all there ever were: jobsight alerts --state all", as_json=as_json)
    return 0
