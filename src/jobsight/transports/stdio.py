"""The node on stdin and stdout: one thread reads, applies and answers, and never waits for a fuller batch."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final

from jobsight.engine.duties import Duty
from jobsight.engine.writer import Writer
from jobsight.errors import StorageError
from jobsight.protocol.codec import Chunk
from jobsight.protocol.session import Outcome, Session

READ_BYTES: Final = 256 * 1024
"""Read at once; what has come in is never waited for."""

IN_FLIGHT_MAX: Final = 12
"""Chunks that may wait for the log; above that, reading stops."""

GATHERED_REPORTS: Final = 8_000
"""
Reports from which on nothing more is gathered for a batch, however much has come in already.

For speed alone: one batch of so many takes a quarter less room than six, and is one commit. Two such batches are still fewer
events than the view may lag by.
"""

REPORTS_IN_FLIGHT_MAX: Final = 2 * GATHERED_REPORTS
"""Reports that may wait for the log; above that, reading stops."""

PIPE_BYTES: Final = 1024 * 1024
"""What a pipe to the node is to hold, where the system allows it; by itself it holds 64 KB."""

STOP_SECONDS_MAX: Final = 9
"""After a signal: time for committing, answering and flushing, before the node ends all the same."""


class OutputGone(StorageError):
    """The reader of stdout is gone, or stdout cannot be written."""


class Waker:
    """A pipe by which another thread, or a signal, ends a wait."""

    def __init__(self) -> None:
        self.read_fd, self._write_fd = os.pipe()
        os.set_blocking(self.read_fd, False)
        os.set_blocking(self._write_fd, False)

    def wake(self) -> None:
        """End the wait. Safe from any thread and from a signal handler."""
        try:
            os.write(self._write_fd, b"\0")
        except BlockingIOError:
            return

    def drain(self) -> None:
        """Forget the calls so far."""
        try:
            os.read(self.read_fd, 4096)
        except BlockingIOError:
            return


class StdioNode:
    """
    Serves one session on two file descriptors until the input ends, a signal comes, or the output is gone.

    Args:
        writer: Built with `waker.wake`, or without a log thread.
        session: Reads the input and words the replies.
        complain: Writes one line to stderr.
        ticker: Sees deadlines pass, and what else is due from time to time; None where nothing is watched.
    """

    def __init__(
        self,
        writer: Writer,
        session: Session,
        waker: Waker,
        complain: Callable[[str], None],
        *,
        ticker: Duty | None = None,
        input_fd: int = 0,
        output_fd: int = 1,
    ) -> None:
        self._writer = writer
        self._session = session
        self._waker = waker
        self._complain = complain
        self._ticker = ticker
        self._input_fd = input_fd
        self._output_fd = output_fd
        self._is_stopping = False
        self._reports_in_flight = 0
        self._gathered: list[Chunk] = []
        self._reports_gathered = 0
        self._is_output_gone = False
        self._output_fault = ""

    def serve(self) -> None:
        """
        Read, answer, flush, until the end; returns when everything that was read is stored, answered and flushed.

        Raises:
            OutputGone: What was read is stored, but stdout did not take the replies.
            StorageError: The log could not be written; the outcome of the last batch is unknown.
        """
        _widen(self._input_fd)
        poller = select.poll()
        poller.register(self._waker.read_fd, select.POLLIN)
        is_reading = False
        is_open = True
        while is_open and not self._is_stopping and self._writer.broken is None and not self._is_output_gone:
            wants_input = self._writer.in_flight < IN_FLIGHT_MAX and self._reports_in_flight < REPORTS_IN_FLIGHT_MAX
            if wants_input != is_reading:
                if wants_input:
                    poller.register(self._input_fd, select.POLLIN)
                else:
                    poller.unregister(self._input_fd)
                is_reading = wants_input
            ready = dict(poller.poll(0 if self._writer.has_stored else self._due_ms()))
            if self._waker.read_fd in ready:
                self._waker.drain()
            self._writer.settle(chunks_max=1)
            if self._input_fd in ready:
                is_open = self._read()
            if self._writer.flush_due_ms() == 0:
                self._writer.flush()
            if self._ticker is not None:
                self._ticker.tick()
        self._hand_over()
        if not is_open:
            self._submit(self._session.finish())
        self._writer.close()
        summary = self._session.summary()
        if summary:
            self._complain(summary)
        if self._writer.broken is not None:
            raise self._writer.broken
        if self._is_output_gone:
            what = self._output_fault or "stdout is gone"
            raise OutputGone(f"{what}: what was read is stored, but its replies could not be written")

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: stop reading, then end in good order; a second signal ends at once."""
        if self._is_stopping:
            os._exit(128 + number)
        self._is_stopping = True
        signal.signal(signal.SIGALRM, lambda *_: os._exit(74))
        signal.alarm(STOP_SECONDS_MAX)
        self._waker.wake()

    def _due_ms(self) -> int | None:
        """In how many milliseconds the writer or the ticker wants something; None for never."""
        flush_ms = self._writer.flush_due_ms()
        tick_ms = None if self._ticker is None else self._ticker.due_ms()
        return min((due_ms for due_ms in (flush_ms, tick_ms) if due_ms is not None), default=None)

    def _read(self) -> bool:
        """Read a chunk; hand over what was gathered once it is enough, or no more has come in. False at the end of the input."""
        data = self._read_once()
        if data:
            self._gathered.append(self._session.feed(data))
            self._reports_gathered += len(self._gathered[-1].reports)
        is_full = self._reports_gathered >= GATHERED_REPORTS or len(self._gathered) >= IN_FLIGHT_MAX
        if not data or is_full or not self._has_more():
            self._hand_over()
        return data != b""

    def _hand_over(self) -> None:
        gathered, self._gathered, self._reports_gathered = self._gathered, [], 0
        for chunk in gathered:
            self._submit(chunk)

    def _has_more(self) -> bool:
        """Whether there is input that need not be waited for."""
        poller = select.poll()
        poller.register(self._input_fd, select.POLLIN)
        return bool(poller.poll(0))

    def _read_once(self) -> bytes | None:
        """What one read gives; empty at the end of the input, None where there is nothing after all."""
        try:
            return os.read(self._input_fd, READ_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            self._complain(f"stdin cannot be read ({error.strerror}); ending as at its end")
            return b""

    def _submit(self, chunk: Chunk) -> None:
        if chunk.reports or chunk.asides:
            count = len(chunk.reports)
            self._reports_in_flight += count
            self._writer.submit(chunk, lambda outcome: self._answer(chunk, outcome, count))

    def _answer(self, chunk: Chunk, outcome: Outcome, count: int) -> None:
        self._reports_in_flight -= count
        replies = memoryview(self._session.replies(chunk, outcome))
        while replies and not self._is_output_gone:
            try:
                replies = replies[os.write(self._output_fd, replies) :]
            except BlockingIOError:
                select.select([], [self._output_fd], [])
            except OSError as error:
                self._is_output_gone = True
                if error.errno != errno.EPIPE:
                    self._output_fault = f"stdout cannot be written ({error.strerror})"


def _widen(pipe_fd: int) -> None:
    """Let a pipe hold more, so that what is read at once is not a quarter of what could be."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):  # it is no pipe, or the system does not allow it
            fcntl.fcntl(pipe_fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
