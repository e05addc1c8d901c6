"""The writer in steps: the owner reads between two chunks, and the view is brought up to date between two batches only."""

from __future__ import annotations

from jobsight.core.state import Changes
from jobsight.engine.writer import FLUSH_EVENTS, FLUSH_MS, GROUP_EVENTS_MAX, Writer
from jobsight.logs.memory import MemoryLog
from jobsight.protocol.session import ReplyForm, Session
from jobsight.view.store import View

LOG_ID = "0" * 32
CHUNK = 1_000


class Stepped:
    """A writer whose log thread works when it is told to; `answered` are the chunks in the order of their answers."""

    def __init__(self) -> None:
        self.answered: list[int] = []
        self.flushed: list[int] = []
        view = View.open(None, LOG_ID)
        self.writer = Writer(
            log=MemoryLog(log_id=LOG_ID, rules_version=1),
            view=view,
            state=view.load_state(),
            clock_ms=lambda: 1_000,
            answer=lambda _: ("none", {}),
            wake=lambda: None,
            has_thread=False,
        )
        self.writer.on_flush = self._note
        self._session = Session(ReplyForm.BODY, lambda _: None)
        self._chunks = 0

    def submit(self, chunks: int) -> None:
        """Hand in so many chunks of heartbeats, each of another job."""
        for _ in range(chunks):
            number = self._chunks
            line = b'{"type": "heartbeat", "job_id": "j%d"}\n' % number
            self.writer.submit(self._session.feed(line * CHUNK), lambda _, number=number: self._answer(number))
            self._chunks += 1

    def store(self) -> None:
        """Let the log thread store all that waits."""
        while self.writer.has_waiting:
            self.writer.store()

    def settle_by_chunks(self, count: int) -> list[int | None]:
        """Settle so many chunks one by one: when a flush is due after each of them, in ms."""
        due = []
        for _ in range(count):
            self.writer.settle(chunks_max=1)
            due.append(self.writer.flush_due_ms())
        return due

    def _answer(self, number: int) -> None:
        self.answered.append(number)

    def _note(self, changes: Changes) -> None:
        self.flushed.append(changes.events)


def test_a_batch_is_applied_chunk_by_chunk_as_its_owner_likes() -> None:
    """One chunk at a time is applied and answered, in order; there is something to settle until the last one is."""
    stepped = Stepped()
    stepped.submit(3)
    stepped.store()
    seen = []
    while stepped.writer.has_stored:
        stepped.writer.settle(chunks_max=1)
        seen.append((list(stepped.answered), stepped.writer.state.changes.events, stepped.writer.in_flight))

    assert [([0], 1_000, 2), ([0, 1], 2_000, 1), ([0, 1, 2], 3_000, 0)] == seen


def test_the_view_never_takes_half_a_batch() -> None:
    """While a batch is applied in part, no flush is due, however much waits; then by age, or at once where enough waits."""
    stepped = Stepped()
    stepped.submit(FLUSH_EVENTS // CHUNK)
    stepped.store()
    due = stepped.settle_by_chunks(FLUSH_EVENTS // CHUNK)
    part = [None] * (GROUP_EVENTS_MAX // CHUNK - 1)

    assert [*part, FLUSH_MS, *part, 0] == due
    assert [] == stepped.flushed


def test_before_the_next_batch_is_applied_the_view_takes_in_what_waits() -> None:
    """Also an owner who never flushes by himself cannot let the view fall behind by more than one batch above the limit."""
    stepped = Stepped()
    stepped.submit(4 * FLUSH_EVENTS // CHUNK)
    stepped.store()
    stepped.writer.settle()

    assert 4 * FLUSH_EVENTS // CHUNK == len(stepped.answered)
    assert [FLUSH_EVENTS] * 3 == stepped.flushed
    assert FLUSH_EVENTS == stepped.writer.state.changes.events
    assert 0 == stepped.writer.flush_due_ms()
