"""What the monitor measures of itself: a log and a writer that keep count."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Final

from msgspec import Struct
from typing_extensions import override

from jobsight.core.outbox import DeliveryState
from jobsight.engine.recent import Recent
from jobsight.engine.writer import Deliver, Writer
from jobsight.logs.base import BatchKind, Entry, Head, Log, Record
from jobsight.protocol.codec import Chunk
from jobsight.protocol.refusals import Refusal
from jobsight.protocol.session import Outcome

COMMIT_BOUNDS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the histogram of commit times, in seconds."""

DELIVERY_BOUNDS_S: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0)
"""Upper bounds of the histogram of delivery times, in seconds."""

LATE_BOUNDS_S: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 30.0, 300.0)
"""Upper bounds of the histogram of how late passed deadlines are seen, in seconds."""

STORED_KEPT: Final = 64
"""Stored batches that wait to be shown to those who follow; further ones are only counted."""


OURS: Final = ("temporarily_unavailable", "crash", "http_429", "http_503", "ping_429", "ping_503")
"""Reasons for which it is not the sender's fault."""


class Stored(Struct, frozen=True, gc=False):
    """A batch that has just become durable."""

    seq: int
    accept_ms: int
    kind: BatchKind
    count: int
    payload: bytes


class Instruments:
    """
    Counters since the start of the process. The log thread adds to those of commits, the loop's thread to the others.

    Attributes:
        reports: Reports stored; `events` of the monitor itself.
        commits: Batches stored; `commit_counts` by `COMMIT_BOUNDS_S`, `commit_seconds` in all.
        failed_commits: Batches that could not be stored.
        refused: What was not taken, by reason.
        stored: The latest batches, oldest first, kept only while somebody follows.
        deliveries: Tries of notifications by channel and outcome (delivered, failed, dead); `delivery_counts` how long those
            that were delivered took from the decision on, by `DELIVERY_BOUNDS_S`, `delivery_seconds` in all, by channel.
        late_counts: How late passed deadlines were seen, by `LATE_BOUNDS_S`; `late_seconds` in all.
        faults: What is wrong with the monitor as a whole, in words.
        passed_over: Events of batches that nobody could be shown because too many waited.
    """

    def __init__(self) -> None:
        self.reports = 0
        self.events = 0
        self.commits = 0
        self.failed_commits = 0
        self.commit_counts = [0] * (len(COMMIT_BOUNDS_S) + 1)
        self.commit_seconds = 0.0
        self.refused: dict[str, int] = {}
        self.flushed_seq = 0
        self.pings = 0
        self.is_followed = False
        self.stored: deque[Stored] = deque()
        self.passed_over = 0
        self.deliveries: dict[tuple[str, str], int] = {}
        self.delivery_counts: dict[str, list[int]] = {}
        self.delivery_seconds: dict[str, float] = {}
        self.late_counts = [0] * (len(LATE_BOUNDS_S) + 1)
        self.late_seconds = 0.0
        self.faults: Callable[[], list[str]] = list

    def count_delivery(self, channel: str, outcome: str, seconds: float) -> None:
        """A try of a notification is over, so long after it was decided on."""
        self.deliveries[channel, outcome] = self.deliveries.get((channel, outcome), 0) + 1
        if outcome == DeliveryState.DELIVERED:
            counts = self.delivery_counts.setdefault(channel, [0] * (len(DELIVERY_BOUNDS_S) + 1))
            counts[bisect_left(DELIVERY_BOUNDS_S, seconds)] += 1
            self.delivery_seconds[channel] = self.delivery_seconds.get(channel, 0.0) + max(0.0, seconds)

    def count_late(self, late_ms: int) -> None:
        """A deadline was seen to have passed, so long after it did."""
        self.late_counts[bisect_left(LATE_BOUNDS_S, late_ms / 1000)] += 1
        self.late_seconds += late_ms / 1000

    def count_refused(self, reason: str, count: int = 1) -> None:
        """More lines or requests were not taken. Reasons are few and fixed."""
        self.refused[reason] = self.refused.get(reason, 0) + count

    @property
    def dropped(self) -> int:
        """Lines and requests that were not taken although they were as they should be."""
        return sum(self.refused.get(reason, 0) for reason in OURS)

    def note_commit(self, entries: Sequence[Entry], heads: Sequence[Head], seconds: float) -> None:
        """Entries became durable together. Called by the log thread."""
        self.commits += 1
        self.commit_seconds += seconds
        self.commit_counts[bisect_left(COMMIT_BOUNDS_S, seconds)] += 1
        for entry, head in zip(entries, heads, strict=True):
            if entry.kind is BatchKind.REPORTS:
                self.reports += entry.count
            else:
                self.events += entry.count
            if not self.is_followed:
                continue
            if len(self.stored) >= STORED_KEPT:
                self.passed_over += entry.count
            else:
                self.stored.append(Stored(head.seq, entry.accept_ms, entry.kind, entry.count, entry.payload))


class ObservedLog:
    """A log whose appends are measured."""

    def __init__(self, log: Log, instruments: Instruments) -> None:
        self._log = log
        self._instruments = instruments

    @property
    def log_id(self) -> str:
        """The identity of the log."""
        return self._log.log_id

    def append(self, entries: Sequence[Entry]) -> list[Head]:
        """Store entries; see `logs.base.Log`."""
        begin = perf_counter()
        try:
            heads = self._log.append(entries)
        except BaseException:
            self._instruments.failed_commits += 1
            raise
        self._instruments.note_commit(entries, heads, perf_counter() - begin)
        return heads

    def read(self, after_seq: int = 0) -> Iterator[Record]:
        """The records after a place."""
        return self._log.read(after_seq)

    def record(self, seq: int) -> Record | None:
        """One record; None when it is not there."""
        return self._log.record(seq)

    def bounds(self) -> tuple[int, int]:
        """The first and the last sequence number."""
        return self._log.bounds()

    def head(self) -> Head:
        """The end of the log."""
        return self._log.head()

    def close(self) -> None:
        """Release the files."""
        self._log.close()


class ObservedWriter(Writer):
    """A writer that counts what is refused, notes what it flushes, and shows what it has applied to those who follow."""

    instruments: Instruments
    recent: Recent
    on_applied: Callable[[list[Stored]], None] | None = None

    @override
    def submit(self, chunk: Chunk, deliver: Deliver) -> None:
        for aside in chunk.asides:
            if isinstance(aside.item, Refusal):
                self.instruments.count_refused(_reason(aside.item))

        def counted(outcome: Outcome) -> None:
            if outcome.failure is not None:
                self.instruments.count_refused(_reason(outcome.failure), len(chunk.reports))
            deliver(outcome)

        super().submit(chunk, counted)

    @override
    def settle(self, chunks_max: int | None = None) -> None:
        super().settle(chunks_max)
        stored = self.instruments.stored
        if stored and self.on_applied is not None:
            applied: list[Stored] = []
            while stored and stored[0].seq <= self.state.applied_seq:
                applied.append(stored.popleft())
            self.on_applied(applied)

    @override
    def note_late(self, late_ms: int) -> None:
        self.instruments.count_late(late_ms)

    @override
    def flush(self) -> None:
        changes = self.state.changes
        super().flush()
        if self.state.changes is not changes:
            self.instruments.flushed_seq = self.state.applied_seq
            self.recent.note(changes)


def _reason(why: Refusal) -> str:
    return why.code.name.lower()
