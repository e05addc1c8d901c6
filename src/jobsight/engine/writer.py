"""
The writer: submit -> append -> apply -> answer, in order.

Two threads share the work. The owner (the transport's thread) decodes, applies and answers; the log thread joins what
waits into one batch and makes it durable. The next batch is written while the last one is applied; nothing is reordered,
and nothing is applied or answered before it is stored.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, cast

from msgspec import Struct

from jobsight.core.alert import Alert
from jobsight.core.apply import apply, apply_internal
from jobsight.core.events import AlertAcknowledged, AnyReport, Batch, Event, InternalEvent
from jobsight.core.outbox import Delivery
from jobsight.core.state import Changes, State
from jobsight.engine.admission import ACTIVE_JOBS_MAX, NO_CLAIM, Admission, Claim
from jobsight.engine.last_room import LastRoom, Reserve
from jobsight.engine.ports import ReadModel
from jobsight.engine.recovery import encode_internal, fetch_jobs, jobs_named
from jobsight.errors import StorageError, StorageFullError
from jobsight.logs.base import BatchKind, Entry, Head, Log
from jobsight.protocol.codec import Aside, Chunk
from jobsight.protocol.messages import AcknowledgeAlert, AnyQuery, GetStats, Init
from jobsight.protocol.refusals import Code, Refusal
from jobsight.protocol.session import Answer, Outcome

GROUP_EVENTS_MAX: Final = 8_000
"""Reports at which nothing more is joined to a batch. The owner answers nothing else while the view takes a batch in."""

FLUSH_EVENTS: Final = 16_000
"""Unflushed events at which the view is brought up to date before anything more is applied."""

FLUSH_MS: Final = 200
"""Age of the oldest unflushed event at which the view is brought up to date."""

LAG_EVENTS_MAX: Final = 20_000
"""While the view cannot be written, nothing more is stored before it lags by more events than this; reports stop before."""

FLUSH_RETRY_MS: Final = 1_000
"""How long a flush that found no room waits before it is tried again."""

_FULL: Final = Refusal(code=Code.TEMPORARILY_UNAVAILABLE, text="the store is full; nothing was stored, try again later")
_LAGS: Final = Refusal(
    code=Code.TEMPORARILY_UNAVAILABLE, text="the view cannot be written; nothing was stored, try again later"
)
_UNKNOWN: Final = Refusal(
    code=Code.CRASH, text="an I/O error of the log: whether this was stored is known after the next start"
)

ANONYMOUS: Final = "somebody"
"""Who acknowledges an alert without saying a name."""

Deliver = Callable[[Outcome], None]


class _Submission(Struct, gc=False):
    """
    A chunk of reports; or, where `events` is set, events of the monitor itself.

    Attributes:
        cuts: Where a batch ends within the chunk. A query that wants the view brings it up to date, and what is stored
            there must never be half a batch.
        claim: What it may add to the active jobs.
    """

    chunk: Chunk
    deliver: Deliver
    events: list[InternalEvent] | None = None
    cuts: tuple[int, ...] = ()
    claim: Claim = NO_CLAIM

    @property
    def is_alone(self) -> bool:
        """Whether it is stored without others."""
        return self.events is not None or bool(self.cuts)


class _Group(Struct, gc=False):
    """Submissions that were stored together; `heads` is empty where there was nothing to store."""

    submissions: list[_Submission]
    accept_ms: int = 0
    heads: Sequence[Head] = ()
    failure: Refusal | None = None


class Writer:
    """
    Brings reports into the log and the state, and answers.

    Args:
        log: Where batches become durable.
        view: Where changes are flushed to; also answers for jobs that are not in memory.
        state: As recovered; the writer is the only one to change it.
        clock_ms: Wall time, ms since the epoch, UTC.
        answer: Answers a query from the state.
        wake: Told from the log thread that `settle` has something to do; None stores and settles within `submit`.
        steady_ms: Time that nobody can set, in ms from any beginning; the wall time where there is none.
        has_thread: False leaves the log thread's work to the caller, who does it step by step with `store`.
        on_alerts: Told, after the commit, which alerts were opened, counted up or resolved.
        on_deliveries: Told, after the commit, which notifications were decided on; they stand in `state.outbox` as well.
        on_flush: An attribute; told of the changes that a flush is about to store, however that ends.
        flush_ms: Age of the oldest unflushed event at which the view is brought up to date.
        active_jobs_max: See `admission`.
        reserve: What is kept aside on the disk; see `last_room`.
    """

    def __init__(
        self,
        *,
        log: Log,
        view: ReadModel,
        state: State,
        clock_ms: Callable[[], int],
        answer: Callable[[AnyQuery], Answer],
        wake: Callable[[], None] | None,
        on_alerts: Callable[[list[Alert]], None] = lambda _: None,
        on_deliveries: Callable[[list[Delivery]], None] = lambda _: None,
        flush_ms: int = FLUSH_MS,
        active_jobs_max: int = ACTIVE_JOBS_MAX,
        steady_ms: Callable[[], int] | None = None,
        has_thread: bool = True,
        reserve: Reserve | None = None,
    ) -> None:
        self.state: Final = state
        self.in_flight = 0
        self.broken: StorageError | None = None
        self._log: Final = log
        self._view: Final = view
        self._clock_ms: Final = clock_ms
        self._steady_ms: Final = steady_ms or clock_ms
        self._answer: Final = answer
        self._wake: Final = wake
        self._room: Final = LastRoom(log, reserve, self._steady_ms)
        self.on_alerts = on_alerts
        self.on_deliveries = on_deliveries
        self.on_flush: Callable[[Changes], None] = lambda _: None
        self._flush_ms: Final = flush_ms
        self._admission: Final = Admission(state, active_jobs_max)
        self._head: Head = log.head()
        self._waiting: queue.SimpleQueue[_Submission | None] = queue.SimpleQueue()
        self._stored: deque[_Group] = deque()
        self._refuses: Refusal | None = None
        self._applying: Iterator[bool] | None = None
        self._unflushed_since_ms: int | None = None
        self._next_one: _Submission | None = None
        self._thread: threading.Thread | None = None
        if wake is not None and has_thread:
            self._thread = threading.Thread(target=self._run, name="jobsight-log", daemon=True)
            self._thread.start()

    def submit(self, chunk: Chunk, deliver: Deliver) -> None:
        """Hand in a chunk. `deliver` is called by `settle`, in the order of submission, once its reports are stored."""
        claim = self._admission.admit(chunk)
        self._put(_Submission(chunk, deliver, cuts=_cuts_of(chunk), claim=claim))

    def submit_events(self, events: list[InternalEvent], deliver: Deliver) -> None:
        """Hand in events of the monitor itself, in line with the chunks; for `deliver` see `submit`."""
        self._put(_Submission(Chunk(), deliver, events))

    def _put(self, submission: _Submission) -> None:
        self.in_flight += 1
        if self._wake is None:
            self._stored.append(self._commit([submission]))
            self.settle()
        else:
            self._waiting.put(submission)

    def settle(self, chunks_max: int | None = None) -> None:
        """
        Apply and answer what was stored since the last call. Called by the owner only.

        Args:
            chunks_max: No more chunks than this, so that the owner reads in between; see `has_stored`. None for all.
        """
        left = -1 if chunks_max is None else chunks_max
        while left and self.has_stored:
            if self._applying is None:
                if self.state.changes.events >= FLUSH_EVENTS:
                    self.flush()
                self._applying = self._apply_group(self._stored.popleft())
            if not next(self._applying, False):
                self._applying = None
            left -= 1
        if self.state.fresh:
            fresh, self.state.fresh = self.state.fresh, []
            self.on_deliveries(fresh)
        if self.state.changes.events and self._unflushed_since_ms is None:
            self._unflushed_since_ms = self._steady_ms()

    def record(self, events: list[InternalEvent]) -> None:
        """Store and apply events of the monitor itself, at once. Nothing may be in flight."""
        entry = Entry(
            accept_ms=self._clock_ms(), kind=BatchKind.INTERNAL, count=len(events), payload=encode_internal(events)
        )
        self._head = self._log.append([entry])[-1]
        self._apply_internal(events, self._head.seq, entry.accept_ms)

    def note_late(self, late_ms: int) -> None:
        """Told how late a deadline was seen to have passed; for those who keep count."""

    def note_alive(self, at_ms: int) -> None:
        """Remember in the view that the monitor has watched up to a moment (ms UTC). Raises as `flush` of a view."""
        self._room.write(lambda: self._view.note_alive(at_ms))

    def why_not_ready(self) -> str | None:
        """In words, why no report can be stored now; None while that works."""
        if self.broken is not None:
            return _UNKNOWN.text
        if self._refuses is not None:
            return self._refuses.text
        return _FULL.text if self._room.is_short else None

    def flush_due_ms(self) -> int | None:
        """In how many milliseconds the view wants to be brought up to date; None while it is."""
        if self._unflushed_since_ms is None or self._applying is not None:
            return None
        if self.state.changes.events >= FLUSH_EVENTS and self._refuses is None:
            return 0
        return max(0, self._unflushed_since_ms + self._flush_ms - self._steady_ms())

    def flush(self) -> None:
        """Bring the view up to date. Where that fails, reports are refused before the view lags too far, until it works."""
        self.on_flush(self.state.changes)
        try:
            self._room.write(lambda: self._view.flush(self.state, self._head.checksum))
        except (StorageFullError, StorageError):
            self._refuses = _LAGS if self.state.changes.events >= FLUSH_EVENTS else None
            self._unflushed_since_ms = self._steady_ms() + FLUSH_RETRY_MS - self._flush_ms
        else:
            self._refuses = None
            self._unflushed_since_ms = self._steady_ms() if self._view.wants_flush else None

    def close(self) -> None:
        """Store, apply and answer what is in flight, flush, and end the log thread. A second call does nothing."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None
        self.settle()
        if self.broken is None and self.state.changes.events:
            self.flush()

    def _run(self) -> None:
        """The log thread."""
        while self.store():
            pass

    def store(self) -> bool:
        """What the log thread does again and again: wait, join what waits, store it, say so; False at the end."""
        first = self._next_one or self._waiting.get()
        self._next_one = None
        if first is None:
            return False
        submissions = [first]
        events = len(first.chunk.reports)
        goes_on = True
        while not first.is_alone and events < GROUP_EVENTS_MAX and not self._waiting.empty():
            further = self._waiting.get()
            if further is None:
                goes_on = False
                break
            if further.is_alone:
                self._next_one = further
                break
            submissions.append(further)
            events += len(further.chunk.reports)
        self._stored.append(self._commit(submissions))
        cast("Callable[[], None]", self._wake)()
        return goes_on

    @property
    def has_stored(self) -> bool:
        """Whether there is something for `settle`."""
        return bool(self._stored) or self._applying is not None

    @property
    def has_waiting(self) -> bool:
        """Whether there is something for `store`."""
        return self._next_one is not None or not self._waiting.empty()

    def _commit(self, submissions: list[_Submission]) -> _Group:
        """Store the reports of some submissions, or the events of one, as one batch; or those of one between its cuts."""
        group = _Group(submissions, accept_ms=self._clock_ms())
        entries = _entries_of(submissions, group.accept_ms)
        if not entries:
            return group
        is_own = submissions[0].events is not None
        takes_own = is_own and self.state.changes.events < LAG_EVENTS_MAX
        if self.broken is not None or (self._refuses is not None and not takes_own):
            group.failure = _UNKNOWN if self.broken is not None else self._refuses
            return group
        try:
            group.heads = self._room.append(entries, is_own=is_own)
        except StorageFullError:
            group.failure = _FULL
        except StorageError as error:
            self.broken = error
            group.failure = _UNKNOWN
        return group

    def _apply_group(self, group: _Group) -> Iterator[bool]:
        """Apply and answer what was stored together; true before each further chunk of it. Nothing is flushed in between."""
        first = group.submissions[0]
        if first.events is not None:
            self._apply_events(group)
            return
        if first.cuts:
            self._apply_pieces(group)
            return
        batch: Batch | None = None
        if group.heads:
            chunks = [one.chunk for one in group.submissions]
            sources = chunks[0].sources if len(chunks) == 1 else [s for one in chunks for s in one.sources]
            reports = chunks[0].reports if len(chunks) == 1 else [r for one in chunks for r in one.reports]
            batch = self._open_batch(group.heads[-1], group.accept_ms, sources, reports)
        base = 0
        for index, one in enumerate(group.submissions):
            if index:
                yield True
            outcome = self._apply_chunk(one.chunk, batch, base)
            outcome.failure = group.failure
            if batch is not None:
                base += len(one.chunk.reports)
            self.in_flight -= 1
            self._admission.settle(one.claim)
            one.deliver(outcome)

    def _open_batch(self, head: Head, accept_ms: int, sources: list[str | None], reports: list[AnyReport]) -> Batch:
        """A stored batch that is to be applied now, with its jobs in memory."""
        self._head = head
        fetch_jobs(self.state, self._view, {report.job_id for report in reports})
        return Batch(seq=head.seq, accept_ms=accept_ms, sources=sources, events=cast("list[Event]", reports))

    def _apply_pieces(self, group: _Group) -> None:
        """Apply a submission that was stored as several batches; each query stands at the end of one."""
        (submission,) = group.submissions
        chunk, heads = submission.chunk, list(group.heads)
        queries = [aside for aside in chunk.asides if not isinstance(aside.item, Refusal | Init)]
        outcome = Outcome(failure=group.failure)
        retrying: dict[int, int] = {}
        answers: list[Answer] = []
        for start, stop in _spans_of(submission):
            if heads and stop > start:
                batch = self._open_batch(
                    heads.pop(0), group.accept_ms, chunk.sources[start:stop], chunk.reports[start:stop]
                )
                applied = apply(self.state, batch)
                retrying.update({start + index: limit for index, limit in applied.retrying.items()})
                if applied.alerts:
                    self.on_alerts(applied.alerts)
            while queries and queries[0].position == stop:
                aside = queries.pop(0)
                if isinstance(aside.item, AcknowledgeAlert) and heads:
                    self._head = heads.pop(0)
                    self._apply_internal([acknowledgement(aside)], self._head.seq, group.accept_ms)
                answers.append(self._answer(cast("AnyQuery", aside.item)))
        outcome.retrying, outcome.answers = retrying, answers
        self.in_flight -= 1
        self._admission.settle(submission.claim)
        submission.deliver(outcome)

    def _apply_events(self, group: _Group) -> None:
        (submission,) = group.submissions
        if group.heads and submission.events:
            self._head = group.heads[-1]
            self._apply_internal(submission.events, self._head.seq, group.accept_ms)
        self.in_flight -= 1
        submission.deliver(Outcome(failure=group.failure))

    def _apply_internal(self, events: list[InternalEvent], seq: int, accept_ms: int) -> None:
        sources: list[str | None] = [None] * len(events)
        batch = Batch(seq=seq, accept_ms=accept_ms, sources=sources, events=cast("list[Event]", events))
        fetch_jobs(self.state, self._view, jobs_named(batch))
        applied = apply_internal(self.state, batch)
        if applied.alerts:
            self.on_alerts(applied.alerts)

    def _apply_chunk(self, chunk: Chunk, batch: Batch | None, base: int) -> Outcome:
        """Apply one submission's reports; a query in between sees those before it."""
        retrying: dict[int, int] = {}
        answers: list[Answer] = []
        upto = base

        def advance(position: int) -> None:
            nonlocal upto
            if batch is not None and position > upto:
                applied = apply(self.state, batch, upto, position)
                retrying.update(applied.retrying)
                if applied.alerts:
                    self.on_alerts(applied.alerts)
                upto = position

        for aside in chunk.asides:
            if not isinstance(aside.item, Refusal | Init):
                advance(base + aside.position)
                answers.append(self._answer(aside.item))
        advance(base + len(chunk.reports))
        return Outcome(base=base, retrying=retrying, answers=answers)


