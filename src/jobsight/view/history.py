"""
Where a job's events stand in the log: packed places (`seq << 20 | index`) as bytes.

A piece is what one flush adds to a job; pieces follow each other, so a flush appends without reading. A piece is: how many
places (LEB128), the lowest `seq` of the flush (LEB128), the bits of an index, the bytes of a place; then the places, each one
`(seq - lowest) << bits | index`, little-endian. The last two numbers are as small as the flush allows, mostly 16 bits and 2 bytes.

All places of a flush are packed at once: as lanes of 64 bits in one long integer, on which Python calculates as fast as C
(0.02 us a place; one by one in a loop it is 0.4 us, a quarter of what a flush costs).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from itertools import chain
from typing import Final

from jobsight.core.limits import HISTORY_REFS_MAX

PIECE_EVENTS: Final = 64
"""Each time a job's count of events passes a multiple of it, what its row holds moves to a row of `history`."""

_INDEX_BITS: Final = 20
_INDEX: Final = (1 << _INDEX_BITS) - 1
_LANE_BYTES: Final = 8
_LANE_BITS: Final = 8 * _LANE_BYTES
_ONE: Final = (1).to_bytes(_LANE_BYTES, "little")


def pack(refs_of_jobs: Sequence[list[int]]) -> list[bytes]:
    """
    One piece for each job.

    Args:
        refs_of_jobs: The places of each job's new events, rising; of very many the first and the last ones are kept.
    """
    flat = list(chain.from_iterable(refs_of_jobs))
    if not flat:
        return [b""] * len(refs_of_jobs)
    lowest = min(flat) >> _INDEX_BITS
    places, index_bits, width = _narrow(flat, lowest)
    head = _leb128(lowest) + bytes((index_bits, width))
    heads: dict[int, bytes] = {}
    pieces = []
    begin = 0
    for refs in refs_of_jobs:
        count = len(refs)
        end = begin + count * width
        if count not in heads:
            heads[count] = _leb128(min(count, HISTORY_REFS_MAX + 1)) + head if count else b""
        if count <= HISTORY_REFS_MAX + 1:
            pieces.append(heads[count] + places[begin:end])
        else:
            pieces.append(heads[count] + places[begin : begin + width] + places[end - HISTORY_REFS_MAX * width : end])
        begin = end
    return pieces


def unpack(packed: bytes) -> list[int]:
    """The places in some pieces, in their order."""
    refs: list[int] = []
    at = 0
    while at < len(packed):
        count, at = _read_leb128(packed, at)
        lowest, at = _read_leb128(packed, at)
        index_bits, width = packed[at : at + 2]
        index = (1 << index_bits) - 1
        at += 2
        for begin in range(at, at + count * width, width):
            place = int.from_bytes(packed[begin : begin + width], "little")
            refs.append(lowest + (place >> index_bits) << _INDEX_BITS | place & index)
        at += count * width
    return refs


def kept(refs: list[int]) -> list[int]:
    """What a history shows of all places that are still stored: the first and the last `HISTORY_REFS_MAX`."""
    return refs if len(refs) <= HISTORY_REFS_MAX + 1 else [refs[0], *refs[-HISTORY_REFS_MAX:]]


def _narrow(flat: list[int], lowest: int) -> tuple[bytes, int, int]:
    """All places in as few bytes each as hold them; with the bits of an index and the bytes of a place."""
    lanes = array("Q", flat)
    if sys.byteorder == "big":
        lanes.byteswap()
    ones = int.from_bytes(_ONE * len(flat), "little")
    whole = int.from_bytes(lanes.tobytes(), "little") - ones * (lowest << _INDEX_BITS)
    indexes = whole & ones * _INDEX
    index_bits = _bits(indexes, len(flat))
    narrow = whole - indexes >> _INDEX_BITS - index_bits | indexes
    width = max(1, (_bits(narrow, len(flat)) + 7) // 8)
    wide = narrow.to_bytes(_LANE_BYTES * len(flat), "little")
    places = bytearray(width * len(flat))
    for byte in range(width):
        places[byte::width] = wide[byte::_LANE_BYTES]
    return bytes(places), index_bits, width


def _bits(lanes: int, count: int) -> int:
    """The bits that the largest of `count` lanes needs: the lanes are laid over each other, half on half, until one is left."""
    while count > 1:
        half = (count + 1) // 2
        lanes = lanes >> half * _LANE_BITS | lanes & (1 << half * _LANE_BITS) - 1
        count = half
    return lanes.bit_length()


def _leb128(number: int) -> bytes:
    packed = bytearray()
    while number > 127:
        packed.append(number & 127 | 128)
        number >>= 7
    packed.append(number)
    return bytes(packed)


def _read_leb128(packed: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while packed[at] & 128:
        number |= (packed[at] & 127) << shift
        shift += 7
        at += 1
    return number | packed[at] << shift, at + 1
