"""
The road of a report: a queue in memory, one thread that sends, the spool while the monitor is away.

The job's threads only append to the queue. The thread sends the first lines, one request at a time. While the monitor
does not take them, they go to the spool, and everything after them too, until the spool has been sent to its end: so
the order holds. A line leaves the queue or the spool only with its answer.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import weakref
from collections import deque

from jobsight.client import limits
from jobsight.client.answers import Trouble, Verdict
from jobsight.client.forks import Unforked
from jobsight.client.reports import Line, line_of, source_name
from jobsight.client.spool import Spool, prefix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final, Protocol

    from jobsight.client.answers import Answer, Failure
    from jobsight.client.reports import Body
    from jobsight.client.settings import Settings
    from jobsight.client.voice import Voice
    from jobsight.client.wire import Wire

    class Ticker(Protocol):
        """Something with business at certain times, such as a job with its heartbeat."""

        def tick(self, now: float) -> float | None:
            """Do what is due at `now` (monotonic seconds), and say when something is due next; None for never."""
            ...


NEVER: Final = float("inf")


class Sender:
    """
    Sends reports without ever holding up who hands them in.

    Args:
        settings: Where to, and where they wait.
        voice: What to tell a person, and the shield of the thread.
        flush_s: How long the end of the program may wait for it.
    """

    def __init__(self, settings: Settings, voice: Voice, flush_s: float = limits.FLUSH_S) -> None:
        self.settings: Final = settings
        self.flush_s = flush_s
        self._voice: Final = voice
        self._spool: Final = Spool(settings.spool, settings.spool_bytes_max)
        self.begin_anew()
        _senders.add(self)

    def begin_anew(self) -> None:
        """Forget everything that belongs to the process from which this one was forked."""
        self._changed = threading.Condition()
        self._disk = threading.Lock()
        self._waiting: deque[Line] = deque()
        self._tickers: set[Ticker] = set()
        self._tick_at = NEVER
        self._source: str | None = None
        self._numbers = 0
        self._left_out = 0
        self._thread: threading.Thread | None = None
        self._retry_at = 0.0
        self._pause_s = 0.0
        self._spill_at = 0.0
        self._is_behind = False
        self._is_slow = False
        self._lines_max = limits.BATCH_LINES_MAX
        self._is_closing = self._is_closed = bool(_ending)

    # ------------------------------------------------------------------------------------------ for the job's threads

    def put(self, body: Body, *, is_minor: bool = False) -> None:
        """
        Hand in a report: a few microseconds, never waiting for anything slow.

        Args:
            body: The report, its `type` first, without its number.
            is_minor: It may be left out when too much waits: progress, heartbeats.
        """
        if self.settings.is_off:
            return
        with self._changed:
            limit = limits.QUEUE_REPORTS_MAX // 2 if is_minor else limits.QUEUE_REPORTS_MAX
            if len(self._waiting) >= limit:
                self._left_out += 1
                return
            if self._source is None:
                self._source = source_name()
            self._numbers += 1
            self._waiting.append(line_of(self._source, self._numbers, body))
            is_late = self._is_closed or not self._start()
            self._changed.notify_all()
        if is_late:
            self._spill()

    def watch(self, ticker: Ticker, at: float) -> None:
        """Let the thread call `ticker.tick` at a monotonic time in seconds, and then whenever it asks for it."""
        with self._changed:
            self._tickers.add(ticker)
            if at < self._tick_at:
                self._tick_at = at
                self._changed.notify_all()

    def unwatch(self, ticker: Ticker) -> None:
        """Forget a ticker."""
        with self._changed:
            self._tickers.discard(ticker)

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing waits any more, in memory or in the spool; whether that came true in time."""
        wait_s = min(timeout_s, limits.WAIT_S_MAX)
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._is_behind, wait_s)

    def close(self, timeout_s: float | None = None) -> bool:
        """
        Send what waits, for so long (seconds; `flush_s` by default), and leave the rest to the spool.

        Returns:
            Whether every report is stored, or at least safe in the spool.
        """
        with self._changed:
            thread = None if self._is_closed else self._thread
            self._is_closing = True
            if not self._is_slow:
                self._retry_at = 0.0
            self._changed.notify_all()
        if thread is not None and thread.is_alive():
            thread.join(min(self.flush_s if timeout_s is None else timeout_s, limits.WAIT_S_MAX))
        with self._changed:
            self._is_closed = True
        self._spill(lock_s=1.0)
        with self._changed:
            lost = len(self._waiting)
        if lost:
            self._voice.trouble("lost", f"{lost} reports could neither be sent nor kept")
        return not lost

    # ------------------------------------------------------------------------------------------------ the thread's own

    def _start(self) -> bool:
        """See that the thread runs; False where no thread can be started any more."""
        if self._thread is not None and self._thread.is_alive():
            return True
        if self._is_closing:
            return False
        thread = threading.Thread(target=self._run, name="jobsight", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread = thread
        _close_with_multiprocessing()
        return True

    def _run(self) -> None:
        with Unforked():
            from jobsight.client.wire import Wire

        wire = Wire(self.settings)
        while self._await_work():
            is_whole = False
            with self._voice:
                self._cycle(wire)
                is_whole = True
            if not is_whole:
                self._pause(None)
        wire.close()

    def _await_work(self) -> bool:
        """Wait until there is something to do; False when the thread has done its work."""
        with self._changed:
            while True:
                now = time.monotonic()
                may_send, may_spill = self._retry_at <= now, self._spill_at <= now
                if self._is_closed:
                    return False
                if self._waiting and (may_send or may_spill):
                    return True
                if self._is_behind and may_send:
                    return True
                if self._is_closing:
                    return False
                due = self._tick_at
                if self._waiting or self._is_behind:
                    due = min(due, self._retry_at)
                if self._waiting:
                    due = min(due, self._spill_at)
                if due <= now:
                    return True
                self._changed.wait(None if due == NEVER else due - now)

    def _cycle(self, wire: Wire) -> None:
        self._tick()
        if self._spool.is_empty():
            if self._is_past(self._retry_at):
                self._send_waiting(wire)
            if not self._is_past(self._retry_at) and self._is_past(self._spill_at):
                self._spill()
        else:
            if self._is_past(self._spill_at):
                self._spill()
            if self._is_past(self._retry_at):
                self._empty_spool(wire)
        self._tell_losses()
        with self._changed:
            self._is_behind = not self._spool.is_empty()
            self._changed.notify_all()

    @staticmethod
    def _is_past(at: float) -> bool:
        return at <= time.monotonic()

    def _tick(self) -> None:
        now = time.monotonic()
        with self._changed:
            if now < self._tick_at or self._is_closing:
                self._tick_at = NEVER if self._is_closing else self._tick_at
                return
            self._tick_at = NEVER
            tickers = list(self._tickers)
        for ticker in tickers:
            due = ticker.tick(now)
            with self._changed:
                if due is not None and ticker in self._tickers:
                    self._tick_at = min(self._tick_at, due)

    def _send_waiting(self, wire: Wire) -> None:
        with self._changed:
            lines = prefix(self._waiting, self._lines_max)
        if not lines:
            return
        posted = wire.post([line.raw for line in lines])
        again = self._settle(lines, posted.answers)
        is_hopeless = posted.failure is not None and self._is_hopeless(lines, posted.failure)
        with self._changed:
            if self._is_closed:
                return
            for _ in range(1 if is_hopeless else len(posted.answers)):
                self._waiting.popleft()
            self._waiting.extendleft(reversed(again))
        self._conclude(posted.failure, is_all_taken=not again)

    def _empty_spool(self, wire: Wire) -> None:
        until = time.monotonic() + limits.DRAIN_TURN_S
        outlet = self._spool.outlet()
        if outlet is None:
            self._retry_at = time.monotonic() + limits.OTHER_DRAINS_S
            return
        with outlet:
            while time.monotonic() < until and not self._is_closed:
                batch = outlet.next(self._lines_max)
                if batch is None:
                    return
                posted = wire.post([line.raw for line in batch.lines])
                again = self._settle(batch.lines, posted.answers)
                done = batch.lines.index(again[0]) if again else len(posted.answers)
                if posted.failure is not None and self._is_hopeless(batch.lines, posted.failure):
                    done = 1
                outlet.sent(batch, done)
                self._conclude(posted.failure, is_all_taken=not again)
                if self._waiting or not self._is_past(self._retry_at):
                    return

    def _settle(self, lines: Sequence[Line], answers: Sequence[Answer]) -> list[Line]:
        """Go through the answers; the lines that are to be sent again."""
        again = []
        for line, answer in zip(lines, answers, strict=False):
            if answer.verdict is Verdict.AGAIN:
                again.append(line)
            elif answer.verdict is Verdict.REFUSED:
                self._voice.trouble(f"refused:{answer.text}", f"a report of {line.job_id} was refused: {answer.text}")
        return again

    def _is_hopeless(self, lines: Sequence[Line], failure: Failure) -> bool:
        """Whether the first line is to be given up: refused as a request of its own. Before that, requests get smaller."""
        if failure.trouble is not Trouble.UNACCEPTABLE:
            return False
        if len(lines) > 1:
            self._lines_max = len(lines) // 2
            return False
        self._voice.trouble(f"refused:{failure.text}", f"a report of {lines[0].job_id} was refused: {failure.text}")
        return True

    def _conclude(self, failure: Failure | None, is_all_taken: bool) -> None:
        """After a request: go on at once, or pause."""
        if failure is not None and failure.trouble is Trouble.UNACCEPTABLE:
            return
        if failure is None and is_all_taken:
            self._pause_s, self._is_slow = 0.0, False
            self._lines_max = min(limits.BATCH_LINES_MAX, self._lines_max * 2)
            if self._voice.over("away", "denied"):
                self._voice.note("back", f"{self.settings.server} takes reports again")
            return
        self._voice.over("back")
        self._pause(failure)
        if failure is None:
            return
        where = f"{failure.text}; reports wait in {self.settings.spool}"
        if failure.trouble in {Trouble.DENIED, Trouble.ASTRAY}:
            self._voice.trouble("denied", where)
        else:
            self._voice.note("away", where)

    def _pause(self, failure: Failure | None) -> None:
        first, most = self.settings.retry_first_s, self.settings.retry_max_s
        self._pause_s = min(most, self._pause_s * 2 or first)
        pause_s = self._pause_s * (0.8 + 0.4 * os.urandom(1)[0] / 255)
        if failure is not None:
            self._is_slow = failure.trouble is Trouble.SLOW
            pause_s = max(pause_s, failure.retry_after_s or 0.0)
        with self._changed:
            self._retry_at = time.monotonic() + pause_s

    def _spill(self, lock_s: float = -1) -> None:
        """Move what waits from memory to disk; signs of life are of no use later."""
        if not self._disk.acquire(timeout=lock_s):
            return
        try:
            with self._changed:
                lines = [line for line in self._waiting if not line.is_sign]
                self._waiting.clear()
                if not lines:
                    return
                self._is_behind = True
            kept, error = self._spool.append(lines)
            with self._changed:
                if error is None:
                    self._voice.over("spool")
                    return
                self._waiting.extendleft(reversed(lines[kept:]))
                self._spill_at = time.monotonic() + limits.SPOOL_RETRY_S
            self._voice.trouble("spool", f"the spool {self.settings.spool} cannot be written: {error}")
        finally:
            self._disk.release()

    def _tell_losses(self) -> None:
        with self._changed:
            left_out, self._left_out = self._left_out, 0
            dropped, self._spool.dropped = self._spool.dropped, 0
        if left_out:
            self._voice.trouble("queue", f"{left_out} reports left out: more came than could be sent or kept")
        if dropped:
            text = f"the spool is full or damaged: {dropped} of its oldest reports are dropped"
            self._voice.trouble("dropped", text)


_senders: Final[weakref.WeakSet[Sender]] = weakref.WeakSet()
_finalizing: Final[set[int]] = set()
_ending: Final[list[int]] = []
"""Not empty once the program ends: reports after that go to the spool at once."""


def close_all() -> None:
    """The end of the program: give every sender its chance, within the longest of their deadlines."""
    _ending.append(os.getpid())
    senders = list(_senders)
    until = time.monotonic() + max((one.flush_s for one in senders), default=0.0)
    for one in senders:
        one.close(min(one.flush_s, max(0.0, until - time.monotonic())))


def _begin_anew_in_child() -> None:
    _ending.clear()
    for one in list(_senders):
        one.begin_anew()


def _close_with_multiprocessing() -> None:
    """A child of `multiprocessing` ends without `atexit`: it has its own list of what to do at the end."""
    process = sys.modules.get("multiprocessing.process")
    final = sys.modules.get("multiprocessing.util")
    if process is None or final is None or process.parent_process() is None or os.getpid() in _finalizing:
        return
    _finalizing.add(os.getpid())
    final.Finalize(None, close_all, exitpriority=0)


atexit.register(close_all)
os.register_at_fork(after_in_child=_begin_anew_in_child)
