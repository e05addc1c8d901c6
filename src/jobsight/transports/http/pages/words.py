"""Numbers, times and lengths of time as people read them. What is short enough to be compared is never rounded away."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

_UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"))
_SHORT: Final = ((1_000_000_000, "G", 999_500_000), (1_000_000, "M", 999_500), (1_000, "k", 10_000))
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~-]*")
_YEAR_MS_MAX: Final = 253_402_300_799_000
"""The last moment that a calendar of four digits knows."""


def span(length_ms: float | None) -> str:
    """A length of time in at most two units: `4 h 12 m`, `7.5 s`, `40 ms`; a dash for none."""
    if length_ms is None:
        return "–"
    if length_ms < 1_000:
        return f"{length_ms:.0f} ms" if length_ms >= 10 or length_ms == int(length_ms) else f"{length_ms:.1f} ms"
    if length_ms < 10_000:
        return f"{length_ms / 1000:.1f} s".replace(".0 s", " s")
    rest = round(length_ms / 1000) * 1000
    for place, (size, unit) in enumerate(_UNITS):
        whole, left = divmod(rest, size)
        if whole:
            smaller = _UNITS[place + 1] if place + 1 < len(_UNITS) else None
            count = left // smaller[0] if smaller else 0
            return f"{whole} {unit}" if smaller is None or not count else f"{whole} {unit} {count} {smaller[1]}"
    return "0 s"


def rough_span(length_ms: float) -> str:
    """A length of time in one unit, for what is said at a glance: `7 h`, `6 m`, `12 s`."""
    for size, unit in _UNITS:
        if abs(length_ms) >= size:
            return f"{int(abs(length_ms) // size)} {unit}"
    return "0 s"


def ago(moment_ms: int | None, at_ms: int) -> str:
    """A moment as seen from another one: `6 m ago`, `in 12 m`, `now`; a dash for none."""
    if moment_ms is None:
        return "–"
    if abs(at_ms - moment_ms) < 1_000:
        return "now"
    text = rough_span(at_ms - moment_ms)
    return f"{text} ago" if moment_ms <= at_ms else f"in {text}"


def count(number: float | None) -> str:
    """A count: `4,837`, above ten thousand `15.2k`, `1.52M`; a dash for none."""
    if number is None:
        return "–"
    for size, unit, least in _SHORT:
        if number >= least:
            return f"{number / size:.3g}{unit}"
    return f"{number:,.0f}"


def percent(share: float | None) -> str:
    """A share as a percentage: `0.31%`, `12%`; a dash for none."""
    if share is None:
        return "–"
    shown = share * 100
    if shown == 0 or shown >= 10:
        return f"{shown:.0f}%"
    return f"{shown:.1f}%" if shown >= 1 else f"{shown:.2g}%"


def rate(per_s: float) -> str:
    """Something a second: `9.8k/s`, `4.5/s`, `0.13/s`."""
    if per_s >= 100:
        return f"{count(round(per_s))}/s"
    return f"{round(per_s, 1 if per_s >= 1 else 2):g}/s"


def iso(moment_ms: int) -> str:
    """A moment for `datetime` attributes: RFC 3339, UTC, with milliseconds."""
    return _utc(moment_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc(moment_ms: int) -> str:
    """A moment in UTC for people: `2026-11-26 02:00:05 UTC`."""
    return _utc(moment_ms).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(moment_ms: int) -> str:
    """The time of day of a moment, UTC: `02:00`."""
    return _utc(moment_ms).strftime("%H:%M")


def is_web_address(text: str) -> bool:
    """Whether a text that somebody has set may stand as a link: nothing but http and https."""
    return text.startswith(("https://", "http://")) and text.isprintable() and " " not in text


def number(value: float | None) -> str:
    """A measure as it is: `1,024`, `0.25`; a dash for none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"


def first_line(text: str) -> str:
    """What stands on the first line of a text that holds something, at most 200 characters of it."""
    line = next((one.strip() for one in text[:4_000].splitlines() if one.strip()), "")
    return line if len(line) <= 200 else f"{line[:199]}…"


def path_of(text: str) -> str:
    """A name as one part of a path; most names need nothing, and a page holds hundreds."""
    return text if _PLAIN.fullmatch(text) else quote(text, safe="", errors="replace")


def quoted(text: str) -> str:
    """A name as one word of a shell, whatever is in it: commands are copied from pages, and names come from workers."""
    return shlex.quote("".join(letter for letter in text if letter.isprintable()))


def query_of(values: Mapping[str, Any]) -> str:
    """Names and values as a query, with its question mark; what is None is left out, and nothing at all is nothing."""
    given = {name: value for name, value in values.items() if value is not None}
    return "?" + urlencode(given, errors="replace") if given else ""


def _utc(moment_ms: int) -> datetime:
    return datetime.fromtimestamp(min(max(moment_ms, 0), _YEAR_MS_MAX) / 1000, UTC)


FILTERS: Final[Mapping[str, Callable[..., str | bool]]] = {
    "span": span,
    "rough_span": rough_span,
    "ago": ago,
    "count": count,
    "percent": percent,
    "rate": rate,
    "iso": iso,
    "utc": utc,
    "clock": clock,
    "is_web_address": is_web_address,
    "number": number,
    "first_line": first_line,
    "path_of": path_of,
    "query_of": query_of,
    "shell": quoted,
}
"""As templates call them."""
