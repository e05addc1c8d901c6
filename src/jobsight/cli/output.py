"""What commands print: tables for people, JSON for programs, and nothing that a terminal would obey."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Protocol

import msgspec

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


def plain(text: str) -> str:
    """A text as a terminal may show it: control characters, escapes and marks of writing direction become visible codes."""
    return _UNSAFE.sub(
        lambda found: f"\\x{ord(found[0]):02x}" if ord(found[0]) < 256 else f"\\u{ord(found[0]):04x}", text
    )


def plain_json(line: str) -> str:
    """A line of JSON that means the same, with what a terminal would obey as `\\u....`; it can stand in strings only."""
    return line if line.isascii() and "\x7f" not in line else _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def print_json(value: object) -> None:
    """One value as one line of JSON."""
    sys.stdout.write(plain_json(msgspec.json.format(msgspec.json.encode(value), indent=0).decode()) + "\n")


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """
    A table for people, as wide as its contents; `empty` says what to do next where there are no rows.

    Cells are escaped here; the last column may be long, and is cut at the terminal's edge only where there is one.
    """
    cells = [[plain(cell) for cell in row] for row in rows]
    if not cells:
        sys.stdout.write(empty + "\n")
        return
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    for row in [list(headings), *cells]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        sys.stdout.write(line + "\n")


Row = dict[str, Any]
Columns = Mapping[str, str | Callable[[Row], str]]
"""What a list shows, by its headings: the name of a field (a moment if it ends in `_ms`), or how a cell is made."""


def print_list(rows: Sequence[Row], columns: Columns, empty: str, *, as_json: bool) -> None:
    """
    A list for people, or for programs one value a line.

    Args:
        rows: As the API tells them.
        columns: For people.
        empty: What to do next where there are no rows.
        as_json: For programs.
    """
    if as_json:
        for row in rows:
            print_json(row)
        return
    print_table(list(columns), [[_cell(row, column) for column in columns.values()] for row in rows], empty)


def _cell(row: Row, column: str | Callable[[Row], str]) -> str:
    if not isinstance(column, str):
        return column(row)
    value = row[column]
    if column.endswith("_ms"):
        return moment(value)
    return "-" if value is None else str(value)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """What is known of one thing, a line each; a text of several lines goes on below itself, so no line can pose as a field."""
    rows: list[tuple[str, str]] = []
    for name, value in fields:
        first, *others = value.rstrip("\n").split("\n")
        rows += [(name, first), *(("", line) for line in others)]
    print_table(("FIELD", "VALUE"), rows, empty="")


def moment(at_ms: int | None) -> str:
    """A time in ms since the epoch as an operator reads it, UTC; `-` for none."""
    if at_ms is None:
        return "-"
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def duration(duration_ms: float | None) -> str:
    """A duration in ms in the two largest units that it has; `-` for none."""
    if duration_ms is None:
        return "-"
    if duration_ms < 1000:
        return f"{duration_ms:g} ms" if duration_ms == int(duration_ms) else f"{duration_ms:.1f} ms"
    seconds = duration_ms / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    units = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
    whole = int(seconds)
    for (name, size), (next_name, next_size) in pairwise(units):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // next_size} {next_name}"
    return f"{whole} s"


def number(value: float) -> str:
    """A number with its thousands set apart."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


class Bar(Protocol):
    """A progress bar."""

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` is done."""
        ...


@contextmanager
def progress(label: str) -> Iterator[Bar]:
    """A progress bar on stderr, where that is a terminal; elsewhere nothing is shown."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns: tuple[Any, ...] = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
