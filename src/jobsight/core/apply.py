"""
`apply`: what events do to the state. Arithmetic only: the same batches give the same state, on any machine, for ever.

The loop is the hot path: one dictionary look-up for the job, one for the handler, and then only what the event really changes.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Final, cast

import msgspec
from msgspec import UNSET, Struct, field

from jobsight.core.alert import FIRING, Alert, AlertKind
from jobsight.core.alerting import count_failure, leave, resolve, succeed
from jobsight.core.events import (
    AnyReport,
    Batch,
    DeadlinePassed,
    Heartbeat,
    InternalEvent,
    JobCancelled,
    JobCompleted,
    JobFailed,
    SettingsChanged,
    StatusUpdate,
    TokenCreated,
    TokenRevoked,
)
from jobsight.core.job import COMPLETED, FAILED, LOST, TERMINAL, Job, Kind, next_status
from jobsight.core.lifecycle import (
    adopt,
    count_completion,
    count_end,
    cut_text,
    is_late,
    new_job,
    note_end,
    rollup_for,
    set_duration,
    stand,
)
from jobsight.core.state import State
from jobsight.core.tokens import Token

RULES_VERSION: Final = 1
"""Grows when the same events would give another state than before; stands with every batch in the log."""

UNKNOWN_ERROR: Final = "unknown error"
"""What a failure is called that told no error."""

_encode = msgspec.json.Encoder().encode


class Applied(Struct, kw_only=True):
    """
    What came of a batch.

    Attributes:
        retrying: Index of each failure that was recorded without an alert -> the retry limit that decided it.
        alerts: Alerts that were opened, counted up or resolved, in order.
    """

    retrying: dict[int, int] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)


def apply(state: State, batch: Batch, start: int = 0, stop: int | None = None) -> Applied:
    """
    Bring the state forward by a batch of reports, or by those from `start` to `stop`: a query between two reports sees
    the first alone.

    Args:
        state: Changed in place. It must hold every job of the batch that was ever seen; the caller fetches those from the view.
        batch: Stored reports.
        start, stop: Indexes into the batch; its end by default.

    Returns:
        What the replies and the dispatcher need to know beyond the reports themselves.
    """
    applied = Applied()
    jobs, dirty = state.jobs, state.changes.jobs
    events, sources, at_ms = cast("list[AnyReport]", batch.events), batch.sources, batch.accept_ms
    if stop is None:
        stop = len(events)
    place = batch.seq << 20
    for index in range(start, stop):
        event = events[index]
        job = jobs.get(event.job_id)
        if job is None:
            job = new_job(state, event, at_ms)
        elif (job.last_event == event or job.last_digest) and _is_repeat(job, event, sources[index]):
            _hear_again(state, job, event, applied, index, at_ms)
            continue
        if not job.is_dirty:
            job.is_dirty = True
            dirty.append(job)
        job.updated_ms = at_ms
        job.refs.append(place | index)
        job.last_event = event
        job.last_source = sources[index]
        # For speed alone: most reports only move the progress of a job that stands where it stood. What this takes,
        # `_on_update` would treat alike; a property test holds the two together.
        if (
            type(event) is StatusUpdate
            and event.status == job.status
            and event.at is None
            and event.task is None
            and event.queue is None
            and event.host is None
            and event.labels is None
            and event.attempt is None
            and event.max_retries is None
            and event.message is None
        ):
            progress = event.progress
            if progress is not UNSET and progress is not None:
                job.progress = progress
                if progress > job.progress_max:
                    job.progress_max = progress
                    job.moved_ms = at_ms
        else:
            _HANDLERS[type(event)](state, job, event, applied, index, at_ms)
    state.changes.events += stop - start
    state.applied_seq = batch.seq
    return applied


def apply_internal(state: State, batch: Batch) -> Applied:
    """Bring the state forward by a batch of the monitor's own events. The arguments are those of `apply`."""
    applied = Applied()
    for index, event in enumerate(cast("list[InternalEvent]", batch.events)):
        match event:
            case SettingsChanged():
                state.retries_max = event.max_retries
                state.silence_ms = event.silence_ms
            case DeadlinePassed():
                _pass_deadline(state, event, batch, index)
            case TokenCreated():
                _create_token(state, event, batch.accept_ms)
            case TokenRevoked():
                _revoke_token(state, event, batch.accept_ms)
    state.changes.events += len(batch.events)
    state.applied_seq = batch.seq
    return applied


