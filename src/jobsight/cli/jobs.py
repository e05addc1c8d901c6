"""`jobsight jobs`: a page of jobs."""

from __future__ import annotations

from pathlib import Path

import click

from jobsight.app.clock import clock_ms
from jobsight.app.stores import read_view
from jobsight.cli.options import data_option, json_option, moment_ms
from jobsight.cli.output import duration, moment, print_json, print_table
from jobsight.cli.remote import chosen_server, job_page, server_options
from jobsight.protocol.limits import LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX

_HEADINGS = ("JOB", "STATUS", "TASK", "PROGRESS", "DURATION", "UPDATED", "ERROR")
_ERROR_CHARACTERS = 60


@click.command("jobs")
@data_option
@click.option("--status", help="Only jobs that stand in this status: running, failed, completed, ...")
@click.option("--task", help="Only jobs of this task.")
@click.option("--queue", help="Only jobs of this queue.")
@click.option("--since", metavar="MOMENT", help="Only jobs heard of since: 90s, 15m, 24h, 7d, or a time.")
@click.option("--limit", type=click.IntRange(1, LIST_LIMIT_MAX), default=LIST_LIMIT_DEFAULT, show_default=True)
@click.option("--cursor", help="The next page; the page before names it.")
@server_options
@json_option
def command(
    data: Path,
    status: str | None,
    task: str | None,
    queue: str | None,
    since: str | None,
    limit: int,
    cursor: str | None,
    server: str | None,
    token: str | None,
    as_json: bool,
) -> None:
    """List jobs, the newest first."""
    since_ms = None if since is None else moment_ms(since, clock_ms())
    asked = chosen_server(server, token)
    if asked is not None:
        page = job_page(asked, status=status, task=task, queue=queue, since=since_ms, limit=limit, cursor=cursor)
    else:
        with read_view(data) as view:
            page = view.list_jobs(status=status, task=task, queue=queue, since_ms=since_ms, limit=limit, cursor=cursor)
    if as_json:
        print_json(page)
        return
    rows = [
        (
            job.job_id,
            job.status,
            job.task or "(none)",
            "-" if job.progress is None else f"{job.progress:g} %",
            duration(job.duration_ms),
            moment(job.updated_ms),
            (job.error or "")[:_ERROR_CHARACTERS],
        )
        for job in page.jobs
    ]
    print_table(_HEADINGS, rows, empty="no job matches; all jobs: jobsight jobs")
    if page.cursor is not None:
        click.echo(f"\nmore: --cursor {page.cursor}" + ("" if page.count is None else f"  ({page.count:,} in all)"))
