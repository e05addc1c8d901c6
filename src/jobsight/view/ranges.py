"""Which stored buckets cover a range of time: the coarse ones inside, finer ones at the edges."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from msgspec import Struct

from jobsight.core.rollup import WIDTHS_S, bucket_start_ms

END_MS: Final = 1 << 62
"""No end: later than every bucket."""


class Stretch(Struct, frozen=True, kw_only=True, gc=False):
    """Buckets of one width that start at or after `since_ms` and before `until_ms`, ms UTC."""

    width_s: int
    since_ms: int
    until_ms: int


def stretches(since_ms: int, until_ms: int | None) -> list[Stretch]:
    """
    The stretches that cover a range exactly once, with as few buckets as there can be.

    Args:
        since_ms, until_ms: Rounded down to the finest bucket; None for no end.
    """
    finest_s = WIDTHS_S[0]
    low = bucket_start_ms(since_ms, finest_s)
    high = END_MS if until_ms is None else bucket_start_ms(until_ms, finest_s)
    found: list[Stretch] = []
    after: list[Stretch] = []
    for width_s, coarser_s in pairwise(WIDTHS_S):
        start = round_up_ms(low, coarser_s)
        stop = high if high == END_MS else bucket_start_ms(high, coarser_s)
        if start >= stop:
            return [*found, *_stretch(width_s, low, high), *reversed(after)]
        found += _stretch(width_s, low, start)
        after += _stretch(width_s, stop, high)
        low, high = start, stop
    return [*found, *_stretch(WIDTHS_S[-1], low, high), *reversed(after)]


def _stretch(width_s: int, since_ms: int, until_ms: int) -> list[Stretch]:
    return [Stretch(width_s=width_s, since_ms=since_ms, until_ms=until_ms)] if since_ms < until_ms else []


def round_up_ms(at_ms: int, width_s: int) -> int:
    """The start of the first bucket that begins at a moment or after it."""
    return -bucket_start_ms(-at_ms, width_s)