def retry_limit(state: State, job: Job, event: JobFailed) -> int | None:
    """The retry limit that holds for a failure: the report's, else the job's, else the node's; None for none known."""
    if event.max_retries is not None:
        return event.max_retries
    return job.max_retries if job.max_retries is not None else state.retries_max


def digest(source: str | None, event: AnyReport) -> int:
    """A 63-bit digest of a report and its sender, for telling a repetition after the report itself has left the memory; never 0."""
    raw = blake2b(_encode((source, event)), digest_size=8).digest()
    return int.from_bytes(raw, "big") >> 1 | 1


def _is_repeat(job: Job, event: AnyReport, source: str | None) -> bool:
    """Whether a report is the job's last event once more: same sender, same message number, same body."""
    if event.msg_id is UNSET or event.msg_id is None:
        return False
    if job.last_event is not None:
        # 25 equals 25.0, but they are written differently: only the text tells the same as the digest will tell later.
        return job.last_source == source and _encode(job.last_event) == _encode(event)
    return job.last_digest == digest(source, event)


def _hear_again(state: State, job: Job, event: AnyReport, applied: Applied, index: int, at_ms: int) -> None:
    """A repetition is a sign of life and nothing else; its reply is that of the first time."""
    if not job.is_dirty:
        job.is_dirty = True
        state.changes.jobs.append(job)
    job.updated_ms = at_ms
    if type(event) is JobFailed:
        limit = retry_limit(state, job, event)
        if limit is not None and _retries(event) < limit:
            applied.retrying[index] = limit


def _has_more(event: AnyReport) -> bool:
    """Whether a report carries any of the optional fields that `adopt` takes over."""
    return (
        event.task is not None
        or event.queue is not None
        or event.host is not None
        or event.labels is not None
        or event.attempt is not None
        or event.max_retries is not None
        or event.message is not None
    )


def _on_update(state: State, job: Job, event: StatusUpdate, applied: Applied, index: int, at_ms: int) -> None:
    if event.at is not None and is_late(job, event, at_ms):
        return
    if _has_more(event):
        adopt(state, job, event)
    old = job.status
    if event.status != old:
        status = next_status(old, Kind.UPDATED, event.status)
        stand(state, job, status, at_ms)
        if status in TERMINAL:
            note_end(job, event, at_ms, is_told_by_update=True)
            count_end(rollup_for(state, job, event.at, at_ms), status)
            if status == COMPLETED and state.open_by_id:
                _close_alert(state, job, applied, at_ms)
    progress = event.progress
    if progress is not UNSET and progress is not None:
        job.progress = progress
        if progress > job.progress_max:
            job.progress_max = progress
            job.moved_ms = at_ms


def _on_completed(state: State, job: Job, event: JobCompleted, applied: Applied, index: int, at_ms: int) -> None:
    if event.at is not None and is_late(job, event, at_ms):
        return
    if _has_more(event):
        adopt(state, job, event)
    is_same_end = job.status == COMPLETED and job.is_end_told_by_update
    stand(state, job, next_status(job.status, Kind.COMPLETED), at_ms)
    job.ended_ms = at_ms
    duration_ms = event.duration_ms if event.duration_ms is not UNSET else None
    usage = event.resource_usage if event.resource_usage is not UNSET else None
    if duration_ms is not None:
        set_duration(state, job, duration_ms)
    if usage is not None:
        job.resource_usage = usage
    note_end(job, event, at_ms, is_told_by_update=False)
    rollup = rollup_for(state, job, event.at, at_ms)
    if not is_same_end:
        count_end(rollup, COMPLETED)
    count_completion(rollup, duration_ms, usage)
    if state.open_by_id:
        _close_alert(state, job, applied, at_ms)


def _on_failed(state: State, job: Job, event: JobFailed, applied: Applied, index: int, at_ms: int) -> None:
    is_out_of_time = event.at is not None and is_late(job, event, at_ms)
    if not is_out_of_time and _has_more(event):
        adopt(state, job, event)
    retries = _retries(event)
    limit = retry_limit(state, job, event)
    has_retries_left = limit is not None and retries < limit
    error = cut_text(event.error) if event.error is not UNSET and event.error is not None else UNKNOWN_ERROR
    if has_retries_left and limit is not None:
        applied.retrying[index] = limit
    if is_out_of_time:
        if not has_retries_left:
            _note_late_failure(state, job, error, retries, applied, at_ms)
        return
    is_same_end = job.status == FAILED and job.is_end_told_by_update
    kind = Kind.RETRIES_LEFT if has_retries_left else Kind.RETRIES_OVER
    stand(state, job, next_status(job.status, kind), at_ms)
    job.error = error
    job.retries = retries
    if has_retries_left:
        return
    job.ended_ms = at_ms
    note_end(job, event, at_ms, is_told_by_update=False)
    if not is_same_end:
        count_end(rollup_for(state, job, event.at, at_ms), FAILED)
    applied.alerts.append(count_failure(state, job, error, retries, at_ms))


