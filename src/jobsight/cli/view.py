"""`jobsight view`: the read model, which can be thrown away and made anew."""

from __future__ import annotations

from pathlib import Path

import click

from jobsight.app.stores import rebuild_view
from jobsight.cli.options import data_option
from jobsight.cli.output import progress
from jobsight.core.counted import counted


@click.group("view")
def command() -> None:
    """The view is derived from the log; it answers queries, and can be made anew at any time."""


@command.command("rebuild")
@data_option
def rebuild(data: Path) -> None:
    """Make the view anew from the log. No node may be running on the folder; nothing is sent again."""
    with progress("rebuilding") as bar:
        batches, jobs = rebuild_view(data, bar)
    click.echo(f"the view was made anew from {counted(batches, 'batch', 'batches')}: {counted(jobs, 'job', 'jobs')}")
