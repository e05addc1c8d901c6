"""
Numbers as they were written. A decoded float no longer tells 1e3 from 1000.0; the line from which it came does.

Only replies with a float look at the line again. Whole numbers have one way to be written, so most replies need none of
this.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

_encode: Final = msgspec.json.Encoder().encode
_USAGE: Final = b'"resource_usage":'
_format: Final = msgspec.json.format


class _Written(Struct, gc=False):
    # A name may come twice with values of different kinds; the last one counts, so only that one is looked into.
    progress: Raw = Raw(b"null")
    duration_ms: Raw = Raw(b"null")
    resource_usage: Raw = Raw(b"{}")


class _Line(_Written, gc=False):
    body: Raw | UnsetType = UNSET
    type: Raw = Raw(b"null")


_decode_line: Final = msgspec.json.Decoder(_Line).decode
_decode_body: Final = msgspec.json.Decoder(_Written).decode
_decode_usage: Final = msgspec.json.Decoder(dict[str, Raw]).decode


class WrittenNumbers:
    """
    The numbers of a chunk's reports; asked for in the order of the reports, each once.

    Args:
        payload: The lines of the reports, each closed by a newline.
    """

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._lines: list[bytes] | None = None
        self._upto = 0

    def text(self, index: int, name: str) -> str:
        """
        A number as its report has it.

        Args:
            index: Of the report, by its place in the payload.
            name: `progress` or `duration_ms`.
        """
        raw: Raw = getattr(self._written(index), name)
        return bytes(raw).decode()

    def usage_text(self, index: int, usage: dict[str, int | float | None] | None) -> str:
        """A `resource_usage` as its report has it, spaced as replies are."""
        text = _encode(usage)
        spaced = _format(text, indent=0)
        is_as_we_write_it = self._stands_next(text, spaced)
        has_float = b"." in text or b"e-" in text
        if is_as_we_write_it or not has_float:
            return spaced.decode()
        raw = _decode_usage(self._written(index).resource_usage)
        numbers = ", ".join([f"{_encode(key).decode()}: {bytes(number).decode()}" for key, number in raw.items()])
        return f"{{{numbers}}}"

    def _stands_next(self, text: bytes, spaced: bytes) -> bool:
        """
        Whether the next `resource_usage` in the payload is written just so, as most are. For speed alone: then no line
        needs to be taken out and read again. After one that is not, nothing is known of the others.
        """
        if self._upto < 0:
            return False
        start = self._payload.find(_USAGE, self._upto) + len(_USAGE)
        is_so = self._payload.startswith(text, start) or self._payload.startswith(spaced, start + 1)
        self._upto = start if is_so else -1
        return is_so

    def _written(self, index: int) -> _Written:
        if self._lines is None:
            self._lines = self._payload.split(b"\n")
        line = self._lines[index]
        found = _decode_line(line)
        # What has a `type` itself is no envelope, whatever its `body` is.
        if found.body is UNSET or bytes(found.type).startswith(b'"'):
            return found
        return _decode_body(found.body)
