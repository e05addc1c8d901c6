"""Passing a command's output on, unchanged and at once, while its last bytes and its progress marks are noted."""

from __future__ import annotations

import array
import fcntl
import os
import select
import termios
import threading

from jobsight.client.limits import TAIL_BYTES_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final

_CHUNK_BYTES: Final = 64 * 1024
_MARK: Final = b"::progress "
_MARK_LINE_BYTES_MAX: Final = 1024


class Tail:
    """The last bytes of everything that was put out, whichever way it went."""

    def __init__(self) -> None:
        self._kept = b""
        self._lock: Final = threading.Lock()

    def add(self, data: bytes) -> None:
        """Take what was put out."""
        with self._lock:
            self._kept = (self._kept + data)[-TAIL_BYTES_MAX:]

    def text(self) -> str:
        """What is kept, as text."""
        with self._lock:
            return self._kept.decode("utf-8", "replace")


class Marks:
    """
    Finds lines like `::progress 25` and `::progress 25 copying files` in a stream.

    Args:
        on_progress: Told the percentage, and the words behind it, if any.
    """

    def __init__(self, on_progress: Callable[[float, str | None], None]) -> None:
        self._on_progress: Final = on_progress
        self._open_line = b""

    def add(self, data: bytes) -> None:
        """Take what was put out."""
        text = self._open_line + data
        line_start = text.rfind(b"\n") + 1
        self._open_line = text[line_start : line_start + _MARK_LINE_BYTES_MAX]
        if _MARK not in text:
            return
        for line in text[:line_start].split(b"\n"):
            if line.startswith(_MARK):
                self._read(line)

    def finish(self) -> None:
        """Nothing more comes: what stands behind the last line end is a line, too."""
        line, self._open_line = self._open_line, b""
        if line.startswith(_MARK):
            self._read(line)

    def _read(self, line: bytes) -> None:
        number, _, words = line[len(_MARK) :].decode("utf-8", "replace").strip().partition(" ")
        try:
            percent = float(number.removesuffix("%"))
        except ValueError:
            return
        if 0 <= percent <= 100:
            self._on_progress(int(percent) if percent.is_integer() else percent, words.strip() or None)


class Pump:
    """
    Copies from a pipe to where the output belongs, in a thread of its own.

    Args:
        source: The pipe's end for reading. It is closed when nobody wants the output any more, so that the command
            learns of it as it would have without us.
        target: Descriptor that gets every byte.
        on_data: Shown every piece, after it was passed on.
        on_end: Called in the thread, when it has passed on all that it does.
    """

    def __init__(
        self, source: int, target: int, on_data: Callable[[bytes], None], on_end: Callable[[], None] = lambda: None
    ) -> None:
        self.is_over = False
        self.source: Final = source
        self._target: Final = target
        self._on_data: Final = on_data
        self._on_end: Final = on_end
        self._stop: Final = os.pipe()
        self._thread: Final = threading.Thread(target=self._run, name="jobsight-output", daemon=True)

    def start(self) -> None:
        """Begin to copy. Raises RuntimeError where there can be no further thread."""
        self._thread.start()

    def stop(self) -> None:
        """The command has ended: end with what is in the pipe now. Something that it left behind may still hold the pipe."""
        os.write(self._stop[1], b".")

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for that; `is_over` then tells whether the output has come to its end."""
        self._thread.join(timeout_s)

    def copy(self) -> int:
        """Pass on one piece; how many bytes. `is_over` at the end, of the output or of those who want it."""
        data = os.read(self.source, _CHUNK_BYTES)
        if data and write_all(self._target, data):
            self._on_data(data)
        else:
            self.is_over = True
            os.close(self.source)
        return len(data)

    def _run(self) -> None:
        self._pass_on()
        self._on_end()

    def _pass_on(self) -> None:
        # What the command has written is in the pipe when the stop comes. What comes behind it is from what it left behind,
        # which may write faster than anybody reads, and is no reason not to end.
        ready = select.poll()
        ready.register(self.source, select.POLLIN)
        ready.register(self._stop[0], select.POLLIN)
        rest: int | None = None
        while not self.is_over:
            found = dict(ready.poll())
            if rest is None and self._stop[0] in found:
                rest = _held_by(self.source)
            if self.source not in found or (rest is not None and rest <= 0 and found[self.source] & select.POLLIN):
                return
            copied = self.copy()
            rest = None if rest is None else rest - copied


def _held_by(pipe: int) -> int:
    """Bytes that a pipe holds now."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


def copy_to_the_end(pumps: Sequence[Pump]) -> None:
    """Pass on, in this thread, what the command's leftovers still put out."""
    while left := {pump.source: pump for pump in pumps if not pump.is_over}:
        ready = select.poll()
        for source in left:
            ready.register(source, select.POLLIN)
        for source, _ in ready.poll():
            left[source].copy()


def write_all(target: int, data: bytes) -> bool:
    """Write everything, however long it takes; False when nobody takes it any more."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(target, rest) :]
        except BlockingIOError:
            ready = select.poll()
            ready.register(target, select.POLLOUT)
            ready.poll()
        except OSError:
            return False
    return True
