"""A large file, read piece by piece: the tables of 100,000 checks take several times the memory of what they declare."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from typing_extensions import override

PIECE_TABLES: Final = 1_000
"""Tables of checks that are read at once; a file with fewer is read as a whole."""

CHECKS: Final = "checks"
_HEADER: Final = re.compile(r"^[ \t]*\[.*$", re.MULTILINE)
_OF_CHECK: Final = re.compile(r"[ \t]*\[[ \t]*checks[ \t]*\.")
_WHOLE_CHECK: Final = re.compile(
    r"""[ \t]*\[[ \t]*checks[ \t]*\.[ \t]*(?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*')[ \t]*\][ \t]*(?:#.*)?$"""
)

Span = tuple[int, int]


class TornError(Exception):
    """The pieces do not hold what the whole would: a string over several lines looks like a table, or something is wrong."""


class CheckTables(Mapping[str, Any]):
    """
    The tables of checks by name. `items` reads one piece after the other, and keeps none.

    Raises:
        TornError: While they are gone through.
    """

    def __init__(self, text: str, spans: list[Span]) -> None:
        self._text: Final = text
        self._spans: Final = spans

    @override
    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._read())

    @override
    def __len__(self) -> int:
        return sum(1 for _ in self._read())

    @override
    def __getitem__(self, name: str) -> Any:
        for found, table in self._read():
            if found == name:
                return table
        raise KeyError(name)

    @override
    def items(self) -> Any:
        return self._read()

    def _read(self) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        for start, end in self._spans:
            tables = _parsed(self._text[start:end])
            checks = tables.pop(CHECKS, None)
            if tables or not isinstance(checks, dict) or not seen.isdisjoint(checks):
                raise TornError
            seen |= checks.keys()
            yield from checks.items()


def in_pieces(text: str, piece_tables: int = PIECE_TABLES) -> tuple[dict[str, Any], str, CheckTables] | None:
    """
    What a text says apart from its checks, that part of the text (with as many lines as the whole), and its checks.

    Args:
        text: TOML.
        piece_tables: Tables of checks that are read at once.

    Returns:
        None where the text is to be read as a whole.

    Raises:
        TornError: The text does not come apart.
    """
    headers = list(_HEADER.finditer(text))
    if sum(1 for one in headers if _OF_CHECK.match(one[0])) <= piece_tables:
        return None
    spans: list[Span] = []
    rest: list[str] = []
    start, done, tables = None, 0, 0
    for header in headers:
        at = header.start()
        is_check = _OF_CHECK.match(header[0]) is not None
        if start is not None and (not is_check or (tables >= piece_tables and _WHOLE_CHECK.match(header[0]))):
            spans.append((start, at))
            rest.append("\n" * text.count("\n", start, at))
            start, done, tables = None, at, 0
        if is_check:
            if start is None:
                rest.append(text[done:at])
                start = at
            tables += 1
    if start is None:
        rest.append(text[done:])
    else:
        spans.append((start, len(text)))
        rest.append("\n" * text.count("\n", start))
    others = "".join(rest)
    tables_beside = _parsed(others)
    if CHECKS in tables_beside:
        raise TornError
    return tables_beside, others, CheckTables(text, spans)


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise TornError from None
