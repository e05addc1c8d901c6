"""`/jobs/{job_id}`: one job: how it stands, what happened, try by try, and how that compares with others of its task."""

from __future__ import annotations

import shlex
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final

from msgspec import Struct

from jobsight.core.alert import Alert
from jobsight.core.histogram import Histogram, bucket_of
from jobsight.core.rollup import Rollup
from jobsight.engine.answers import answer_of, history
from jobsight.protocol.limits import LIST_LIMIT_MAX
from jobsight.protocol.refusals import Code, shown
from jobsight.transports.http import parameters
from jobsight.transports.http.asking import Source
from jobsight.transports.http.exchange import HttpRefusal
from jobsight.transports.http.pages.site import Ground, Page, Wanted
from jobsight.transports.http.pages.words import path_of
from jobsight.view.answers import JobAnswer
from jobsight.view.estimate import Estimate, estimate
from jobsight.view.story import Attempt, Story, Told, story_of
from jobsight.view.summary import summary_of

COMPARED_MS: Final = 30 * 86_400_000
"""How far back the durations reach with which a job is compared."""

EVENTS_SHOWN: Final = 100
"""Events of which the page tells, the latest ones; `?events=500` shows more."""

EVENTS_MAX: Final = LIST_LIMIT_MAX
SIBLINGS: Final = 12


class JobQuery(Struct, frozen=True, kw_only=True):
    """What stands in the URL; `events` is how many of them are told."""

    events: parameters.Limit = EVENTS_SHOWN


class Compared(Struct, frozen=True, kw_only=True):
    """
    A job's duration among those of its task within 30 days.

    Attributes:
        ran_ms: How long it took, or has run so far.
        p50_ms, p95_ms, max_ms: Of the others. Places in percent of the scale, on which `ran_place` stands.
        share_below: Percent of them that took less.
    """

    runs: int
    ran_ms: float | None
    p50_ms: float
    p95_ms: float
    max_ms: float
    p50_place: float
    p95_place: float
    ran_place: float
    share_below: int | None


class Measure(Struct, frozen=True, kw_only=True):
    """One measure of what it used, beside the mean and maximum of its task."""

    name: str
    value: float | None
    mean: float | None
    max: float | None


class RawEvent(Struct, frozen=True, kw_only=True):
    """An event as it came."""

    seq: int
    index: int
    accept_ms: int
    line: str


class JobView(Struct, frozen=True, kw_only=True):
    """
    One job, as its template shows it.

    Attributes:
        hidden_events: Events that are not told.
        siblings: The latest jobs of its task, or of its queue where it has none.
        alert: The open alert of its task, or of which it is the latest job.
        commands: What asks for the same on a command line.
    """

    job: JobAnswer
    story: Story
    raw: list[RawEvent]
    hidden_events: int
    all_events_url: str | None
    compared: Compared | None
    estimate: Estimate | None
    measures: list[Measure]
    siblings: list[JobAnswer]
    alert: Alert | None
    commands: list[str]
    ran_ms: float | None
    at_ms: int


def look(ground: Ground, wanted: Wanted) -> Callable[[Source], JobView]:
    """Take the job from memory where it is there, and the places of its latest events."""
    job_id = wanted.path["job_id"]
    job = ground.state.jobs.get(job_id)
    known, refs = (None, []) if job is None else (answer_of(job), list(job.refs))
    open_alerts = list(ground.state.open_by_id.values())
    has_tokens = bool(ground.state.tokens)
    limit: int = wanted.query.events

    def finish(source: Source) -> JobView:
        answer = known or source.view.job(job_id)
        if answer is None:
            text = f"no job is called {shown(job_id)}; it may be older than what is kept"
            raise HttpRefusal(404, Code.KEY_DOES_NOT_EXIST, text)
        places = sorted({*source.view.history_refs(job_id), *refs})
        told = _told(source, places[-limit:])
        rollup = source.view.rollup_sum(wanted.at_ms - COMPARED_MS, None, answer.task, has_task=answer.task is not None)
        story = story_of(told, status=answer.status, now_ms=wanted.at_ms)
        ran_ms = _ran_ms(answer, story.attempts if len(told) == answer.events else [], wanted.at_ms)
        is_running = answer.ended_ms is None and answer.started_ms is not None
        return JobView(
            job=answer,
            story=story,
            raw=[_raw(one) for one in reversed(told)],
            hidden_events=answer.events - len(told),
            all_events_url=f"/jobs/{path_of(job_id)}?events={EVENTS_MAX}" if len(places) > limit else None,
            compared=_compared(rollup, ran_ms),
            estimate=estimate(rollup.durations, ran_ms or 0, answer.progress) if is_running else None,
            measures=_measures(answer, rollup),
            siblings=_siblings(source, answer),
            alert=_alert_of(answer, open_alerts),
            commands=_commands(job_id, has_tokens),
            ran_ms=ran_ms,
            at_ms=wanted.at_ms,
        )

    return finish


