"""`/tasks/{name}`: a task's latest jobs, how long they take, what goes wrong with it, what is expected of it."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Annotated, Final

from msgspec import Meta, Struct

from jobsight.core.alert import error_kind
from jobsight.core.check import Check
from jobsight.core.health import Health
from jobsight.core.job import FAILED
from jobsight.protocol.refusals import Code, shown
from jobsight.transports.http.asking import Source
from jobsight.transports.http.exchange import HttpRefusal
from jobsight.transports.http.pages.attention import AttentionRow, attention_rows
from jobsight.transports.http.pages.columns import Column, Range
from jobsight.transports.http.pages.glances import Glance, glance_of
from jobsight.transports.http.pages.happenings import CheckChange, check_changes
from jobsight.transports.http.pages.paces import Pace
from jobsight.transports.http.pages.schedule_words import schedule_words
from jobsight.transports.http.pages.site import Ground, Page, Wanted
from jobsight.transports.http.pages.strips import WideBar, wide_bars
from jobsight.transports.http.pages.task_rows import next_of
from jobsight.transports.http.pages.words import span
from jobsight.view.answers import AlertAnswer
from jobsight.view.latest import LatestJob
from jobsight.view.queries import Reader

JOBS_DRAWN: Final = 60
JOBS_LISTED: Final = 15
ALERTS_SHOWN: Final = 8
FAILED_READ: Final = 100
"""Failed jobs from which the errors are put together; the latest ones."""

ERRORS_SHOWN: Final = 8
SEARCH_S_MAX: Final = 0.005


class TaskParameters(Struct, frozen=True, kw_only=True):
    """Of a task's page: the range of its charts, and whether they are shown as a table."""

    range: Range = "24h"
    table: Annotated[bool, Meta(description="The charts as a table.")] = False


class ErrorGroup(Struct, frozen=True, kw_only=True):
    """Failures of one kind: what they have in common, how many, the latest of them."""

    kind: str
    count: int
    last_ms: int
    job_id: str


class Term(Struct, frozen=True, kw_only=True):
    """One thing that is expected, in words."""

    name: str
    value: str


class CheckView(Struct, frozen=True, kw_only=True):
    """What is expected of a task, in words, and who said so."""

    terms: list[Term]
    author: str
    origin: str
    runbook_url: str | None
    max_runtime_ms: int | None
    min_runtime_ms: int | None


class TaskView(Struct, frozen=True, kw_only=True):
    """A task, as its template shows it."""

    glance: Glance
    health: Health
    pace: Pace
    schedule: str | None
    next_ms: int | None
    bars: list[WideBar]
    latest: list[LatestJob]
    attention: list[AttentionRow]
    errors: list[ErrorGroup]
    alerts: list[AlertAnswer]
    check: CheckView | None
    changes: list[CheckChange]
    range: str
    table: list[Column] | None
    width_s: int


def look(ground: Ground, wanted: Wanted) -> Callable[[Source], TaskView]:
    """Take what the state knows of the task and its check; the view adds its jobs, failures and alerts."""
    name, query = wanted.path["name"], wanted.query
    glance = glance_of(ground, name)
    if glance is None:
        text = f"There is no task {shown(name)}. A task is there as soon as a job has reported its name."
        raise HttpRefusal(404, Code.KEY_DOES_NOT_EXIST, text)
    state = ground.state
    check = state.checks.get(name)
    check_view = None if check is None else _check_view(check)
    attention = attention_rows(alert for alert in state.open_by_id.values() if alert.task == name)

    def finish(source: Source) -> TaskView:
        view, at_ms = source.view, wanted.at_ms
        jobs = view.latest(name, JOBS_DRAWN)
        columns = [one.column for one in ground.columns.of(view, query.range, name, at_ms)] if query.table else None
        expected = glance.expected
        return TaskView(
            glance=glance,
            health=glance.health,
            pace=ground.paces.of(view, name, at_ms),
            schedule=None
            if expected is None or expected.schedule is None
            else schedule_words(expected.schedule, expected.tz),
            next_ms=next_of(glance, at_ms),
            bars=wide_bars(jobs),
            latest=jobs[:JOBS_LISTED],
            attention=attention,
            errors=_errors(view, name),
            alerts=view.alerts(task=name, limit=ALERTS_SHOWN).alerts,
            check=check_view,
            changes=check_changes(view, name),
            range=query.range,
            table=columns,
            width_s=0 if not columns else (columns[1].at_ms - columns[0].at_ms) // 1000,
        )

    return finish


def _check_view(check: Check) -> CheckView:
    expected = check.expected
    return CheckView(
        terms=_terms(check),
        author=check.author,
        origin=str(check.origin),
        runbook_url=safe_link(expected.runbook_url),
        max_runtime_ms=expected.max_runtime_ms,
        min_runtime_ms=expected.min_runtime_ms,
    )


def safe_link(url: str | None) -> str | None:
    """A URL that may become a link: http and https only, whatever a report has brought."""
    return url if url is not None and url.lower().startswith(("https://", "http://")) else None


def _terms(check: Check) -> list[Term]:
    expected = check.expected
    found = [
        ("starts", None if expected.schedule is None else schedule_words(expected.schedule, expected.tz)),
        ("within", None if expected.schedule is None else f"{span(expected.start_grace_ms)} of its time"),
        ("ends within", _span(expected.finish_by_ms, " of its time")),
        ("runs at most", _span(expected.max_runtime_ms)),
        ("runs at least", _span(expected.min_runtime_ms)),
        ("heard every", _span(expected.heartbeat_ms)),
        ("moves on within", _span(expected.stall_after_ms)),
        ("retries at most", None if expected.max_retries is None else str(expected.max_retries)),
        ("fails at most", _failure_rate(expected.failure_rate_max)),
        (
            "alerts after",
            None if expected.failure_threshold == 1 else f"{expected.failure_threshold} failures in a row",
        ),
        ("recovers after", None if expected.recovery_threshold == 1 else f"{expected.recovery_threshold} successes"),
        ("depends on", ", ".join(expected.depends_on) or None),
        ("severity", str(expected.severity)),
    ]
    bounds = [(name, f"{_bound(one.min)} to {_bound(one.max)}") for name, one in expected.measures.items()]
    return [Term(name=name, value=value) for name, value in [*found, *bounds] if value is not None]


def _span(length_ms: int | None, ending: str = "") -> str | None:
    return None if length_ms is None else f"{span(length_ms)}{ending}"


def _failure_rate(share: float | None) -> str | None:
    return None if share is None else f"{share:.0%} of its jobs"


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"


def _errors(view: Reader, task: str) -> list[ErrorGroup]:
    end = perf_counter() + SEARCH_S_MAX
    page = view.list_jobs(status=FAILED, task=task, limit=FAILED_READ, is_enough=lambda: perf_counter() >= end)
    found: dict[str, ErrorGroup] = {}
    for job in page.jobs:
        kind = error_kind(job.error or "")
        known = found.get(kind)
        found[kind] = ErrorGroup(
            kind=kind,
            count=1 if known is None else known.count + 1,
            last_ms=job.updated_ms if known is None else known.last_ms,
            job_id=job.job_id if known is None else known.job_id,
        )
    return sorted(found.values(), key=lambda group: -group.count)[:ERRORS_SHOWN]


TASK: Final = Page(
    path="/tasks/{name:path}", template="task.html", section="tasks", look=look, parameters=TaskParameters
)
