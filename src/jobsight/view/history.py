"""
Where a job's events stand in the log: packed places (`seq << 20 | index`) as bytes.

A piece is what one flush adds: the number of places, then for each place the step of `seq` from the one before (the
first from 0) and the index, all as LEB128 (7 bits a byte, the lowest first, the highest bit says that more follows).
Pieces follow each other, so a flush appends without reading. About 3.6 bytes an event.
"""

from __future__ import annotations

from typing import Final

from jobsight.core.limits import HISTORY_REFS_MAX

PIECE_EVENTS: Final = 64
"""Each time a job's count of events passes a multiple of it, what its row holds moves to a row of `history`."""

_INDEX_BITS: Final = 20
_INDEX: Final = (1 << _INDEX_BITS) - 1


def pack(refs: list[int]) -> bytes:
    """One piece with these places, rising; of very many the first and the last `HISTORY_REFS_MAX`."""
    if not refs:
        return b""
    refs = kept(refs)
    packed = bytearray()
    add = packed.append
    count = len(refs)
    while count > 127:
        add(count & 127 | 128)
        count >>= 7
    add(count)
    last = 0
    for ref in refs:
        seq = ref >> _INDEX_BITS
        rest = seq - last
        last = seq
        while rest > 127:
            add(rest & 127 | 128)
            rest >>= 7
        add(rest)
        rest = ref & _INDEX
        while rest > 127:
            add(rest & 127 | 128)
            rest >>= 7
        add(rest)
    return bytes(packed)


def unpack(packed: bytes) -> list[int]:
    """The places in some pieces, in their order."""
    numbers = _numbers(packed)
    refs = []
    position = 0
    while position < len(numbers):
        count = numbers[position]
        seq = 0
        for at in range(position + 1, position + 1 + 2 * count, 2):
            seq += numbers[at]
            refs.append(seq << _INDEX_BITS | numbers[at + 1])
        position += 1 + 2 * count
    return refs


def kept(refs: list[int]) -> list[int]:
    """What a history shows of all places that are still stored: the first and the last `HISTORY_REFS_MAX`."""
    return refs if len(refs) <= HISTORY_REFS_MAX + 1 else [refs[0], *refs[-HISTORY_REFS_MAX:]]


def _numbers(packed: bytes) -> list[int]:
    numbers = []
    number = shift = 0
    for byte in packed:
        number |= (byte & 127) << shift
        if byte & 128:
            shift += 7
        else:
            numbers.append(number)
            number = shift = 0
    return numbers
