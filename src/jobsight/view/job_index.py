"""
From the name that a worker gave its job to the number of the job's row, at a cost that does not grow with the table.

An index over random names touches a random page a row, and gets slower as it grows. This one only ever adds:

- Jobs are numbered in the order in which they come. 32,768 numbers in a row are a segment, 32 segments a generation.
- The names of the last, open segment are in memory. When it is full, the hashes of its names are stored: one row for each
  of 1,024 partitions (by ten bits of the hash) with a tag (32 other bits) and the offset in the segment for each name.
  The rows of one partition of one generation stand side by side, so that one look finds all of them.
- Most names that are looked up were never seen. A filter for each generation knows that: 2 MB, one word and four bits in it a name.
  A name that passes it by chance (about 1 in 250) costs a look, nothing else: a match counts only where the row has the name.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final, cast

import apsw
from msgspec.json import Encoder

from jobsight.core.job import Job
from jobsight.view.packed_ids import packed_id

SEGMENT_BITS: Final = 15
"""A segment holds the numbers that are equal above so many bits."""

GENERATION_BITS: Final = 20
"""A generation holds the numbers that are equal above so many bits."""

FILTER_SEGMENTS: Final = 4
"""The filter of the open generation is stored each time so many segments are full; a start reads the hashes of the others."""

ASKED_MAX: Final = 65_536
"""Names that were looked up and are remembered with their hash until they are stored."""

_PARTITION_BITS: Final = 10
_PARTITIONS: Final = 1 << _PARTITION_BITS
_SEGMENTS_BITS: Final = GENERATION_BITS - SEGMENT_BITS
_OFFSET: Final = (1 << SEGMENT_BITS) - 1
_SEGMENTS: Final = 1 << _SEGMENTS_BITS
_FILTER_WORDS: Final = 1 << 18
_TAG_BYTES: Final = 4
_ENTRY_BYTES: Final = 6

_TWO_BITS: Final = [1 << (twelve & 63) | 1 << (twelve >> 6) for twelve in range(4096)]

# What is stored of a closed segment: one row a partition.
INSERT_HASHES: Final = "INSERT INTO job_hashes (id, entries) VALUES (?, ?)"

# The rows of one partition of a generation, or of all of them: (from, until).
SELECT_HASHES: Final = "SELECT id, entries FROM job_hashes WHERE id >= ? AND id < ?"

# A generation's filter as it is now: (generation, segments that it knows, words).
REPLACE_FILTER: Final = "INSERT OR REPLACE INTO job_filters (generation, segments, words) VALUES (?, ?, ?)"

# All filters.
SELECT_FILTERS: Final = "SELECT generation, segments, words FROM job_filters ORDER BY generation"

# The names of the open segment: (its first number, the last one that was taken in).
SELECT_OPEN: Final = "SELECT job_id, number FROM jobs WHERE number >= ? AND number <= ? ORDER BY number"

# Some names in the open segment, compared as they are packed, from the latest on until all are found: (its first number, names
# as JSON, both parts of those that have a UUID as JSON, count of names).
SELECT_IN_OPEN: Final = """
SELECT number, job_id FROM jobs WHERE number >= ?1 AND (
    id_uuid IS NULL AND id_start IN (SELECT value FROM json_each(?2))
    OR (id_start, id_uuid) IN (SELECT value ->> 0, unhex(value ->> 1) FROM json_each(?3))
) ORDER BY number DESC LIMIT ?4
"""

# Jobs ever seen.
SELECT_JOBS_TOTAL: Final = "SELECT jobs_total FROM applied"


_json: Final = Encoder().encode


def hash_of(job_id: str) -> int:
    """64 bits that stand for a name."""
    return int.from_bytes(blake2b(job_id.encode(), digest_size=8).digest(), "big")


class StoredHashes:
    """The closed segments, as any connection reads them."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def candidates(self, job_ids: Sequence[str]) -> list[int]:
        """
        The numbers of rows in which these jobs may stand; the caller compares the `job_id` found there.

        Args:
            job_ids: Without repetitions. All of them cost one walk through the open segment, and a look for each that is not in it.
        """
        total = cast("int", self._connection.execute(SELECT_JOBS_TOTAL).get)
        generations = range((total >> GENERATION_BITS) + 1)
        first_open = total >> SEGMENT_BITS << SEGMENT_BITS
        packed = [(start, uuid.hex()) for start, uuid in map(packed_id, job_ids) if uuid is not None]
        bindings = (first_open, _json(job_ids).decode(), _json(packed).decode(), len(job_ids))
        opened = {job_id: number for number, job_id in self._connection.execute(SELECT_IN_OPEN, bindings)}
        found: list[int] = []
        for job_id in job_ids:
            number = cast("int | None", opened.get(job_id))
            if number is None:
                found += [number for one in reversed(generations) for number in self.look(one, hash_of(job_id))]
            else:
                found.append(number)
        return found

    def look(self, generation: int, name_hash: int) -> list[int]:
        """The numbers in one generation under which a name with this hash may stand."""
        tag = (name_hash >> 32).to_bytes(_TAG_BYTES, "big")
        partition = name_hash & (_PARTITIONS - 1)
        begin = (generation << _PARTITION_BITS | partition) << _SEGMENTS_BITS
        found = []
        for row_id, entries in cast(
            "Iterable[tuple[int, bytes]]", self._connection.execute(SELECT_HASHES, (begin, begin + _SEGMENTS))
        ):
            tags_end = len(entries) // _ENTRY_BYTES * _TAG_BYTES
            at = entries.find(tag, 0, tags_end)
            while at >= 0:
                if at % _TAG_BYTES == 0:
                    offset_at = tags_end + at // 2
                    offset = int.from_bytes(entries[offset_at : offset_at + 2], "big")
                    segment = generation << _SEGMENTS_BITS | row_id & (_SEGMENTS - 1)
                    found.append(segment << SEGMENT_BITS | offset)
                at = entries.find(tag, at + 1, tags_end)
        return found


