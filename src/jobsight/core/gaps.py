"""Times in which the monitor was blind: it did not run, it was suspended, or its clock was set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

BLIND_MS_MIN: Final = 60_000
"""A shorter gap is none: deadlines have grace times of that size."""

GAPS_KEPT: Final = 64
"""Gaps that are remembered; deadlines that lie before older ones have passed long ago."""


class Gap(Struct, frozen=True, array_like=True):
    """A time in which nothing was heard, ms UTC."""

    from_ms: int
    to_ms: int


def is_unseen(gaps: Sequence[Gap], at_ms: int) -> bool:
    """Whether a moment lies within a gap."""
    return any(gap.from_ms <= at_ms <= gap.to_ms for gap in gaps)


def extended_ms(gaps: Sequence[Gap], since_ms: int, deadline_ms: int) -> int:
    """
    A deadline, later by what of the time since its beginning was not seen.

    Args:
        gaps: In the order of time.
        since_ms: From when on the time ran.
        deadline_ms: When it would be over, had the monitor seen all of it.
    """
    for gap in gaps:
        if gap.to_ms > since_ms and gap.from_ms < deadline_ms:
            deadline_ms += gap.to_ms - max(gap.from_ms, since_ms)
    return deadline_ms
