"""`/alerts/{alert_id}`: one alert as it is needed at 3 a.m., then its receipt with every try to tell of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from jobsight.core.alert import ACKNOWLEDGED_MS_MAX, FIRING, RESOLVED, RULE_JOB_FAILED, Alert, error_kind
from jobsight.core.check import Check
from jobsight.core.explanations import Fact, FactName
from jobsight.core.receipts import DeliveryRecord, receipt_of
from jobsight.core.silences import Silence, silence_of
from jobsight.core.spans import span_text
from jobsight.core.state import State
from jobsight.engine.answers import answer_of
from jobsight.engine.receipts import known_deliveries, open_alert, stored_deliveries
from jobsight.protocol.refusals import Code, shown
from jobsight.transports.http.asking import Source
from jobsight.transports.http.exchange import HttpRefusal
from jobsight.transports.http.pages.attention import AttentionRow, attention_row
from jobsight.transports.http.pages.site import Ground, Page, Wanted
from jobsight.transports.http.pages.words import query_of
from jobsight.view.answers import AuditAnswer, JobAnswer

FAILED_LOOKED_AT: Final = 300
"""Latest failed jobs among which the same error is looked for."""

ELSEWHERE_SHOWN: Final = 8
CHANGES_SHOWN: Final = 5


class Elsewhere(Struct, frozen=True, kw_only=True):
    """Where else the same kind of error was seen: a task or queue, how often lately, when last (ms UTC), and its jobs."""

    name: str
    count: int
    last_ms: int
    url: str


class CheckFacts(Struct, frozen=True, kw_only=True):
    """What is expected of the task, in pairs of name and value, who has set it and when (ms UTC)."""

    expected: list[tuple[str, str]]
    author: str
    since_ms: int
    next_ms: int | None


class AlertView(Struct, frozen=True, kw_only=True):
    """
    One alert, as its template shows it.

    Attributes:
        row: The same as in lists.
        job: The latest job of it, with its error and the end of its output; None where it is no longer kept.
        last_success_ms: Of the task, ms UTC; `failures_in_row` since then.
        acknowledged_until_ms: When it is told again, ms UTC.
        changes: Who has changed lately what is expected of the task.
        silence: The one that holds, if one does.
        facts: Of the receipt: the rule, what it looked at, what was decided; `deliveries` every try to tell of it.
        is_open: It is not over.
    """

    alert: Alert
    row: AttentionRow
    job: JobAnswer | None
    last_success_ms: int | None
    failures_in_row: int | None
    check: CheckFacts | None
    changes: list[AuditAnswer]
    elsewhere: list[Elsewhere]
    facts: list[Fact]
    deliveries: list[DeliveryRecord]
    silence: Silence | None
    acknowledged_until_ms: int | None
    is_open: bool
    is_firing: bool
    jobs_url: str
    at_ms: int


def look(ground: Ground, wanted: Wanted) -> Callable[[Source], AlertView]:
    """Take what the state knows of it: it is open, or was a moment ago; else the view alone knows it."""
    state, name = ground.state, wanted.path["alert_id"]
    standing = open_alert(state, name)
    alert = None if standing is None else replace(standing)
    check = state.checks.get(alert.task) if alert is not None and alert.task is not None else None
    job = state.jobs.get(alert.last_job_id) if alert is not None else None
    known = None if job is None else answer_of(job)
    expected = None if check is None else _check_facts(check)
    figures = ground.recent.tasks.get(alert.task) if alert is not None and alert.task is not None else None
    succeeded_ms = None if figures is None else figures.last_success_ms
    in_row = None if check is None else check.failures_in_row
    silence = None if alert is None else silence_of(state.silences.values(), alert, wanted.at_ms)
    others = [] if alert is None else _same_error(state.open_by_id.values(), alert)
    facts = None if alert is None else receipt_of(state, alert, [], wanted.at_ms).facts
    waiting = [] if alert is None else known_deliveries(state, alert, [])
    checks, retries_max = state.checks, state.retries_max

    def finish(source: Source) -> AlertView:
        found = alert or source.view.find_alert(name)
        if found is None:
            raise HttpRefusal(404, Code.KEY_DOES_NOT_EXIST, f"no alert is called {shown(name)}")
        # Of an alert that is over, only its own check is looked up; of an open one, all was taken above.
        known_state = State(retries_max=retries_max, checks=checks if alert is None else {})
        deliveries = {one.number: one for one in (*stored_deliveries(source.view, found), *waiting)}
        receipt = receipt_of(known_state, found, [deliveries[number] for number in sorted(deliveries)], wanted.at_ms)
        is_open = found.state != RESOLVED
        return AlertView(
            alert=found,
            row=attention_row(found),
            job=known or (source.view.job(found.last_job_id) if found.last_job_id else None),
            last_success_ms=succeeded_ms or found.last_success_ms,
            failures_in_row=in_row if is_open and in_row else found.failures_in_row,
            check=expected,
            changes=source.view.audit(subject=found.task, limit=CHANGES_SHOWN).entries if found.task else [],
            elsewhere=_elsewhere(source, found, others),
            facts=[one for one in facts or receipt.facts if one.name not in (FactName.DELIVERY, FactName.TRY)],
            deliveries=receipt.deliveries,
            silence=silence,
            acknowledged_until_ms=_until_ms(found) if is_open else None,
            is_open=is_open,
            is_firing=found.state == FIRING,
            jobs_url=_jobs_url(found),
            at_ms=wanted.at_ms,
        )

    return finish


def _until_ms(alert: Alert) -> int | None:
    return None if alert.acknowledged_ms is None else alert.acknowledged_ms + ACKNOWLEDGED_MS_MAX


def _jobs_url(alert: Alert) -> str:
    status = "failed" if alert.rule == RULE_JOB_FAILED else None
    if alert.task is None and alert.queue is None:
        return "/jobs" + query_of({"status": status, "q": "no:task"})
    queue = alert.queue if alert.task is None else None
    return "/jobs" + query_of({"status": status, "task": alert.task, "queue": queue})


def _check_facts(check: Check) -> CheckFacts:
    expected = check.expected
    pairs = [("schedule", None if expected.schedule is None else f"{expected.schedule} ({expected.tz})")]
    for name in (
        "start_grace_ms",
        "finish_by_ms",
        "max_runtime_ms",
        "heartbeat_ms",
        "stall_after_ms",
        "min_runtime_ms",
    ):
        length_ms = getattr(expected, name)
        if length_ms is not None and (name != "start_grace_ms" or expected.schedule is not None):
            pairs.append((name.removesuffix("_ms").replace("_", " "), span_text(length_ms)))
    if expected.max_retries is not None:
        pairs.append(("max retries", str(expected.max_retries)))
    if expected.failure_threshold > 1:
        pairs.append(("opens after", f"{expected.failure_threshold} failures in a row"))
    if expected.depends_on:
        pairs.append(("depends on", ", ".join(expected.depends_on)))
    return CheckFacts(
        expected=[(name, value) for name, value in pairs if value is not None],
        author=check.author,
        since_ms=check.since_ms,
        next_ms=check.slot_ms,
    )


def _same_error(alerts: Iterable[Alert], alert: Alert) -> list[Elsewhere]:
    """Other open alerts about the same kind of error, the latest ones of them."""
    kind = error_kind(alert.last_error)
    same = [one for one in alerts if one.alert_id != alert.alert_id and kind and error_kind(one.last_error) == kind]
    return [
        Elsewhere(
            name=attention_row(one).subject, count=one.count, last_ms=one.updated_ms, url=f"/alerts/{one.alert_id}"
        )
        for one in sorted(same, key=lambda one: -one.updated_ms)[:ELSEWHERE_SHOWN]
    ]


def _elsewhere(source: Source, alert: Alert, open_ones: list[Elsewhere]) -> list[Elsewhere]:
    """The same kind of error of other tasks: open alerts, then what the latest failed jobs say."""
    kind = error_kind(alert.last_error)
    if not kind or alert.rule != RULE_JOB_FAILED:
        return open_ones
    seen: dict[str, Elsewhere] = {one.name: one for one in open_ones}
    for job in source.view.list_jobs(status="failed", limit=FAILED_LOOKED_AT).jobs:
        name = job.task if job.task is not None else f"queue {job.queue}" if job.queue is not None else "no task"
        is_own = (job.task, job.queue) == (alert.task, alert.queue) or (job.task is not None and job.task == alert.task)
        if is_own or error_kind(job.error or "") != kind or (name in seen and seen[name].url.startswith("/alerts")):
            continue
        before = seen.get(name)
        url = "/jobs" + query_of(
            {"status": "failed", "task": job.task, "queue": job.queue if job.task is None else None}
        )
        count, last_ms = (
            (1, job.updated_ms) if before is None else (before.count + 1, max(before.last_ms, job.updated_ms))
        )
        seen[name] = Elsewhere(name=name, count=count, last_ms=last_ms, url=url)
    return sorted(seen.values(), key=lambda one: -one.last_ms)[:ELSEWHERE_SHOWN]


ALERT: Final = Page(path="/alerts/{alert_id}", template="alert.html", section="alerts", look=look)