def _told(source: Source, places: list[int]) -> list[Told]:
    return [
        Told(seq=one["seq"], index=one["index"], accept_ms=one["accept_ms"], line=bytes(one["message"]))
        for one in history(source.log, places)
    ]


def _raw(told: Told) -> RawEvent:
    return RawEvent(seq=told.seq, index=told.index, accept_ms=told.accept_ms, line=told.line.decode("utf-8", "replace"))


def _ran_ms(job: JobAnswer, attempts: Sequence[Attempt], at_ms: int) -> float | None:
    """How long it took by its own word, else from its first try to its last by its own clock; None where nothing is known."""
    if job.duration_ms is not None:
        return job.duration_ms
    if attempts and job.ended_ms is not None:
        begin_ms, end_ms = attempts[0].begin_ms, attempts[-1].end_ms
        return end_ms - begin_ms if end_ms is not None and end_ms > begin_ms else None
    if job.started_ms is None:
        return None
    return max(0, (at_ms if job.ended_ms is None else job.ended_ms) - job.started_ms)


def _compared(rollup: Rollup, ran_ms: float | None) -> Compared | None:
    summary = summary_of(rollup, COMPARED_MS)
    if summary.p50_ms is None or summary.p95_ms is None or summary.max_ms is None:
        return None
    scale_ms = max(summary.p95_ms * 1.25, ran_ms or 0, 1)
    below = None if ran_ms is None else _share_below(rollup.durations, ran_ms)
    return Compared(
        runs=rollup.duration_count,
        ran_ms=ran_ms,
        p50_ms=summary.p50_ms,
        p95_ms=summary.p95_ms,
        max_ms=summary.max_ms,
        p50_place=round(100 * summary.p50_ms / scale_ms, 2),
        p95_place=round(100 * summary.p95_ms / scale_ms, 2),
        ran_place=round(100 * (ran_ms or 0) / scale_ms, 2),
        share_below=below,
    )


def _share_below(durations: Histogram, ran_ms: float) -> int:
    buckets = sorted(durations)
    seen = list(accumulate(map(durations.__getitem__, buckets)))
    place = bisect_right(buckets, bucket_of(int(ran_ms * 1000)) - 1)
    return int(100 * (seen[place - 1] if place else 0) / seen[-1])


def _measures(job: JobAnswer, rollup: Rollup) -> list[Measure]:
    measures = []
    for name, value in (job.resource_usage or {}).items():
        known = rollup.measures.get(name)
        has_mean = known is not None and known.count > 0
        measures.append(
            Measure(
                name=name,
                value=value,
                mean=known.sum / known.count if known is not None and has_mean else None,
                max=known.max if known is not None and has_mean else None,
            )
        )
    return measures


def _siblings(source: Source, job: JobAnswer) -> list[JobAnswer]:
    if job.task is None and job.queue is None:
        return []
    queue = job.queue if job.task is None else None
    return source.view.list_jobs(task=job.task, queue=queue, limit=SIBLINGS).jobs


def _alert_of(job: JobAnswer, alerts: Sequence[Alert]) -> Alert | None:
    of_job = (one for one in alerts if job.job_id in (one.last_job_id, one.first_job_id) or job.job_id in one.job_ids)
    of_task = (one for one in alerts if job.task is not None and one.task == job.task)
    return next(of_job, None) or next(of_task, None)


def _commands(job_id: str, has_tokens: bool) -> list[str]:
    token = ' -H "Authorization: Bearer $JOBSIGHT_TOKEN"' if has_tokens else ""
    url = f"/api/v1/jobs/{path_of(job_id)}?history=1"
    word = shlex.quote(job_id) if not job_id.startswith("-") else f"-- {shlex.quote(job_id)}"
    return [f'curl -s{token} "$JOBSIGHT_SERVER{url}"', f"jobsight job {word} --history"]


JOB: Final = Page(path="/jobs/{job_id:path}", template="job.html", section="jobs", look=look, parameters=JobQuery)