def _cuts_of(chunk: Chunk) -> tuple[int, ...]:
    """The places of a chunk's queries, if one of them wants more than the four figures that are always in memory."""
    queries = [aside for aside in chunk.asides if not isinstance(aside.item, Refusal | Init)]
    if all(isinstance(aside.item, GetStats) and aside.item.is_plain for aside in queries):
        return ()
    return tuple(sorted({aside.position for aside in queries}))


def _spans_of(submission: _Submission) -> list[tuple[int, int]]:
    """The stretches between a submission's cuts, by the indexes of their reports; the first and the last may be empty."""
    ends = (*submission.cuts, len(submission.chunk.reports))
    return list(zip((0, *submission.cuts), ends, strict=True))


def _entries_of(submissions: list[_Submission], accept_ms: int) -> list[Entry]:
    """What goes into the log for a group; nothing where it holds only queries and refusals."""
    first = submissions[0]
    if first.events is not None:
        payload = encode_internal(first.events)
        entries = [Entry(accept_ms=accept_ms, kind=BatchKind.INTERNAL, count=len(first.events), payload=payload)]
    elif first.cuts:
        entries = _entries_between_cuts(first, accept_ms)
    else:
        payload = b"".join([one.chunk.payload for one in submissions])
        count = sum(len(one.chunk.reports) for one in submissions)
        entries = [Entry(accept_ms=accept_ms, kind=BatchKind.REPORTS, count=count, payload=payload)]
    return [entry for entry in entries if entry.count]


def _entries_between_cuts(submission: _Submission, accept_ms: int) -> list[Entry]:
    """The reports of each stretch, and after them what operators have said in that place."""
    chunk, entries = submission.chunk, []
    lines = chunk.payload.split(b"\n")
    said = [aside for aside in chunk.asides if isinstance(aside.item, AcknowledgeAlert)]
    for start, stop in _spans_of(submission):
        payload = b"\n".join((*lines[start:stop], b""))
        entries.append(Entry(accept_ms=accept_ms, kind=BatchKind.REPORTS, count=stop - start, payload=payload))
        while said and said[0].position == stop:
            payload = encode_internal([acknowledgement(said.pop(0))])
            entries.append(Entry(accept_ms=accept_ms, kind=BatchKind.INTERNAL, count=1, payload=payload))
    return entries


def acknowledgement(aside: Aside) -> AlertAcknowledged:
    """What a client says about an alert, as an event; who does not name himself is who has sent it."""
    query = cast("AcknowledgeAlert", aside.item)
    by = query.by or aside.source or ANONYMOUS
    return AlertAcknowledged(alert_id=query.alert_id, by=by, comment=query.comment or "")
