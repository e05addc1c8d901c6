"""Answers to queries: from the state in memory where that knows, else from the view, brought up to date first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, assert_never

import msgspec

from jobsight.core.job import Job
from jobsight.core.rollup import Rollup
from jobsight.core.state import State
from jobsight.core.statistics import Counters, Totals, mean_ms, totals_of
from jobsight.errors import JobsightError, UsageError
from jobsight.logs.base import Record
from jobsight.protocol.limits import LIST_LIMIT_MAX
from jobsight.protocol.messages import AcknowledgeAlert, AnyQuery, GetAlerts, GetJob, GetStats, Init, ListJobs
from jobsight.protocol.refusals import Code, refusal, shown
from jobsight.protocol.session import Answer
from jobsight.view.answers import AlertPage, Applied, JobAnswer, JobPage
from jobsight.view.summary import summary_of

THROUGHPUT_MS: Final = 300_000
"""The stretch of time whose ends make the throughput, where the query names none."""

_INDEX_BITS: Final = 20


class Reading(Protocol):
    """What answers need of a view."""

    def job(self, job_id: str) -> JobAnswer | None:
        """A job; None when it is not stored."""
        ...

    def history_refs(self, job_id: str) -> list[int]:
        """Where a job's events stand in the log."""
        ...

    def list_jobs(
        self, *, status: str | None, task: str | None, queue: str | None, limit: int, cursor: str | None
    ) -> JobPage:
        """Jobs that match, the newest first."""
        ...

    def alerts(
        self, state: str | None = None, task: str | None = None, *, limit: int = 100, cursor: str | None = None
    ) -> AlertPage:
        """Alerts, the newest episode first."""
        ...

    def applied(self) -> Applied:
        """Up to where the view is true, and how many jobs it holds."""
        ...

    def rollup_sum(self, since_ms: int, until_ms: int | None = None, task: str | None = None) -> Rollup:
        """All that ended within a range."""
        ...


class Records(Protocol):
    """What a history needs of a log."""

    def record(self, seq: int) -> Record | None:
        """One record; None when it is not there."""
        ...


class Answers:
    """
    Answers queries as of the last applied event.

    Args:
        state: The writer's.
        reading: Brings the view up to date with the state, and answers from it.
        log: Where the events of a history stand.
        clock_ms: Wall time, ms since the epoch, UTC.
    """

    def __init__(self, state: State, reading: Callable[[], Reading], log: Records, clock_ms: Callable[[], int]) -> None:
        self._state = state
        self._reading = reading
        self._log = log
        self._clock_ms = clock_ms

    def answer(self, query: AnyQuery) -> Answer:
        """The type and the fields of the reply, or why there is none."""
        try:
            match query:
                case GetStats():
                    return ("job_stats", self._stats(query))
                case GetJob():
                    return self._job(query)
                case ListJobs():
                    return ("jobs", self._jobs(query))
                case GetAlerts():
                    return ("alerts", self._alerts(query))
                case AcknowledgeAlert():
                    return self._acknowledged(query)
                case Init():
                    return refusal(Code.NOT_SUPPORTED, "init: only a session on stdin and stdout is opened by it")
                case _:
                    assert_never(query)
        except UsageError as error:
            return refusal(Code.MALFORMED_REQUEST, str(error))
        except JobsightError as error:
            return refusal(Code.TEMPORARILY_UNAVAILABLE, str(error))

    def _stats(self, query: GetStats) -> Totals | dict[str, Any]:
        if query.is_plain:
            return totals_of([self._state.counters])
        if query.queue is not None and query.since_ms is not None:
            raise UsageError("body.queue: ends over time are counted by task; expected no queue beside since_ms")
        is_narrowed = query.task is not None or query.queue is not None
        counters = self._counters(query) if is_narrowed else [self._state.counters]
        if query.since_ms is not None:
            ended = self._reading().rollup_sum(query.since_ms, None, query.task)
            figures = _ends(ended, query.status)
        else:
            figures = _standing(counters, query.status)
        if query.detail:
            figures["by_status"] = _by_status(counters)
            if query.queue is None:
                figures |= self._detail(query)
            if not is_narrowed and query.status is None and query.since_ms is None:
                figures["retained"] = self._reading().applied().retained
        return figures

    def _counters(self, query: GetStats) -> list[Counters]:
        """The counters of the task and queue that a query names."""
        return [
            pair
            for (task, queue), pair in self._state.pairs.items()
            if (query.task is None or query.task == task) and (query.queue is None or query.queue == queue)
        ]

    def _detail(self, query: GetStats) -> dict[str, Any]:
        """Durations, failure rate, throughput and resource usage; roll-ups know tasks, and no queues."""
        reading, now_ms = self._reading(), self._clock_ms()
        since_ms = now_ms - THROUGHPUT_MS if query.since_ms is None else min(query.since_ms, now_ms - 1)
        ended = reading.rollup_sum(query.since_ms or 0, None, query.task)
        recent = ended if query.since_ms is not None else reading.rollup_sum(since_ms, None, query.task)
        summary = summary_of(ended, now_ms - since_ms)
        return {
            "p50_ms": summary.p50_ms,
            "p95_ms": summary.p95_ms,
            "p99_ms": summary.p99_ms,
            "max_ms": summary.max_ms,
            "failure_rate": summary.failure_rate,
            "throughput_per_s": summary_of(recent, now_ms - since_ms).throughput_per_s,
            "resource_usage": {
                name: {"mean": one.mean, "max": one.max} for name, one in sorted(summary.resource_usage.items())
            },
        }

    def _job(self, query: GetJob) -> Answer:
        job = self._state.jobs.get(query.job_id)
        answer = answer_of(job) if job is not None else self._reading().job(query.job_id)
        if answer is None:
            return refusal(Code.KEY_DOES_NOT_EXIST, f"body.job_id: no job is called {shown(query.job_id)}")
        fields: dict[str, Any] = msgspec.to_builtins(answer)
        if query.history:
            fields["history"] = history(self._log, self._reading().history_refs(query.job_id))
        return ("job", fields)

    def _alerts(self, query: GetAlerts) -> Mapping[str, Any]:
        page = self._reading().alerts(query.state, query.task, limit=query.limit, cursor=query.cursor)
        fields: dict[str, Any] = msgspec.to_builtins(page)
        return fields

    def _acknowledged(self, query: AcknowledgeAlert) -> Answer:
        """The reply to an acknowledgement that was stored and applied."""
        alert = self._state.open_by_id.get(query.alert_id)
        if alert is not None:
            return ("alert_acknowledged", {"alert_id": alert.alert_id, "state": alert.state, "by": alert.by})
        page = self._reading().alerts(None, None, limit=LIST_LIMIT_MAX)
        known = [one for one in page.alerts if one.alert_id == query.alert_id]
        if not known:
            text = f"body.alert_id: no open alert is called {shown(query.alert_id)}"
            return refusal(Code.KEY_DOES_NOT_EXIST, text)
        return ("alert_acknowledged", {"alert_id": query.alert_id, "state": known[0].state, "by": known[0].by})

    def _jobs(self, query: ListJobs) -> Mapping[str, Any]:
        page = self._reading().list_jobs(
            status=query.status, task=query.task, queue=query.queue, limit=query.limit, cursor=query.cursor
        )
        fields: dict[str, Any] = msgspec.to_builtins(page)
        return fields


