"""
A sender for reports that do not name theirs, written into the lines that are stored.

Repeats are recognised by their sender, also by a node that reads the log later; so what the transport knows about the
sender has to stand in the line: a bare body gets an envelope around it, an envelope without `src` gets one.
"""

from __future__ import annotations

from typing import Final

import msgspec

from jobsight.core.events import AnyReport
from jobsight.protocol.limits import NESTING_MAX

_encode: Final = msgspec.json.Encoder().encode


class SourceFiller:
    """
    Fills in one sender.

    Args:
        source: Who has sent what does not say.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        name = _encode(source)
        self._opening = b'{"src":' + name + b',"body":'
        self._between = b"}\n" + self._opening
        self._closing = b',"src":' + name + b"}"

    def fill(self, block: bytes, sources: list[str | None], *, are_bodies_bare: bool) -> tuple[bytes, list[str | None]]:
        """
        Lines with their senders.

        Args:
            block: Lines that hold one report each, each closed by a newline.
            sources: Who has sent each, as far as the lines say.
            are_bodies_bare: Whether the lines are bodies without envelopes.

        Returns:
            The lines as they are to be stored, and who has sent each.
        """
        if are_bodies_bare:
            return self._opening + block[:-1].replace(b"\n", self._between) + b"}\n", [self._source] * len(sources)
        if None not in sources:
            return block, sources
        lines = [
            line if source is not None else line.rstrip()[:-1] + self._closing
            for line, source in zip(block[:-1].split(b"\n"), sources, strict=True)
        ]
        filled: list[str | None] = [self._source if source is None else source for source in sources]
        return b"\n".join((*lines, b"")), filled

    def fill_one(self, line: bytes, source: str | None, report: AnyReport, *, is_bare: bool) -> tuple[bytes, str]:
        """
        One line that the typed decoders did not take, with its sender.

        A body may be nested as deeply as a line may; with an envelope around it, it would be too deep for those who
        read the log. Then what was understood of it is stored instead of the line.
        """
        if is_bare and line.count(b"{") + line.count(b"[") >= NESTING_MAX:
            line = _encode(report)
        block, sources = self.fill(line + b"\n", [source], are_bodies_bare=is_bare)
        return block, sources[0] or self._source
