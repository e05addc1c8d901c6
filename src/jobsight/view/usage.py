"""
`resource_usage` in a job's row.

The jobs of a fleet mostly tell of the same measures, so a row holds the number of the list of their names, and the values:
`[12,45.1,1024]` instead of `{"cpu_percent":45.1,"memory_mb":1024}`. Where there are too many such lists it holds the object.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from jobsight.view.words import Stored, Words

LISTS_MAX: Final = 1_000
"""Lists of names that get a number in the life of a process; they share the numbers of the words."""

Usage = dict[str, int | float | None]
"""Measure -> value, in its own unit; None where it was null."""

_encode: Final = msgspec.json.Encoder().encode
_decode_object: Final = msgspec.json.Decoder(Usage).decode
_decode_values: Final = msgspec.json.Decoder(list[int | float | None]).decode
_decode_names: Final = msgspec.json.Decoder(list[str]).decode


class UsageWriter:
    """Words usages for rows; new lists of names become words."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._numbers: dict[tuple[str, ...], Stored] = {}

    def text(self, usage: Usage) -> str:
        """What the row holds."""
        names = tuple(usage)
        number = self._numbers.get(names) or self._number(names)
        return _encode(usage if number is None else [number, *usage.values()]).decode()

    def _number(self, names: tuple[str, ...]) -> Stored:
        if len(self._numbers) >= LISTS_MAX:
            return None
        word = _encode(names).decode()
        self._words.learn((word,))
        number = self._words.numbers[word]
        if type(number) is not int:
            return None
        self._numbers[names] = number
        return number


def usage_of(stored: str, text: Callable[[Stored], str | None]) -> Usage:
    """
    The usage that a row holds.

    Args:
        stored: The row's text.
        text: Gives the word of a number.
    """
    if stored.startswith("{"):
        return _decode_object(stored)
    number, *values = _decode_values(stored)
    return dict(zip(_decode_names(text(int(number or 0)) or ""), values, strict=True))
