"""
The story of a job, told from its events: what happened when, each try with its error, and how long it stood where.

Reports say what they say: only a report's own words are used, and nothing is decided anew. Reports that only bring
progress, or a sign of life, are told as one moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from jobsight.core.job import CANCELLED, COMPLETED, FAILED, LOST, QUEUED, RETRYING, RUNNING, TERMINAL
from jobsight.core.rules import OVERDUE
from jobsight.core.times import happened_ms

LATE_MS: Final = 5_000
"""A report that came so much after what it tells is marked."""

HEARD: Final = "heard"
"""The kind of a moment at which nothing but a sign of life came."""


class Told(Struct, frozen=True, kw_only=True):
    """An event as it stands in the log: its place, when it was accepted (ms UTC), and its line."""

    seq: int
    index: int
    accept_ms: int
    line: bytes


class Moment(Struct, frozen=True, kw_only=True):
    """
    Something that happened, or several reports of the same.

    Attributes:
        kind: The status in which the job stood then, or `heard`, or the rule that found something.
        at_ms, until_ms: When it happened by the worker's own clock where that was told; of several the first and last. ms UTC.
        late_ms: How much later it was told, where that is much.
        text: The error, the reason, the message.
        progress: Percent, the latest one.
        count: Reports.
    """

    kind: str
    at_ms: int
    until_ms: int
    late_ms: int | None = None
    text: str = ""
    progress: float | None = None
    duration_ms: float | None = None
    host: str | None = None
    count: int = 1


class Attempt(Struct, frozen=True, kw_only=True):
    """
    One try.

    Attributes:
        number: From 1.
        begin_ms, end_ms: ms UTC; by its own word where its end told a duration and nothing was heard of it before.
        outcome: How it ended; None: it goes on.
        took_ms: As its end told it, else from its begin to its end; None where nothing but the end was heard.
    """

    number: int
    begin_ms: int
    end_ms: int | None = None
    outcome: str | None = None
    error: str | None = None
    host: str | None = None
    took_ms: float | None = None


class Stretch(Struct, frozen=True, kw_only=True):
    """For how long the job stood in a status: from then until then, ms UTC; `share` of the whole story in percent."""

    status: str
    begin_ms: int
    end_ms: int
    share: float


class Story(Struct, frozen=True, kw_only=True):
    """All of it, the oldest first."""

    moments: list[Moment]
    attempts: list[Attempt]
    stretches: list[Stretch]


def story_of(events: Sequence[Told], *, status: str, now_ms: int) -> Story:
    """
    What happened to a job.

    Args:
        events: Its events, the oldest first; some of the middle may be missing.
        status: Where the job stands now.
        now_ms: Up to when an active job's last stretch reaches, ms UTC.
    """
    told = [one for event in events if (one := _read(event)) is not None]
    moments = _with_limits(told)
    if moments and status in TERMINAL and moments[-1].kind not in TERMINAL:
        moments[-1] = replace(moments[-1], kind=status)
    return Story(
        moments=_joined(moments),
        attempts=_attempts(moments, [body.get("attempt") for _, body in told]),
        stretches=_stretches(moments, status, now_ms),
    )


def _body(line: bytes) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return {}
    body = message.get("body", message) if isinstance(message, dict) else {}
    return body if isinstance(body, dict) else {}


def _read(told: Told) -> tuple[Moment, dict[str, Any]] | None:
    body = _body(told.line)
    moment = _moment(told, body)
    return None if moment is None else (moment, body)


def _moment(told: Told, body: dict[str, Any]) -> Moment | None:
    try:
        at_ms = happened_ms(body.get("at"), told.accept_ms)
    except (ValueError, TypeError, OverflowError):
        at_ms = told.accept_ms
    late_ms = told.accept_ms - at_ms
    moment = Moment(
        kind=HEARD,
        at_ms=at_ms,
        until_ms=at_ms,
        late_ms=late_ms if late_ms >= LATE_MS else None,
        text=body.get("message") or "",
        host=body.get("host"),
    )
    match body.get("type"):
        case "update_status":
            return replace(moment, kind=str(body.get("status", "")), progress=body.get("progress"))
        case "job_completed":
            return replace(moment, kind=COMPLETED, duration_ms=body.get("duration_ms"))
        case "job_failed":
            return replace(moment, kind=FAILED, text=body.get("error") or "unknown error")
        case "job_cancelled":
            return replace(moment, kind=CANCELLED, text=body.get("reason") or "")
        case "heartbeat":
            return moment
        case "deadline_passed":
            rule = str(body.get("rule", ""))
            kind = LOST if rule in ("silence", OVERDUE) else rule
            return replace(moment, kind=kind, text=body.get("text") or "nothing was heard of it for too long")
        case _:
            return None


def _with_limits(told: Sequence[tuple[Moment, dict[str, Any]]]) -> list[Moment]:
    """A failure after which tries are known to be left leaves the job retrying; the limit is the one that was told last."""
    limit: int | None = None
    known = []
    for moment, body in told:
        limit = body.get("max_retries") or limit
        is_left = moment.kind == FAILED and limit is not None and (body.get("retries") or 0) < limit
        known.append(replace(moment, kind=RETRYING) if is_left else moment)
    return known


def _joined(moments: Sequence[Moment]) -> list[Moment]:
    """Reports one after the other that say the same, or only how far it is, as one moment."""
    joined: list[Moment] = []
    for moment in moments:
        last = joined[-1] if joined else None
        is_same = last is not None and moment.kind in (last.kind, HEARD) and moment.text in ("", last.text)
        if last is None or not is_same or last.kind in TERMINAL or last.kind == RETRYING:
            joined.append(moment)
            continue
        joined[-1] = replace(
            last,
            until_ms=moment.at_ms,
            progress=last.progress if moment.progress is None else moment.progress,
            count=last.count + 1,
        )
    return joined


def _attempts(moments: Sequence[Moment], numbers: Sequence[int | None]) -> list[Attempt]:
    attempts: list[Attempt] = []
    is_open = False
    for moment, number in zip(moments, numbers, strict=True):
        if moment.kind == QUEUED:
            continue
        is_other = is_open and number is not None and number > attempts[-1].number
        is_end = moment.kind in TERMINAL or moment.kind == RETRYING
        if not is_open or is_other:
            if moment.kind == HEARD and attempts:
                continue
            if is_end and attempts and attempts[-1].outcome == moment.kind and moment.kind in (COMPLETED, LOST):
                continue
            following = attempts[-1].number + 1 if attempts else 1
            attempts.append(
                Attempt(number=following if number is None else max(number, following), begin_ms=moment.at_ms)
            )
            is_open = True
        latest = attempts[-1]
        attempts[-1] = replace(latest, host=moment.host or latest.host)
        if is_end:
            outcome = FAILED if moment.kind == RETRYING else moment.kind
            error = moment.text if outcome in (FAILED, LOST) else None
            before_ms = (attempts[-2].end_ms or 0) if len(attempts) > 1 else 0
            ended = _ended(attempts[-1], moment, before_ms)
            attempts[-1] = replace(ended, outcome=outcome, error=error)
            is_open = False
    return attempts


def _ended(attempt: Attempt, end: Moment, before_ms: int) -> Attempt:
    """A try with its end; where only that was heard, it began as long before as it says, but not before the try before ended."""
    ran_ms, told_ms = end.at_ms - attempt.begin_ms, end.duration_ms
    if told_ms is None:
        return replace(attempt, end_ms=end.at_ms, took_ms=ran_ms if ran_ms > 0 else None)
    begin_ms = attempt.begin_ms if ran_ms > 0 else max(before_ms, end.at_ms - round(told_ms))
    return replace(attempt, begin_ms=begin_ms, end_ms=end.at_ms, took_ms=told_ms)


def _stretches(moments: Sequence[Moment], status: str, now_ms: int) -> list[Stretch]:
    begins: list[tuple[str, int]] = []
    for moment in moments:
        kind = RUNNING if moment.kind == HEARD and not begins else moment.kind
        if kind != HEARD and (not begins or begins[-1][0] != kind):
            begins.append((kind, max(moment.at_ms, begins[-1][1] if begins else 0)))
    if not begins:
        return []
    end_ms = begins[-1][1] if status in TERMINAL else max(now_ms, begins[-1][1])
    whole_ms = max(1, end_ms - begins[0][1])
    ends = [at_ms for _, at_ms in begins[1:]] + [end_ms]
    return [
        Stretch(status=kind, begin_ms=at_ms, end_ms=until_ms, share=round(100 * (until_ms - at_ms) / whole_ms, 3))
        for (kind, at_ms), until_ms in zip(begins, ends, strict=True)
        if until_ms > at_ms
    ]
