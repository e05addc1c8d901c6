"""From the log to the state: at start, and when the view is rebuilt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, cast

import msgspec

from jobsight.core.apply import apply, apply_internal
from jobsight.core.events import AnyReport, Batch, ConditionEnded, DeadlinePassed, Event, InternalEvent
from jobsight.core.state import State
from jobsight.engine.ports import ReadModel
from jobsight.errors import DamagedViewError, DataError
from jobsight.logs.base import BatchKind, Log, Record
from jobsight.protocol.codec import Codec

REPLAY_FLUSH_EVENTS: Final = 100_000
"""Replayed events between two flushes of the view."""

_decode_internal: Final = msgspec.json.Decoder(InternalEvent).decode_lines
_encode_internal: Final = msgspec.json.Encoder().encode_lines


def encode_internal(events: Iterable[InternalEvent]) -> bytes:
    """Events of the monitor as they stand in the log: JSON, one a line."""
    return _encode_internal(list(events))


def decode_internal(record: Record) -> list[InternalEvent]:
    """The monitor's own events in a record of that kind."""
    return _decode_internal(record.payload)


def decode_record(record: Record, codec: Codec) -> Batch:
    """
    A record of the log as the batch that `apply` takes.

    Raises:
        DataError: Its lines are not those that were accepted.
    """
    sources: list[str | None]
    if record.kind is BatchKind.INTERNAL:
        events = cast("list[Event]", _decode_internal(record.payload))
        sources = [None] * len(events)
    else:
        chunk = codec.read([record.payload])
        events, sources = cast("list[Event]", chunk.reports), chunk.sources
    if len(events) != record.count:
        raise DataError(f"log: batch {record.seq} holds {len(events)} events, expected {record.count}")
    return Batch(seq=record.seq, accept_ms=record.accept_ms, sources=sources, events=events)


def recover(log: Log, view: ReadModel, on_progress: Callable[[int], None] = lambda _: None) -> State:
    """
    The state of the log's end: what the view holds, and the log's tail applied to it.

    Args:
        log: The truth.
        view: As of some earlier moment; it is flushed on the way.
        on_progress: Told the place reached in the log.

    Raises:
        DataError: The view is ahead of the log.
        DamagedViewError: The view is damaged, or was made from another log.
    """
    state = view.load_state()
    head = log.head()
    if state.applied_seq > head.seq:
        raise DataError(
            f"the view has seen batch {state.applied_seq}, but the log ends at {head.seq}: the log was cut or replaced; "
            "put the newer log back, or make the view anew from what the log holds: jobsight view rebuild"
        )
    first, _ = log.bounds()
    if state.applied_seq < first - 1:
        raise DamagedViewError(
            f"the view has seen batch {state.applied_seq}, but the log begins at {first}: batches between them are trimmed; "
            "make the view anew from the checkpoint: jobsight view rebuild"
        )
    if state.applied_seq:
        record = log.record(state.applied_seq)
        if record is not None and record.checksum != view.applied_checksum():
            raise DamagedViewError(
                f"the view was made from another log (they differ at batch {state.applied_seq}); "
                "put the right log back, or make the view anew: jobsight view rebuild"
            )
    codec = Codec()
    for record in log.read(state.applied_seq):
        batch = decode_record(record, codec)
        state.alive_ms = max(state.alive_ms, record.accept_ms)
        if record.kind is BatchKind.INTERNAL:
            fetch_jobs(state, view, jobs_named(batch))
            apply_internal(state, batch)
        else:
            reports = cast("list[AnyReport]", batch.events)
            fetch_jobs(state, view, {report.job_id for report in reports})
            apply(state, batch)
        if state.changes.events >= REPLAY_FLUSH_EVENTS:
            view.flush(state, record.checksum)
            on_progress(record.seq)
    if state.changes.events:
        view.flush(state, head.checksum)
    if state.jobs_total:
        view.fetch([], state)  # whatever it needs to find a job is read now, and not while the first report waits
    on_progress(head.seq)
    state.fresh.clear()  # what waits in the outbox is not news
    return state


def fetch_jobs(state: State, view: ReadModel, job_ids: set[str]) -> None:
    """Bring those jobs that are not in memory, but were seen before, into the state."""
    unknown = job_ids.difference(state.jobs)
    if unknown and state.jobs_total:
        for job in view.fetch(sorted(unknown), state):
            state.jobs[job.job_id] = job


def jobs_named(batch: Batch) -> set[str]:
    """The jobs that the events of any batch concern."""
    named = [job_of(event) for event in batch.events]
    return {job_id for job_id in named if job_id is not None}


def job_of(event: Event) -> str | None:
    """The job that an event concerns; None where it concerns none."""
    if isinstance(event, DeadlinePassed | ConditionEnded):
        return event.subject if event.subject_kind == "job" else None
    return getattr(event, "job_id", None)


def job_ids_of(record: Record) -> list[str | None]:
    """The job of each event of a record; None for events that concern none."""
    return [job_of(event) for event in decode_record(record, Codec()).events]
