"""Bytes of a stream into whole lines, in bounded memory."""

from __future__ import annotations

from enum import Enum
from typing import Final

from jobsight.protocol.limits import LINE_BYTES_MAX

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Overlong(Enum):
    """Stands where a line was that is longer than the limit."""

    LINE = "line"


class LineReader:
    """
    Collects what was read until it is whole lines.

    A line over the limit is dropped as it comes in, and `Overlong.LINE` stands in its place.
    """

    def __init__(self, line_bytes_max: int = LINE_BYTES_MAX) -> None:
        self._line_bytes_max = line_bytes_max
        self._rest: list[bytes] = []
        self._rest_bytes = 0
        self._is_dropping = False
        self._is_at_start = True

    def feed(self, data: bytes) -> list[bytes | Overlong]:
        """What became whole with these bytes, in order: blocks of lines, each closed by a newline, and overlong lines."""
        end = data.rfind(b"\n") + 1
        parts: list[bytes | Overlong] = []
        if end == 0:
            self._keep(data)
            return parts
        block = data[:end]
        if self._is_dropping:
            block = block[block.index(b"\n") + 1 :]
            parts.append(Overlong.LINE)
            self._is_dropping = False
        elif self._rest:
            first = block.index(b"\n")
            if self._rest_bytes + first > self._line_bytes_max:
                parts.append(Overlong.LINE)
                block = block[first + 1 :]
            else:
                block = b"".join((*self._rest, block))
        self._rest, self._rest_bytes = [], 0
        self._split_overlong(self._without_mark(block), parts)
        self._keep(data[end:])
        return parts

    def finish(self) -> list[bytes | Overlong]:
        """The end of the stream: what stands without a closing newline is a line as well."""
        if self._is_dropping:
            self._is_dropping = False
            return [Overlong.LINE]
        rest = self._without_mark(b"".join(self._rest))
        self._rest, self._rest_bytes = [], 0
        return [rest + b"\n"] if rest else []

    def _keep(self, rest: bytes) -> None:
        if self._is_dropping or not rest:
            return
        self._rest.append(rest)
        self._rest_bytes += len(rest)
        if self._rest_bytes > self._line_bytes_max:
            self._rest, self._rest_bytes = [], 0
            self._is_dropping, self._is_at_start = True, False

    def _without_mark(self, block: bytes) -> bytes:
        if not self._is_at_start:
            return block
        self._is_at_start = not block
        return block.removeprefix(BYTE_ORDER_MARK)

    def _split_overlong(self, block: bytes, parts: list[bytes | Overlong]) -> None:
        """A block that came in at once may hold an overlong line only where it is larger than one itself."""
        if len(block) <= self._line_bytes_max:
            if block:
                parts.append(block)
            return
        good: list[bytes] = []
        for line in _lines(block):
            if len(line) - 1 > self._line_bytes_max:
                if good:
                    parts.append(b"".join(good))
                parts.append(Overlong.LINE)
                good = []
            else:
                good.append(line)
        if good:
            parts.append(b"".join(good))


def _lines(block: bytes) -> list[bytes]:
    return [line + b"\n" for line in block.split(b"\n")[:-1]]
