"""A full disk: the monitor's own events get the room that was kept aside, and nothing else takes it from them."""

from __future__ import annotations

from collections.abc import Sequence

from jobsight.core.events import InternalEvent, MonitorTrouble
from jobsight.core.rules import INGEST_DROPPED
from jobsight.engine.last_room import LOOK_MS
from jobsight.engine.writer import FLUSH_EVENTS, FLUSH_MS, LAG_EVENTS_MAX, Writer
from jobsight.errors import StorageError, StorageFullError
from jobsight.logs.base import Entry, Head
from jobsight.logs.memory import MemoryLog
from jobsight.protocol.session import ReplyForm, Session
from jobsight.view.store import View

LOG_ID = "0" * 32
KEPT_BYTES = 1_000
TROUBLE = MonitorTrouble(rule=INGEST_DROPPED, text="the store is full")


class SmallDisk(MemoryLog):
    """A log on a disk with so many bytes of room, of which some can be kept aside."""

    def __init__(self) -> None:
        super().__init__(log_id=LOG_ID, rules_version=1)
        self.room_bytes = 0
        self.is_kept = True

    def append(self, entries: Sequence[Entry]) -> list[Head]:
        """Takes room for what it stores."""
        wanted = sum(len(entry.payload) for entry in entries)
        if wanted > self.room_bytes:
            raise StorageFullError("no room")
        self.room_bytes -= wanted
        return super().append(entries)

    def free(self) -> None:
        """What was kept aside can be used."""
        self.room_bytes += KEPT_BYTES if self.is_kept else 0
        self.is_kept = False

    def make(self) -> bool:
        """Keep something aside again."""
        if not self.is_kept and self.room_bytes > KEPT_BYTES:
            self.room_bytes -= KEPT_BYTES
            self.is_kept = True
        return self.is_kept and self.room_bytes > KEPT_BYTES // 2


class GreedyView(View):
    """A view that takes all room that it finds, or cannot be written at all."""

    disk: SmallDisk
    is_broken = False

    def flush(self, state: object, checksum: bytes) -> None:
        """Finds no room where there is none."""
        if self.is_broken:
            raise StorageError("broken")
        if self.disk.room_bytes < KEPT_BYTES // 2:
            raise StorageFullError("no room")
        self.disk.room_bytes -= KEPT_BYTES // 2
        super().flush(state, checksum)  # type: ignore[arg-type]


class Small:
    """A writer on such a disk, with nothing left but what is kept aside."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.disk = SmallDisk()
        view = GreedyView.open(None, LOG_ID)
        assert isinstance(view, GreedyView)
        self.view = view
        view.disk = self.disk
        self.writer = Writer(
            log=self.disk,
            view=view,
            state=view.load_state(),
            clock_ms=lambda: self.now_ms,
            answer=lambda _: ("none", {}),
            wake=None,
            reserve=self.disk,
        )

    def report(self, count: int = 1) -> bytes:
        """What reports are answered."""
        line = b'{"src": "w", "body": {"type": "update_status", "msg_id": 1, "job_id": "a", "status": "running"}}\n'
        session = Session(ReplyForm.BODY, lambda _: None)
        chunk, answers = session.feed(line * count), []
        self.writer.submit(chunk, lambda outcome: answers.append(session.replies(chunk, outcome)))
        return b"".join(answers)

    def tell(self, *events: InternalEvent) -> bool:
        """Whether events of the monitor were stored."""
        heard: list[bool] = []
        self.writer.submit_events(list(events) or [TROUBLE], lambda outcome: heard.append(outcome.failure is None))
        return heard == [True]

    def wait(self) -> None:
        """So long that a flush is due, and that it is looked for room."""
        self.now_ms += LOOK_MS + FLUSH_MS
        if self.writer.flush_due_ms() == 0:
            self.writer.flush()


def test_the_monitors_own_alert_gets_through_whoever_else_wants_the_room() -> None:
    """Reports and flushes come first, and again and again: none of them takes what was kept aside."""
    small = Small()
    refused = small.report()
    told = small.tell()
    small.wait()
    refused_again, told_again = small.report(), small.tell()
    ready = small.writer.why_not_ready()

    assert b'"code": 11' in refused
    assert b'"code": 11' in refused_again
    assert (True, True) == (told, told_again)
    assert ready is not None
    assert "full" in ready
    assert [INGEST_DROPPED] == [alert.rule for alert in small.writer.state.open_by_id.values()]


def test_with_room_everything_goes_on_by_itself() -> None:
    """Once more is free than is kept aside, it is kept aside again, the view is flushed and reports are stored."""
    small = Small()
    small.report()
    small.tell()
    small.disk.room_bytes = 10 * KEPT_BYTES
    small.wait()
    ready, flushed = small.writer.why_not_ready(), small.view.load_state().applied_seq

    assert small.disk.is_kept
    assert (None, 1) == (ready, flushed)
    assert b"status_updated" in small.report()


def test_a_report_finds_out_by_itself_that_there_is_room_again() -> None:
    """Nothing else has to happen before; and not each of many reports asks the system."""
    small = Small()
    small.report()
    small.tell()
    small.disk.room_bytes = 10 * KEPT_BYTES
    too_early = small.report()
    small.now_ms += LOOK_MS

    assert b'"code": 11' in too_early
    assert b"status_updated" in small.report()


def test_a_view_that_cannot_be_written_does_not_keep_the_alert_back() -> None:
    """Reports are refused before the view lags too far; what the monitor says of itself is stored within that bound."""
    small = Small()
    small.disk.room_bytes, small.view.is_broken = 1 << 30, True
    small.report(FLUSH_EVENTS)
    small.wait()
    refused, told = small.report(), small.tell()
    small.tell(*[TROUBLE] * (LAG_EVENTS_MAX - FLUSH_EVENTS))

    assert b"the view cannot be written" in refused
    assert told
    assert not small.tell()
