"""
Stdin and stdout beside an event loop that owns the writer: one thread reads, one writes, and everything else happens on
the loop.
"""

from __future__ import annotations

import os
import queue
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from jobsight.engine.writer import Writer
from jobsight.protocol.codec import Chunk
from jobsight.protocol.session import Outcome, Session
from jobsight.transports.stdio import IN_FLIGHT_MAX, READ_BYTES, OutputGone

_GONE: Final = "stdout is gone: what was read is stored, but its replies could not be written"


class StdioBeside:
    """
    Serves one session on stdin and stdout while the loop serves others.

    At most `IN_FLIGHT_MAX` pieces of input are on their way between the two threads, so a reader of stdout that stops
    also stops the reading of stdin.

    Args:
        writer: Owned by the loop.
        session: Reads the input and words the replies.
        complain: Writes one line to stderr.
        input_fd, output_fd: stdin and stdout.
    """

    def __init__(
        self,
        writer: Writer,
        session: Session,
        complain: Callable[[str], None],
        *,
        input_fd: int = 0,
        output_fd: int = 1,
    ) -> None:
        self.gone: OutputGone | None = None
        self._writer: Final = writer
        self._session: Final = session
        self._complain: Final = complain
        self._input_fd: Final = input_fd
        self._output_fd: Final = output_fd
        self._room: Final = threading.Semaphore(IN_FLIGHT_MAX)
        self._replies: Final[queue.SimpleQueue[bytes | None]] = queue.SimpleQueue()
        self._is_closing = False
        self._in_flight = 0
        self._is_at_end = False
        self._on_end: Callable[[], None] = lambda: None
        self._loop: AbstractEventLoop | None = None
        self._output = threading.Thread(target=self._write, name="jobsight-stdout", daemon=True)

    def start(self, loop: AbstractEventLoop, on_end: Callable[[], None]) -> None:
        """
        Begin to read.

        Args:
            loop: The one that owns the writer.
            on_end: Called on it when the input is over and answered, or when nobody takes the answers any more.
        """
        self._on_end = on_end
        self._loop = loop
        self._output.start()
        threading.Thread(target=self._read, name="jobsight-stdin", daemon=True).start()

    def close(self) -> None:
        """Wait until the replies that there are have been written. Called on the loop, after the writer was closed."""
        self._is_closing = True
        self._replies.put(None)
        self._output.join()

    def _read(self) -> None:
        """The reading thread."""
        data = b"-"
        while data and not self._is_closing:
            self._room.acquire()
            try:
                data = os.read(self._input_fd, READ_BYTES)
            except OSError as error:
                self._complain(f"stdin cannot be read ({error.strerror}); ending as at its end")
                data = b""
            self._tell_loop(self._take, data)

    def _take(self, data: bytes) -> None:
        """A piece of input; nothing at the end of it."""
        if self._is_closing:
            return
        chunk = self._session.feed(data) if data else self._session.finish()
        self._is_at_end = not data
        if not chunk.reports and not chunk.asides:
            self._room.release()
            self._end_if_done()
            return
        self._in_flight += 1
        self._writer.submit(chunk, lambda outcome: self._answer(chunk, outcome))

    def _answer(self, chunk: Chunk, outcome: Outcome) -> None:
        self._in_flight -= 1
        self._replies.put(self._session.replies(chunk, outcome))
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._is_at_end and not self._in_flight:
            self._on_end()

    def _write(self) -> None:
        """The writing thread."""
        while (replies := self._replies.get()) is not None:
            rest = memoryview(replies)
            while rest and self.gone is None:
                try:
                    rest = rest[os.write(self._output_fd, rest) :]
                except OSError:
                    self.gone = OutputGone(_GONE)
                    self._tell_loop(self._on_end)
            self._room.release()

    def _tell_loop(self, call: Callable[..., None], *arguments: object) -> None:
        """Call on the loop; nothing where it has ended."""
        assert self._loop is not None
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)
