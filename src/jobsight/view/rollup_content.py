"""
What stands in a stored roll-up, as msgpack.

The durations stand there in one of two ways. As a map of bucket to count: how a bucket that still fills is written, many times
a minute. Or in order, as bytes: how one that is over is written, once, so that its percentiles cost a search and no sorting.
"""

from __future__ import annotations

import sys
from array import array
from typing import Final

import msgspec
from msgspec import Struct

from jobsight.core.histogram import Histogram, Ranked, histogram_of, ranked
from jobsight.core.rollup import MeasureSum, Rollup


class RankedRollup(Struct, frozen=True, kw_only=True, gc=False):
    """What points of a series are made from. Attributes as those of a `Rollup`, the durations in order."""

    ends: dict[str, int]
    duration_count: int
    duration_sum_us: int
    durations: Ranked


class _Content(Struct, array_like=True, gc=False):
    """A roll-up as it is stored; the sum is decimal text since it may pass 64 bits."""

    ends: dict[str, int]
    duration_count: int
    duration_sum_us: str
    duration_max_us: int
    durations: Histogram | bytes  # bytes: see `_packed`
    measures: dict[str, tuple[int, float, float]]  # count, sum, maximum


class _Ends(Struct, array_like=True, gc=False):
    """The beginning of a stored roll-up."""

    ends: dict[str, int]


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Content).decode
_decode_ends: Final = msgspec.msgpack.Decoder(_Ends).decode


def encode_rollup(rollup: Rollup) -> bytes:
    """A roll-up as the bytes that are stored while it fills."""
    return _encoded(rollup, rollup.durations)


def encode_ranked(rollup: Rollup) -> bytes:
    """A roll-up as the bytes that are stored once it is over. Without any duration they are the same."""
    return _encoded(rollup, _packed(ranked(rollup.durations)) if rollup.durations else {})


def decode_rollup(content: bytes) -> Rollup:
    """The roll-up of stored bytes."""
    stored = _decode(content)
    durations = stored.durations
    return Rollup(
        ends=stored.ends,
        duration_count=stored.duration_count,
        duration_sum_us=int(stored.duration_sum_us),
        duration_max_us=stored.duration_max_us,
        durations=histogram_of(_unpacked(durations)) if isinstance(durations, bytes) else durations,
        measures={name: MeasureSum(*sums) for name, sums in stored.measures.items()},
    )


def decode_ranked(content: bytes) -> RankedRollup:
    """The roll-up of stored bytes with its durations in order, for whoever asks for percentiles and adds nothing."""
    stored = _decode(content)
    durations = stored.durations
    return RankedRollup(
        ends=stored.ends,
        duration_count=stored.duration_count,
        duration_sum_us=int(stored.duration_sum_us),
        durations=_unpacked(durations) if isinstance(durations, bytes) else ranked(durations),
    )


def decode_ends(content: bytes) -> dict[str, int]:
    """Status -> number of ends, of stored bytes; the rest is passed over."""
    return _decode_ends(content).ends


def ranked_of(rollup: Rollup) -> RankedRollup:
    """The same for a roll-up in memory."""
    return RankedRollup(
        ends=rollup.ends,
        duration_count=rollup.duration_count,
        duration_sum_us=rollup.duration_sum_us,
        durations=ranked(rollup.durations),
    )


def _encoded(rollup: Rollup, durations: Histogram | bytes) -> bytes:
    return _encode(
        _Content(
            rollup.ends,
            rollup.duration_count,
            str(rollup.duration_sum_us),
            rollup.duration_max_us,
            durations,
            {name: (one.count, one.sum, one.max) for name, one in rollup.measures.items()},
        )
    )


def _packed(ranks: Ranked) -> bytes:
    """
    One byte for the size of a count (2, 4 or 8 bytes), all buckets (2 bytes each), then all counts; little-endian.

    The bucket of the longest duration that 64 bits can hold is 3,776.
    """
    code = next(code for code, end in _COUNTS if ranks.upto[-1] < end)
    counts = array(code, ranks.upto)
    return bytes((counts.itemsize,)) + _little(array("H", ranks.buckets)).tobytes() + _little(counts).tobytes()


def _unpacked(packed: bytes) -> Ranked:
    size = packed[0]
    middle = 1 + (len(packed) - 1) // (2 + size) * 2
    counts = array(_CODES[size], packed[middle:])
    return Ranked(_little(array("H", packed[1:middle])), _little(counts))


def _little(numbers: array[int]) -> array[int]:
    """Numbers in this machine's order, in the order in which they are stored, and back; changes them in their place."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


_COUNTS: Final = (("H", 1 << 16), ("I", 1 << 32), ("Q", 1 << 64))
"""What `array` calls a number of a size, and what no longer fits into it."""

_CODES: Final = {2: "H", 4: "I", 8: "Q"}