class JobIndex:
    """The writer's side: the open segment and the filters in memory, the closed segments in the file."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._stored = StoredHashes(connection)
        self._total = 0
        self._open: dict[str, int] = {}
        self._tags: list[bytearray] = []
        self._offsets: list[bytearray] = []
        self._filters: list[array[int]] = []
        self._asked: dict[str, tuple[int, int, int]] = {}
        self._is_loaded = False

    def candidates(self, job_ids: Iterable[str]) -> list[int]:
        """The numbers of rows in which these jobs may stand; the caller compares the `job_id` found there."""
        self._load()
        if len(self._asked) > ASKED_MAX:
            self._asked.clear()
        found: list[int] = []
        for job_id in job_ids:
            number = self._open.get(job_id)
            if number is not None:
                found.append(number)
                continue
            name_hash, word, bits = self._asked[job_id] = _hashed(job_id)
            for generation, words in enumerate(self._filters):
                if words[word] & bits == bits:
                    found += self._stored.look(generation, name_hash)
        return list(dict.fromkeys(found))

    def write(self, jobs: Sequence[Job]) -> None:
        """
        Take new jobs in, inside the transaction that stores their rows.

        Args:
            jobs: In the order of their numbers, the first one following the last one that was stored.
        """
        self._load()
        asked, opened, tags, offsets = self._asked, self._open, self._tags, self._offsets
        for job in jobs:
            number = job.number
            if number >> SEGMENT_BITS != self._total >> SEGMENT_BITS:
                self._close_segment(self._total >> SEGMENT_BITS)
                self._make_filter(number >> GENERATION_BITS)
            name_hash, word, bits = asked.get(job.job_id) or _hashed(job.job_id)
            opened[job.job_id] = self._total = number
            partition = name_hash & (_PARTITIONS - 1)
            tags[partition] += (name_hash >> 32).to_bytes(_TAG_BYTES, "big")
            offsets[partition] += (number & _OFFSET).to_bytes(2, "big")
            self._filters[-1][word] |= bits
        asked.clear()

    def forget(self) -> None:
        """The transaction was rolled back, or the names that were asked for will not come: begin with what is stored."""
        self._is_loaded = False

    def _load(self) -> None:
        if self._is_loaded:
            return
        self._total = cast("int", self._connection.execute(SELECT_JOBS_TOTAL).get)
        self._asked.clear()
        self._filters.clear()
        self._make_filter(self._total >> GENERATION_BITS)
        known = [0] * len(self._filters)
        rows = cast("Iterable[tuple[int, int, bytes]]", self._connection.execute(SELECT_FILTERS))
        for generation, segments, words in rows:
            known[generation] = segments
            self._filters[generation] = _words_of(words)
        for generation, segments in enumerate(known):
            if segments < min(_SEGMENTS, (self._total >> SEGMENT_BITS) - (generation << _SEGMENTS_BITS)):
                self._add_stored(generation, segments)
        first = self._total >> SEGMENT_BITS << SEGMENT_BITS
        names = list(cast("Iterable[tuple[str, int]]", self._connection.execute(SELECT_OPEN, (first, self._total))))
        self._open = dict(names)
        self._tags[:] = [bytearray() for _ in range(_PARTITIONS)]
        self._offsets[:] = [bytearray() for _ in range(_PARTITIONS)]
        for job_id, number in names:
            name_hash, word, bits = _hashed(job_id)
            self._tags[name_hash & (_PARTITIONS - 1)] += (name_hash >> 32).to_bytes(_TAG_BYTES, "big")
            self._offsets[name_hash & (_PARTITIONS - 1)] += (number & _OFFSET).to_bytes(2, "big")
            self._filters[-1][word] |= bits
        self._is_loaded = True

    def _make_filter(self, generation: int) -> None:
        while len(self._filters) <= generation:
            self._filters.append(array("Q", (0,)) * _FILTER_WORDS)

    def _add_stored(self, generation: int, from_segment: int) -> None:
        """Add to a generation's filter what is stored of its segments, but not known to the stored filter."""
        words = self._filters[generation]
        begin = generation << _PARTITION_BITS + _SEGMENTS_BITS
        rows = self._connection.execute(SELECT_HASHES, (begin, begin + (_PARTITIONS << _SEGMENTS_BITS)))
        for row_id, entries in cast("Iterable[tuple[int, bytes]]", rows):
            if row_id & (_SEGMENTS - 1) < from_segment:
                continue
            partition = row_id >> _SEGMENTS_BITS & (_PARTITIONS - 1)
            for at in range(0, len(entries) // _ENTRY_BYTES * _TAG_BYTES, _TAG_BYTES):
                tag = int.from_bytes(entries[at : at + _TAG_BYTES], "big")
                word, bits = _place(tag << 32 | partition)
                words[word] |= bits

    def _close_segment(self, segment: int) -> None:
        """Store the hashes of the open segment, which is full, and begin a new one."""
        generation, place = segment >> _SEGMENTS_BITS, segment & (_SEGMENTS - 1)
        begin = generation << _PARTITION_BITS + _SEGMENTS_BITS | place
        self._connection.executemany(
            INSERT_HASHES,
            [
                (begin + (partition << _SEGMENTS_BITS), bytes(tags + offsets))
                for partition, (tags, offsets) in enumerate(zip(self._tags, self._offsets, strict=True))
                if tags
            ],
        )
        self._open.clear()
        for entries in (*self._tags, *self._offsets):
            entries.clear()
        if (place + 1) % FILTER_SEGMENTS == 0:
            words = _bytes_of(self._filters[generation])
            self._connection.execute(REPLACE_FILTER, (generation, place + 1, words))


def _hashed(job_id: str) -> tuple[int, int, int]:
    """The hash of a name, the word of a filter that stands for it, and the four bits in that word."""
    name_hash = hash_of(job_id)
    return name_hash, *_place(name_hash)


def _place(name_hash: int) -> tuple[int, int]:
    """The word and the bits of a hash. They depend only on bits that are stored: partition and tag."""
    tag = name_hash >> 32
    return (name_hash & (_PARTITIONS - 1)) << 8 | tag & 255, _TWO_BITS[tag >> 8 & 4095] | _TWO_BITS[tag >> 20]


def _bytes_of(words: array[int]) -> bytes:
    """The words of a filter in little-endian order."""
    if sys.byteorder == "big":
        words = words[:]
        words.byteswap()
    return words.tobytes()


def _words_of(stored: bytes) -> array[int]:
    words = array("Q", stored)
    if sys.byteorder == "big":
        words.byteswap()
    return words
