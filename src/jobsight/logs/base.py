"""The Log interface. A log is a durable, ordered, append-only sequence of batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Protocol

from msgspec import Struct


class BatchKind(IntEnum):
    """What a batch holds."""

    REPORTS = 0
    INTERNAL = 1


class Entry(Struct, frozen=True, kw_only=True, gc=False):
    """
    A batch on its way into the log.

    Attributes:
        accept_ms: When it was accepted, ms since the epoch, UTC.
        kind: Reports of workers, or events of the monitor itself.
        count: Events in it.
        payload: Their lines as accepted, each closed by a newline, uncompressed.
    """

    accept_ms: int
    kind: BatchKind
    count: int
    payload: bytes


class Record(Struct, frozen=True, kw_only=True, gc=False):
    """
    A batch as it stands in the log.

    Attributes:
        seq: Its place, from 1, without gaps.
        accept_ms, kind, count: As in `Entry`.
        rules_version: The version of the rules of `apply` under which it was accepted.
        payload: The lines as accepted, uncompressed.
        checksum: blake2b-128 over the previous checksum, the header and the payload as it is stored.
    """

    seq: int
    accept_ms: int
    kind: BatchKind
    rules_version: int
    count: int
    payload: bytes
    checksum: bytes


class Head(Struct, frozen=True, kw_only=True):
    """The end of a log: its last sequence number (0 when it is empty) and the checksum there."""

    seq: int
    checksum: bytes


class LogReader(Protocol):
    """The reading side of a log. Every call may come from another thread than the one that appends."""

    @property
    def log_id(self) -> str:
        """The identity of this log, made when it was created; 32 hex digits."""
        ...

    def read(self, after_seq: int = 0) -> Iterator[Record]:
        """
        The records after a place, in order, each verified against the chain, up to the end as it is when it is reached.

        Raises:
            DataError: What comes next is damaged; all before it was sound.
        """
        ...

    def record(self, seq: int) -> Record | None:
        """One record; None when it is not there (trimmed, or not yet written)."""
        ...

    def bounds(self) -> tuple[int, int]:
        """The first and the last sequence number; (1, 0) for an empty log."""
        ...

    def head(self) -> Head:
        """The end of the log."""
        ...

    def close(self) -> None:
        """Release the files; a second call does nothing."""
        ...


class Log(LogReader, Protocol):
    """
    What a log must do. One process appends; `testing` holds the conformance suite that every log passes.

    Errors: `StorageFullError` when nothing of the call was stored for want of room, `StorageError` when the outcome
    is unknown (the log then takes nothing more), `DataError` when what was read is damaged.
    """

    def append(self, entries: Sequence[Entry]) -> list[Head]:
        """Store entries, all or none, in one transaction; durable when it returns. Answers where each one stands."""
        ...