def _on_heartbeat(state: State, job: Job, event: Heartbeat, applied: Applied, index: int, at_ms: int) -> None:
    if event.at is not None and is_late(job, event, at_ms):
        return
    if _has_more(event):
        adopt(state, job, event)
    stand(state, job, next_status(job.status, Kind.HEARD), at_ms)


def _on_cancelled(state: State, job: Job, event: JobCancelled, applied: Applied, index: int, at_ms: int) -> None:
    if event.at is not None and is_late(job, event, at_ms):
        return
    if _has_more(event):
        adopt(state, job, event)
    status = next_status(job.status, Kind.CANCELLED)
    stand(state, job, status, at_ms)
    job.ended_ms = at_ms
    if event.reason is not UNSET and event.reason is not None:
        job.message = cut_text(event.reason)
    note_end(job, event, at_ms, is_told_by_update=False)
    count_end(rollup_for(state, job, event.at, at_ms), status)


def _retries(event: JobFailed) -> int:
    return event.retries if event.retries is not UNSET and event.retries is not None else 0


def _close_alert(state: State, job: Job, applied: Applied, at_ms: int) -> None:
    """A success resolves the alert of its task, or takes its job off the alert on which it stands."""
    applied.alerts += succeed(state, job, at_ms)


def _note_late_failure(state: State, job: Job, error: str, retries: int, applied: Applied, at_ms: int) -> None:
    """A final failure that reached us after the job's later end: it stands on an alert, which may need nobody any more."""
    alert = count_failure(state, job, error, retries, at_ms)
    applied.alerts.append(alert)
    if job.status == FAILED:
        return
    leave(state, job, at_ms)
    if alert.count == 1 and alert.state == FIRING:
        resolve(state, alert, AlertKind.SUPERSEDED, at_ms)


def _pass_deadline(state: State, event: DeadlinePassed, batch: Batch, index: int) -> None:
    """A deadline counts only while it is still the current one of its job."""
    job = state.jobs.get(event.job_id)
    if job is None or silence_deadline_ms(job, state.silence_ms) != event.deadline_ms:
        return
    status = next_status(job.status, Kind.SILENT)
    if status != LOST:
        return
    if not job.is_dirty:
        job.is_dirty = True
        state.changes.jobs.append(job)
    job.refs.append(batch.seq << 20 | index)
    stand(state, job, LOST, batch.accept_ms)
    count_end(rollup_for(state, job, None, batch.accept_ms), LOST)


def _create_token(state: State, event: TokenCreated, at_ms: int) -> None:
    token = Token(
        token_id=event.token_id,
        scope=event.scope,
        sha256=event.sha256,
        note=event.note,
        created_ms=at_ms,
        expires_ms=event.expires_ms,
        author=event.author,
        is_dirty=True,
    )
    state.tokens[event.token_id] = token
    state.changes.tokens.append(token)


def _revoke_token(state: State, event: TokenRevoked, at_ms: int) -> None:
    token = state.tokens.get(event.token_id)
    if token is None or token.revoked_ms is not None:
        return
    token.revoked_ms = at_ms
    if not token.is_dirty:
        token.is_dirty = True
        state.changes.tokens.append(token)


def silence_deadline_ms(job: Job, silence_ms: int) -> int | None:
    """When an active job that stays silent is called lost, ms UTC; None for a job that has ended."""
    return None if job.status in TERMINAL else job.updated_ms + silence_ms


_Handler = Callable[[State, Job, AnyReport, Applied, int, int], None]
_HANDLERS: Final[dict[type, _Handler]] = {
    StatusUpdate: cast("_Handler", _on_update),
    JobCompleted: cast("_Handler", _on_completed),
    JobFailed: cast("_Handler", _on_failed),
    Heartbeat: cast("_Handler", _on_heartbeat),
    JobCancelled: cast("_Handler", _on_cancelled),
}
