"""Lengths of time as people write them: `90s`, `15m`, `1h30m`, `2d`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

SPAN_FORMS: Final = "like 90s, 15m, 1h30m or 2d"

_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_PART: Final = re.compile(r"(\d{1,9})\s*(ms|[smhdw])")
_CHARACTERS_MAX: Final = 40


def span_ms(text: str) -> int | None:
    """A length of time in milliseconds; None for a text that is none."""
    rest = text.strip().lower()
    if not rest or len(rest) > _CHARACTERS_MAX:
        return None
    total_ms = at = 0
    while at < len(rest):
        part = _PART.match(rest, at)
        if part is None:
            return None
        total_ms += int(part[1]) * _UNITS_MS[part[2]]
        at = part.end()
        while at < len(rest) and rest[at] == " ":
            at += 1
    return total_ms


def span_text(length_ms: int) -> str:
    """A length of time in at most two units, for people: `1h 30m`, `41m`, `12s`."""
    seconds = abs(length_ms) // 1000
    if seconds == 0:
        return f"{abs(length_ms)}ms" if length_ms else "0s"
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
        elif parts:
            break
    return " ".join(parts[:2])


def moment_text(at_ms: int) -> str:
    """A moment (ms UTC) for people: `2026-11-26 10:00Z`; with its seconds, where it has any."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return at.strftime("%Y-%m-%d %H:%M:%SZ" if at.second else "%Y-%m-%d %H:%MZ")


def span_written(length_ms: int) -> str:
    """A length of time exactly, as `span_ms` reads it: `1h30m`, `90s500ms`."""
    parts, rest = [], abs(length_ms)
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, _UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