def answer_of(job: Job) -> JobAnswer:
    """A job in memory as it is answered."""
    return JobAnswer(**{name: getattr(job, name) for name in JobAnswer.__struct_fields__})


def history(log: Records, refs: list[int]) -> list[dict[str, Any]]:
    """
    The events at some places of the log, as they came: place, accept time in ms UTC, and the message itself.

    Places that the log no longer holds are left out.
    """
    events: list[dict[str, Any]] = []
    lines: list[bytes] = []
    accept_ms = last_seq = 0
    for ref in refs:
        seq, index = ref >> _INDEX_BITS, ref & ((1 << _INDEX_BITS) - 1)
        if seq != last_seq:
            record = log.record(seq)
            last_seq = seq
            lines = [] if record is None else record.payload.split(b"\n")
            accept_ms = 0 if record is None else record.accept_ms
        if index < len(lines):
            events.append({"seq": seq, "index": index, "accept_ms": accept_ms, "message": msgspec.Raw(lines[index])})
    return events


def _standing(counters: list[Counters], status: str | None) -> dict[str, Any]:
    """The founding figures over some counters; with a status, over the jobs that stand in it alone."""
    totals = totals_of(counters)
    if status is None:
        return dict(msgspec.to_builtins(totals))
    count = sum(one.statuses.get(status, 0) for one in counters)
    return {
        "total": count,
        "completed": count if status == "completed" else 0,
        "failed": count if status == "failed" else 0,
        "avg_duration_ms": totals.avg_duration_ms if status == "completed" else 0,
    }


def _ends(ended: Rollup, status: str | None) -> dict[str, Any]:
    """The founding figures over what ended within a stretch of time."""
    ends = ended.ends if status is None else {status: ended.ends.get(status, 0)}
    has_durations = status in (None, "completed")
    return {
        "total": sum(ends.values()),
        "completed": ends.get("completed", 0),
        "failed": ends.get("failed", 0),
        "avg_duration_ms": mean_ms(ended.duration_sum_us, ended.duration_count) if has_durations else 0,
    }


def _by_status(counters: list[Counters]) -> dict[str, int]:
    """How many jobs stand in each status; words in which none stands any more are left out."""
    found: dict[str, int] = {}
    for one in counters:
        for word, count in one.statuses.items():
            if count:
                found[word] = found.get(word, 0) + count
    return found
