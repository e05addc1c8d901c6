"""`jobsight status`: what is wrong now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
from msgspec import Struct

from jobsight.app.clock import clock_ms
from jobsight.app.stores import folder_holder, read_log, read_view
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import moment, print_json, print_table
from jobsight.cli.remote import alert_page, chosen_server, get, job_page, server_options
from jobsight.cli.server import Server
from jobsight.core.counted import counted
from jobsight.view.answers import AlertAnswer, JobAnswer

FAILED_MS: Final = 3_600_000
"""How far back failed jobs are looked for."""

FAILED_MAX: Final = 500
ALERTS_MAX: Final = 100
LAG_BATCHES_MAX: Final = 1_000
_ERROR_CHARACTERS: Final = 60


class Found(Struct, kw_only=True):
    """
    What there is to say.

    Attributes:
        monitor: What is wrong with the monitor itself, in words.
        alerts: Those that are open.
        failed: Task -> jobs that failed within the last hour; `is_more`: there are more than were counted.
    """

    monitor: list[str]
    alerts: list[AlertAnswer]
    failed: dict[str, int]
    is_more: bool
    jobs: int

    @property
    def is_wrong(self) -> bool:
        """Whether somebody should look."""
        return bool(self.monitor or self.failed) or any(alert.state == "firing" for alert in self.alerts)


@click.command("status")
@data_option
@server_options
@json_option
def command(data: Path, server: str | None, token: str | None, as_json: bool) -> int:
    """Show what is wrong now: firing alerts, tasks that failed in the last hour, the monitor itself. Exit code 1 if anything is."""
    asked = chosen_server(server, token)
    found = _of_folder(data) if asked is None else _of_server(asked)
    if as_json:
        print_json({"is_wrong": found.is_wrong, **{name: getattr(found, name) for name in Found.__struct_fields__}})
    else:
        _print(found)
    return 1 if found.is_wrong else 0


def _of_server(server: Server) -> Found:
    reason = server.why_not_ready()
    since_ms = clock_ms() - FAILED_MS
    page = job_page(server, status="failed", since=since_ms, limit=FAILED_MAX)

    def alerts_in(state: str) -> list[AlertAnswer]:
        return alert_page(server, state=state, limit=ALERTS_MAX).alerts

    return Found(
        monitor=[] if reason is None else [f"it takes no reports: {reason}"],
        alerts=_open(alerts_in),
        failed=_by_task(page.jobs),
        is_more=len(page.jobs) == FAILED_MAX,
        jobs=get(server, "stats")["total"],
    )


def _of_folder(data: Path) -> Found:
    with read_view(data) as view, read_log(data) as log:
        lag = log.bounds()[1] - view.applied().applied_seq
        page = view.list_jobs(status="failed", since_ms=clock_ms() - FAILED_MS, limit=FAILED_MAX)

        def alerts_in(state: str) -> list[AlertAnswer]:
            return view.alerts(state, limit=ALERTS_MAX).alerts

        alerts, jobs = _open(alerts_in), view.totals().total
    monitor = [] if folder_holder(data) is not None else [f"no process watches over {data}; start it: jobsight serve"]
    if lag > LAG_BATCHES_MAX:
        monitor.append(f"the view is {counted(lag, 'batch', 'batches')} behind the log")
    return Found(
        monitor=monitor,
        alerts=alerts,
        failed=_by_task(page.jobs),
        is_more=len(page.jobs) == FAILED_MAX,
        jobs=jobs,
    )


def _open(alerts_in: Callable[[str], list[AlertAnswer]]) -> list[AlertAnswer]:
    return [*alerts_in("firing"), *alerts_in("acknowledged")]


def _by_task(jobs: list[JobAnswer]) -> dict[str, int]:
    found: dict[str, int] = {}
    for job in jobs:
        name = job.task or "(none)"
        found[name] = found.get(name, 0) + 1
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def _print(found: Found) -> None:
    rows = [("monitor", "-", "-", text) for text in found.monitor]
    rows += [
        (
            alert.state,
            alert.task or alert.queue or "(none)",
            moment(alert.opened_ms),
            alert.last_error[:_ERROR_CHARACTERS],
        )
        for alert in found.alerts
    ]
    more = " or more" if found.is_more else ""
    rows += [
        ("failed", task, "last hour", f"{counted(count, 'job', 'jobs')}{more}") for task, count in found.failed.items()
    ]
    print_table(
        ("WHAT", "TASK", "SINCE", "FOUND"),
        rows,
        empty=f"nothing is wrong; {counted(found.jobs, 'job is', 'jobs are')} known",
    )
