"""What msgspec finds wrong with a request, as our own validation words it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

import msgspec

_WORDS: Final = (
    (re.compile(r"`(?:str|array)` of length >= (\d+)"), r"a length of at least \1"),
    (re.compile(r"`(?:str|array)` of length <= (\d+)"), r"a length of at most \1"),
    (re.compile(r"`(?:int|float)` >= ([\d.]+)"), r"a number of at least \1"),
    (re.compile(r"`(?:int|float)` <= ([\d.]+)"), r"a number of at most \1"),
    (re.compile(r"`str` matching regex '\^\((.+)\)\$'"), r"one of \1"),
    (re.compile(r"\bstr\b"), "text"),
    (re.compile(r"\bint\b"), "whole number"),
    (re.compile(r"\bbool\b"), "true or false"),
    (re.compile(r"\barray\b"), "list"),
)
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)


def place_and_words(error: msgspec.ValidationError, known: Sequence[str]) -> tuple[str, str]:
    """
    Where something is wrong, as a path without the outermost name (empty for the whole), and what.

    Args:
        known: Fields of the outermost object, for whoever has slipped in the name of one.
    """
    words, _, place = str(error).partition(" - at `$.")
    place = place.rstrip("`")
    unknown = _UNKNOWN.match(words)
    if unknown is not None and not place:
        return "", f"there is no field {unknown[1][:64]!r}; {nearest(unknown[1], known)}"
    for pattern, word in _WORDS:
        words = pattern.sub(word, words)
    return place, f"{words[0].lower()}{words[1:]}"


def nearest(name: str, known: Sequence[str]) -> str:
    """What was meant, and what there is, for a name that is not known."""
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return (f"did you mean {near[0]}? " if near else "") + f"known here: {', '.join(known) or 'none'}"
