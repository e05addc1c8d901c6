"""A log in memory, for a node without a data folder: the same interface, and nothing is kept when the process ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final
from zlib import crc32

from jobsight.errors import DataError
from jobsight.logs.base import Entry, Head, Record
from jobsight.logs.chain import first_link, link

MEMORY_BYTES_MAX: Final = 512 * 1024 * 1024
"""Payloads kept; older batches are dropped."""

RECORD_BYTES: Final = 350
"""What a record takes in memory beside its payload, rounded up."""


class MemoryLog:
    """
    A bounded log in memory.

    Payloads stay as they are: compressing them would cost more than the bytes are worth here. Each enters the chain
    by its CRC-32, which is five times as fast as hashing all of it; memory does not rot as a disk does.

    Args:
        log_id: 32 hex digits.
        rules_version: Stands in every record that is appended.
        bytes_max: Bound of what is kept, in bytes; the newest batch is kept even when it alone is larger.
        on_drop: Told once, when the oldest batches are dropped for the first time.
    """

    def __init__(
        self,
        *,
        log_id: str,
        rules_version: int,
        bytes_max: int = MEMORY_BYTES_MAX,
        on_drop: Callable[[], None] | None = None,
    ) -> None:
        self._log_id = log_id
        self._rules_version = rules_version
        self._bytes_max = bytes_max
        self._on_drop = on_drop
        self._records: dict[int, Record] = {}
        self._bytes = 0
        self._base = Head(seq=0, checksum=first_link(log_id))
        self._head = self._base

    @property
    def log_id(self) -> str:
        """The identity of this log; 32 hex digits."""
        return self._log_id

    def append(self, entries: Sequence[Entry]) -> list[Head]:
        """Keep entries, all or none; answers where each one stands."""
        records = []
        head = self._head
        for entry in entries:
            record = self._record_of(entry, head)
            records.append(record)
            head = Head(seq=record.seq, checksum=record.checksum)
        for record in records:
            self._records[record.seq] = record
            self._bytes += len(record.payload) + RECORD_BYTES
        self._head = head
        if self._bytes > self._bytes_max:
            self._drop_oldest()
        return [Head(seq=record.seq, checksum=record.checksum) for record in records]

    def read(self, after_seq: int = 0) -> Iterator[Record]:
        """The records after a place that are still kept, in order, each verified against the chain."""
        seq = after_seq
        while seq < self._head.seq:
            base = self._base
            seq = max(seq, base.seq)
            record = self._records.get(seq + 1)
            before = base.checksum if seq == base.seq else self._checksum_at(seq)
            if record is None or before is None:
                continue  # dropped between two of these lines: go on with the oldest that is kept
            if _link_of(record, before) != record.checksum:
                raise DataError(f"batch {record.seq} in memory differs from its checksum; restart the node")
            yield record
            seq = record.seq

    def record(self, seq: int) -> Record | None:
        """One record; None when it was dropped or is not there yet."""
        return self._records.get(seq) if seq <= self._head.seq else None

    def bounds(self) -> tuple[int, int]:
        """The first and the last sequence number that are kept; (1, 0) for an empty log."""
        return self._base.seq + 1, self._head.seq

    def head(self) -> Head:
        """The end of the log."""
        return self._head

    def close(self) -> None:
        """There is nothing to release."""

    def _record_of(self, entry: Entry, after: Head) -> Record:
        seq = after.seq + 1
        checksum = link(
            after.checksum,
            seq=seq,
            accept_ms=entry.accept_ms,
            kind=entry.kind,
            rules_version=self._rules_version,
            count=entry.count,
            stored=_stored(entry.payload),
        )
        return Record(
            seq=seq,
            accept_ms=entry.accept_ms,
            kind=entry.kind,
            rules_version=self._rules_version,
            count=entry.count,
            payload=entry.payload,
            checksum=checksum,
        )

    def _checksum_at(self, seq: int) -> bytes | None:
        record = self._records.get(seq)
        return record.checksum if record is not None else None

    def _drop_oldest(self) -> None:
        while self._bytes > self._bytes_max and len(self._records) > 1:
            seq = self._base.seq + 1
            dropped = self._records[seq]
            self._base = Head(seq=seq, checksum=dropped.checksum)
            del self._records[seq]
            self._bytes -= len(dropped.payload) + RECORD_BYTES
        if self._on_drop is not None:
            tell, self._on_drop = self._on_drop, None
            tell()


def _link_of(record: Record, before: bytes) -> bytes:
    return link(
        before,
        seq=record.seq,
        accept_ms=record.accept_ms,
        kind=record.kind,
        rules_version=record.rules_version,
        count=record.count,
        stored=_stored(record.payload),
    )


def _stored(payload: bytes) -> bytes:
    """What of a payload enters the chain."""
    return crc32(payload).to_bytes(4, "little")
