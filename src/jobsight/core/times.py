"""A worker's own time, read without a clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from jobsight.core.limits import AHEAD_MS_MAX, EPOCH_MS_MIN

# Python alone reads more than RFC 3339 has, and something else than was meant: any character in the place of the T, or
# an hour that is missing.
_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


def epoch_ms(at: float | str) -> int:
    """
    A report's `at` as milliseconds since the epoch, UTC.

    Args:
        at: Milliseconds since the epoch, or RFC 3339 text with a zone.

    Raises:
        ValueError: The text is no RFC 3339 time with a zone, or lies before 1973.
    """
    if isinstance(at, str):
        if _RFC_3339.fullmatch(at) is None:
            raise ValueError("expected RFC 3339 text with a zone")
        moment = datetime.fromisoformat(at.upper())
        at = (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000
        if at < EPOCH_MS_MIN:
            raise ValueError("expected a time after March 1973")
    return round(at)


def happened_ms(at: float | str | None, accept_ms: int) -> int:
    """When a reported fact happened, ms UTC: the report's own time (clamped when it lies far ahead), else its acceptance."""
    if at is None:
        return accept_ms
    own_ms = epoch_ms(at)
    return accept_ms if own_ms > accept_ms + AHEAD_MS_MAX else own_ms
