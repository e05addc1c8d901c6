"""
A mergeable histogram of durations with a known relative error.

A value in whole microseconds falls into the bucket given by its highest 7 bits: 64 buckets an octave, integer arithmetic
only, so every machine counts alike. A bucket is answered by its middle, which is at most 1/128 (0.79 %) away from any value in it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain
from operator import sub
from typing import Final, NamedTuple

RELATIVE_ERROR_MAX: Final = 1 / 128
_EXACT_BELOW: Final = 128

Histogram = dict[int, int]
"""Bucket number -> count."""


class Ranked(NamedTuple):
    """
    A histogram in order, from which any quantile is a single search: best for one that is asked more often than added to.

    Attributes:
        buckets: The numbers of its buckets, rising; none is empty.
        upto: How many values lie in each bucket and those before it together.
    """

    buckets: Sequence[int]
    upto: Sequence[int]


def ranked(histogram: Mapping[int, int]) -> Ranked:
    """A histogram in order."""
    buckets = sorted(histogram)
    return Ranked(buckets, list(accumulate(map(histogram.__getitem__, buckets))))


def histogram_of(ranks: Ranked) -> Histogram:
    """The histogram that was put in order."""
    return dict(zip(ranks.buckets, map(sub, ranks.upto, chain((0,), ranks.upto)), strict=False))


def bucket_of(duration_us: int) -> int:
    """The bucket of a duration in whole microseconds (0 or more). Buckets grow with the duration."""
    if duration_us < _EXACT_BELOW:
        return duration_us
    shift = duration_us.bit_length() - 7
    return (shift << 6) + (duration_us >> shift)


def middle_us(bucket: int) -> float:
    """The duration in microseconds that stands for every value of a bucket."""
    if bucket < _EXACT_BELOW:
        return float(bucket)
    shift = (bucket >> 6) - 1
    low = (bucket - (shift << 6)) << shift
    return low + ((1 << shift) - 1) / 2


def merge(into: Histogram, other: Mapping[int, int]) -> None:
    """Add the counts of `other` to `into`. Associative and commutative: any order of merging gives the same histogram."""
    if not into:
        into.update(other)
        return
    for bucket, count in other.items():
        into[bucket] = into.get(bucket, 0) + count


def quantiles_ms(histogram: Mapping[int, int], shares: Iterable[float]) -> list[float | None]:
    """
    The durations below which the given shares of all values lie.

    Args:
        histogram: Bucket counts.
        shares: From 0 to 1, rising; 0.5 is the median.

    Returns:
        Milliseconds for each share, within `RELATIVE_ERROR_MAX` of the value of that rank; None for an empty histogram.
    """
    return quantiles_of(ranked(histogram), shares)


def quantiles_of(ranks: Ranked, shares: Iterable[float]) -> list[float | None]:
    """The same as `quantiles_ms`, of a histogram in order."""
    buckets, upto = ranks
    if not buckets:
        return [None for _ in shares]
    last = upto[-1] - 1
    return [middle_us(buckets[bisect_right(upto, share * last)]) / 1000 for share in shares]


def quantiles_of_all(many: Sequence[Ranked], shares: Iterable[float]) -> list[float | None]:
    """The same of a few histograms together, without merging them."""
    some = [ranks for ranks in many if ranks.buckets]
    if len(some) < 2:
        return quantiles_of(some[0] if some else Ranked((), ()), shares)
    last = sum(ranks.upto[-1] for ranks in some) - 1
    highest = max(ranks.buckets[-1] for ranks in some)
    return [middle_us(_bucket_at(some, share * last, highest)) / 1000 for share in shares]


def _bucket_at(many: Sequence[Ranked], rank: float, highest: int) -> int:
    """The lowest bucket up to which there are more values than `rank`; `highest` is one that is not too low."""
    low = 0
    while low < highest:
        middle = (low + highest) // 2
        seen = 0
        for buckets, upto in many:
            place = bisect_right(buckets, middle)
            if place:
                seen += upto[place - 1]
        if seen > rank:
            highest = middle
        else:
            low = middle + 1
    return low
