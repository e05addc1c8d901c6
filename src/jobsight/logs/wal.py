"""
Damage in a write-ahead file, which SQLite itself takes for the end of it.

At the first frame whose checksum differs, SQLite stops without a word: after a power cut that is the torn end of a
transaction that was never answered. But transactions are synced one after the other, so where a sound end of another
one follows the end of the bad transaction, the bad one was on the disk once, and answered. Sound frames without an end
say nothing: a transaction that found no room, and was taken back, leaves them. File format: sqlite.org/walformat.html.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from msgspec import Struct

_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
_MAGIC: Final = 0x377F0682
_BIG_ENDIAN: Final = 1
_MASK: Final = 0xFFFFFFFF

Sums = tuple[int, int]


class Frame(Struct, frozen=True, kw_only=True):
    """
    One frame: a page as a transaction left it.

    Attributes:
        is_commit: Whether it ends a transaction.
        salts: Equal in all frames of one generation of the file.
        sums: Its stored checksum, which goes on from the one of the frame before.
        summed: The bytes that its checksum covers.
    """

    is_commit: bool
    salts: Sums
    sums: Sums
    summed: bytes


def hides_transactions(file: BinaryIO, *, frames_read: int, page_bytes: int) -> bool:
    """
    Whether a write-ahead file holds finished transactions that SQLite does not see.

    Args:
        file: The file, open for reading; nobody writes to it.
        frames_read: How many of its frames SQLite accepted.
        page_bytes: The page size of the database.
    """
    header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        return False
    magic, _, _, _, salt_1, salt_2, *sums = struct.unpack(">8I", header)
    order = ">" if magic & _BIG_ENDIAN else "<"
    if magic & ~_BIG_ENDIAN != _MAGIC or checksum(order, (0, 0), header[:24]) != tuple(sums):
        # The header is synced before the first frame is written.
        return any(frame.is_commit for frame in frames(file, 0, page_bytes))
    end: Frame | None = None
    before: Frame | None = None
    for frame in frames(file, frames_read, page_bytes):
        is_ours = frame.salts == (salt_1, salt_2)
        # The same content once more is padding, which belongs to the transaction that it ends.
        is_next = end is not None and is_ours and frame.is_commit and frame.summed != end.summed
        if is_next and before is not None and checksum(order, before.sums, frame.summed) == frame.sums:
            return True
        if is_ours and frame.is_commit and end is None:
            end = frame
        before = frame
    return False


def checksum(order: str, seed: Sums, data: bytes) -> Sums:
    """SQLite's checksum over a multiple of 8 bytes, going on from a seed; `order` of the bytes is `<` or `>`."""
    first, second = seed
    for left, right in struct.iter_unpack(f"{order}II", data):
        first = (first + left + second) & _MASK
        second = (second + right + first) & _MASK
    return first, second


def frames(file: BinaryIO, skip: int, page_bytes: int) -> Iterator[Frame]:
    """The whole frames of a write-ahead file after the first `skip`."""
    size = _FRAME_HEADER_BYTES + page_bytes
    file.seek(_HEADER_BYTES + skip * size)
    while len(raw := file.read(size)) == size:
        _, commit, *numbers = struct.unpack(">6I", raw[:_FRAME_HEADER_BYTES])
        yield Frame(
            is_commit=commit != 0,
            salts=(numbers[0], numbers[1]),
            sums=(numbers[2], numbers[3]),
            summed=raw[:8] + raw[_FRAME_HEADER_BYTES:],
        )
