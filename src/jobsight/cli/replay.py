"""`jobsight replay`: other rules over the recorded past."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click
import msgspec

from jobsight.app.clock import clock_ms
from jobsight.app.replaying import replay_rules
from jobsight.cli.options import data_option, json_option, moment_ms
from jobsight.cli.output import duration, moment, number, print_json, print_table, progress
from jobsight.config.load import DEFAULT, load
from jobsight.core.counted import counted
from jobsight.engine.replay import Page, Rules
from jobsight.engine.replay_report import ReplayReport

SHOWN_MAX: Final = 20
_HEADINGS: Final = ("RULE", "TASK", "PAGES THEN", "PAGES NOW", "ALERTS THEN", "ALERTS NOW")


@click.command("replay")
@click.option(
    "--check",
    "file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    required=True,
    help="A configuration file; its checks, routes and retry limit are to hold.",
)
@click.option(
    "--since", default="30d", show_default=True, metavar="MOMENT", help="Compare from here on: 24h, 30d, a time."
)
@data_option
@json_option
def command(file: Path, since: str, data: Path, as_json: bool) -> None:
    """Run changed rules over the recorded past, and print what would have called somebody against what did. Changes nothing."""
    wanted_ms = moment_ms(since, clock_ms())
    rules = _rules_of(file)
    with progress("replaying") as bar:
        report = replay_rules(data, rules, wanted_ms, bar)
    if as_json:
        print_json(report)
    else:
        _print(report)


def _rules_of(file: Path) -> Rules:
    """What a configuration file says about rules. Raises ConfigError."""
    loaded = load({}, os.environ, file)
    declared, is_limit_set = loaded.settings.declared, loaded.origins["jobs.max_retries"] != DEFAULT
    return Rules(
        checks=declared.checks,
        routes=declared.routes or None,
        retries_max=loaded.settings.jobs.max_retries if is_limit_set else msgspec.UNSET,
    )


def _print(report: ReplayReport) -> None:
    click.echo(
        f"{counted(report.events, 'event', 'events')} replayed, compared from {moment(report.from_ms)} to {moment(report.to_ms)}"
    )
    if report.left_out_ms:
        click.echo(f"not in the log any more, or never: the first {duration(report.left_out_ms)} of what was asked for")
    if report.forgotten_jobs:
        click.echo(
            f"{counted(report.forgotten_jobs, 'ended job was', 'ended jobs were')} forgotten on the way; "
            "late reports count anew"
        )
    if not report.channels:
        click.echo("there is no channel, so nobody could be called; the pages are those of one that stands in for all")
    click.echo(f"pages: {number(report.pages_then)} then, {number(report.pages_now)} now\n")
    rows = [
        (
            line.rule,
            line.subject,
            number(line.pages_then),
            number(line.pages_now),
            number(line.alerts_then),
            number(line.alerts_now),
        )
        for line in report.lines
    ]
    print_table(_HEADINGS, rows, empty="nobody was called, and nobody would have been")
    _print_pages("would have called somebody, and did not", report.new_pages)
    _print_pages("called somebody, and would not have", report.gone_pages)


def _print_pages(what: str, pages: list[Page]) -> None:
    if not pages:
        return
    more = f" (the first {SHOWN_MAX} of {number(len(pages))}; all of them: --json)" if len(pages) > SHOWN_MAX else ""
    click.echo(f"\n{what}{more}:")
    rows = [(moment(one.at_ms), one.channel, one.rule, one.subject, one.title) for one in pages[:SHOWN_MAX]]
    print_table(("WHEN", "CHANNEL", "RULE", "TASK", "WHAT"), rows, empty="")
