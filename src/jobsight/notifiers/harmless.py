"""Text that came from jobs, made harmless: nothing in it steers a terminal, a mail header or the direction of writing."""

from __future__ import annotations

import re
from typing import Final

CUT_MARK: Final = "…"

_STEERING: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_LONE_HALF: Final = re.compile("[\ud800-\udfff]")
_LINE_ENDS: Final = re.compile("\r\n|\r|\x0b|\x0c|\x85|\u2028|\u2029")
_SPACES: Final = re.compile(r"[\t\n ]+")


def harmless(text: str) -> str:
    """
    A text of several lines in which only line feeds and tabs steer anything.

    Control characters, escape sequences and marks of writing direction become visible codes (`\\x1b`), every kind of
    line end becomes a line feed, half a surrogate pair becomes a question mark in a box.
    """
    text = _LONE_HALF.sub("\ufffd", _LINE_ENDS.sub("\n", text))
    return _STEERING.sub(_visible, text)


def one_line(text: str, characters_max: int) -> str:
    """A harmless text on one line, cut with a mark to this length; what a header, a title or a subject may hold."""
    return cut(_SPACES.sub(" ", harmless(text)).strip(), characters_max)


def cut(text: str, characters_max: int) -> str:
    """A text of at most this length; a mark stands where the rest was."""
    return text if len(text) <= characters_max else text[: characters_max - len(CUT_MARK)] + CUT_MARK


def cut_bytes(text: str, bytes_max: int) -> str:
    """A text of at most so many bytes of UTF-8, cut between characters; a mark stands where the rest was."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= bytes_max:
        return text
    return encoded[: bytes_max - len(CUT_MARK.encode())].decode("utf-8", "ignore") + CUT_MARK


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
