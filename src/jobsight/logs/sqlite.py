"""The log on disk: one SQLite file, one compressed batch a row, durable when `append` returns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final, cast

import apsw
import zstandard

from jobsight.errors import DataError, InUseError, JobsightError, NoPermissionError, StorageError, StorageFullError
from jobsight.logs.base import Entry, Head, Record
from jobsight.logs.chain import first_link, link
from jobsight.logs.files import PRIVATE_FILE
from jobsight.logs.sqlite_errors import in_our_words
from jobsight.logs.sqlite_reader import APPLICATION_ID, BUSY_MS, FORMAT, Meta, Row, SqliteReader, meta_checksum
from jobsight.logs.system_errors import system_in_our_words
from jobsight.logs.verdict import Verdict

PAGE_BYTES: Final = 8192
CHECKPOINT_PAGES: Final = 500
"""
Pages in the write-ahead file (4 MB) after which an append moves them into the log itself.

Measured with pages of 4 to 16 KB and 2 to 16 MB: fewer stall more often, more stall longer (bench).
"""

WAL_BYTES_KEPT: Final = 64 * 1024 * 1024
"""What a write-ahead file that grew under a long reader is cut back to."""

TRIM_ROWS: Final = 16
"""Batches that one step of trimming deletes: an append waits for a step at most."""

VACUUM_PAGES: Final = 64
"""Free pages that a step gives back to the file system (8 KB each)."""

FREE_PAGES_KEPT: Final = 1_024
"""Free pages that stay in the file (8 MB) for what is appended next."""

COMPRESSION_LEVEL: Final = 2
"""Of small batches."""

LARGE_BYTES: Final = 256 * 1024
"""A payload from which on a batch is large: its jobs come again beyond the window that a level has by default."""

LARGE_BATCHES: Final = zstandard.ZstdCompressionParameters.from_level(1, window_log=21, hash_log=17)
"""For large batches a window of 2 MB pays more than a higher level: it stores a sixth less than level 1, in the same time."""

# Only in this order: page size and auto_vacuum are settled by the first table, and the format is set last.
_CREATE: Final = f"""
    PRAGMA page_size = {PAGE_BYTES};
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    BEGIN IMMEDIATE;
    CREATE TABLE meta(
        log_id TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        base_seq INTEGER NOT NULL,
        base_checksum BLOB NOT NULL,
        checksum BLOB NOT NULL
    ) STRICT;
    CREATE TABLE batches(
        seq INTEGER PRIMARY KEY,
        accept_ms INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        rules_version INTEGER NOT NULL,
        count INTEGER NOT NULL,
        payload BLOB NOT NULL,
        checksum BLOB NOT NULL
    ) STRICT;
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {FORMAT};
"""
_INSERT_META: Final = "INSERT INTO meta VALUES (?, ?, ?, ?, ?)"
_SELECT_CHECKSUM: Final = "SELECT checksum FROM batches WHERE seq = ?"
_UPDATE_BASE: Final = "UPDATE meta SET base_seq = ?, base_checksum = ?, checksum = ?"
_DELETE_BATCHES: Final = "DELETE FROM batches WHERE seq <= ?"
_VACUUM: Final = f"PRAGMA incremental_vacuum({VACUUM_PAGES})"
INSERT_BATCH: Final = "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?)"


class SqliteLog:
    """
    A log file, opened for appending by the one process that holds its folder.

    `append` and `close` are for one thread at a time; everything else may be called from any thread, `trim` as well.

    Args:
        path: The file; `create` makes one.
        rules_version: Stands in every record that is appended.
        expected_log_id: Refuse another log than this one.
        verify_after_seq: Verify the batches after this place now; the head is verified in any case.
        checkpoint_pages: After how many pages in the write-ahead file an append empties it.

    Raises:
        DataError: There is no log, it is another one, it is damaged, or a newer version has written it.
        NoPermissionError, StorageError, InUseError: As their names say. Nothing was written in any of these cases.
    """

    def __init__(
        self,
        path: Path,
        *,
        rules_version: int,
        expected_log_id: str | None = None,
        verify_after_seq: int = 0,
        checkpoint_pages: int = CHECKPOINT_PAGES,
    ) -> None:
        self._path = path
        self._rules_version = rules_version
        self._compress = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress
        self._compress_large = zstandard.ZstdCompressor(compression_params=LARGE_BATCHES).compress
        self._checkpoint_pages = checkpoint_pages
        self._wal_pages = 0
        self._is_unsure = False
        self._writing = Lock()
        self._reader = SqliteReader(path)
        try:
            if expected_log_id not in {None, self._reader.log_id}:
                raise DataError(
                    f"{path}: expected log {expected_log_id}, found log {self._reader.log_id}; "
                    "put the right file there; --init-new starts over"
                )
            self._head = self._reader.verify_tail(verify_after_seq)
            with in_our_words(path, "it was opened for appending"):
                self._connection = self._connect()
        except BaseException:
            self._reader.close()
            raise

    @classmethod
    def create(cls, path: Path, *, log_id: str, created_ms: int, base: Head | None = None) -> None:
        """
        Make an empty log, readable by its owner only.

        Args:
            path: Where there is no file yet, or an empty one.
            log_id: 32 hex digits.
            created_ms: ms since the epoch, UTC.
            base: What its first batch will follow, when that is not the first of all.

        Raises:
            CannotCreateError, NoPermissionError, StorageFullError, StorageError: As their names say.
        """
        with system_in_our_words(path, "it was created"):
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, PRIVATE_FILE))
        if base is None:
            base = Head(seq=0, checksum=first_link(log_id))
        with in_our_words(path, "it was created"):
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
            try:
                connection.execute(_CREATE).fetchall()  # to the end: it stops at the first answer otherwise
                checksum = meta_checksum(log_id, created_ms, base)
                connection.execute(_INSERT_META, (log_id, created_ms, base.seq, base.checksum, checksum))
                connection.execute("COMMIT")
            finally:
                connection.close()

    @staticmethod
    def open_reader(path: Path) -> SqliteReader:
        """The log for reading only, also while another process appends to it; the errors are those of `SqliteReader`."""
        return SqliteReader(path)

    @property
    def log_id(self) -> str:
        """The identity of this log; 32 hex digits."""
        return self._reader.log_id

    def append(self, entries: Sequence[Entry]) -> list[Head]:
        """
        Store entries, all or none, in one transaction; durable when it returns.

        Returns:
            Where each one stands.

        Raises:
            StorageFullError: There is no room; nothing was stored; a later call may succeed.
            StorageError: Whether they are stored is unknown until the log is opened again; it takes nothing more.
        """
        if self._is_unsure:
            raise StorageError(f"{self._path}: an earlier write failed, so nothing more is taken; restart the node")
        if not entries:
            return []
        rows = self._rows_of(entries)
        with self._writing:
            self._insert(rows)
            heads = [Head(seq=row[0], checksum=row[6]) for row in rows]
            self._head = heads[-1]
            if self._wal_pages >= self._checkpoint_pages:
                self._checkpoint()
        return heads

    def trim(self, upto_seq: int, rows_max: int = TRIM_ROWS) -> int:
        """
        Delete the oldest batches, a few of them, durably; what is left begins behind them. The head always stays.

        Args:
            upto_seq: The last one that may go. Only what a verified checkpoint of the view holds may go.
            rows_max: At most so many of them.

        Returns:
            How many were deleted; call it again until there are none.

        Raises:
            StorageFullError: There is no room; nothing was deleted.
            StorageError: What is stored is unknown until the log is opened again; it takes nothing more.
        """
        with self._writing:
            if self._is_unsure:
                raise StorageError(f"{self._path}: an earlier write failed, so nothing is deleted; restart the node")
            meta = self._reader.meta
            last = min(upto_seq, self._head.seq - 1, meta.base.seq + rows_max)
            if last <= meta.base.seq:
                return 0
            self._delete(meta, last)
            if self._wal_pages >= self._checkpoint_pages:
                self._checkpoint()
        return last - meta.base.seq

    def last_before(self, before_ms: int, upto_seq: int) -> int:
        """The last place up to `upto_seq` that was accepted before a moment, ms UTC; see `SqliteReader.last_before`."""
        return self._reader.last_before(before_ms, upto_seq)

    def read(self, after_seq: int = 0) -> Iterator[Record]:
        """The records after a place, in order, each verified against the chain; DataError where one is damaged."""
        return self._reader.read(after_seq)

    def record(self, seq: int) -> Record | None:
        """One record; None when it is not there (trimmed, or not yet written)."""
        return self._reader.record(seq)

    def bounds(self) -> tuple[int, int]:
        """The first and the last sequence number; (1, 0) for an empty log."""
        return self._reader.bounds()

    def head(self) -> Head:
        """The end of the log."""
        return self._head

    def verify(self, progress: Callable[[int, int], None] | None = None) -> Verdict:
        """Verify everything, on a connection of its own; see `SqliteReader.verify`."""
        reader = SqliteReader(self._path)
        try:
            return reader.verify(progress)
        finally:
            reader.close()

    def close(self) -> None:
        """Release the files; a second call does nothing."""
        self._reader.close()
        # The outcome is settled already; what closing could not move stays in the write-ahead file for the next start.
        with suppress(apsw.Error):
            self._connection.close()

    def _connect(self) -> apsw.Connection:
        connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            if connection.readonly("main"):
                raise NoPermissionError(f"{self._path} may not be written to; check owner and mode")
            connection.set_busy_timeout(BUSY_MS)
            connection.pragma("synchronous", "FULL")
            connection.pragma("journal_size_limit", WAL_BYTES_KEPT)
            connection.set_wal_hook(self._note_wal)
            # A write-ahead file of a process that met a failing sync may be in the cache and not on the disk. Moving
            # it into the log now puts all of it there before anything new is answered on top of it.
            with suppress(apsw.BusyError):
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except BaseException:
            connection.close()
            raise
        return connection

    def _rows_of(self, entries: Sequence[Entry]) -> list[Row]:
        rows: list[Row] = []
        seq, checksum = self._head.seq, self._head.checksum
        for entry in entries:
            seq += 1
            stored = (self._compress if len(entry.payload) < LARGE_BYTES else self._compress_large)(entry.payload)
            checksum = link(
                checksum,
                seq=seq,
                accept_ms=entry.accept_ms,
                kind=entry.kind,
                rules_version=self._rules_version,
                count=entry.count,
                stored=stored,
            )
            rows.append((seq, entry.accept_ms, int(entry.kind), self._rules_version, entry.count, stored, checksum))
        return rows

    def _insert(self, rows: list[Row]) -> None:
        connection = self._connection
        try:
            with in_our_words(self._path, "a batch was appended", connection):
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(INSERT_BATCH, rows)
                connection.execute("COMMIT")
        except StorageFullError:
            self._roll_back()
            raise
        except JobsightError as error:
            self._stop()
            raise StorageError(f"{error}; whether the batch is stored is unknown until the next start") from error

    def _delete(self, meta: Meta, last: int) -> None:
        """Let the log begin behind `last`, in one transaction with all that says so."""
        connection = self._connection
        try:
            with in_our_words(self._path, "old batches were deleted", connection):
                connection.execute("BEGIN IMMEDIATE")
                base = Head(seq=last, checksum=cast("bytes", connection.execute(_SELECT_CHECKSUM, (last,)).get))
                checksum = meta_checksum(meta.log_id, meta.created_ms, base)
                connection.execute(_UPDATE_BASE, (base.seq, base.checksum, checksum))
                connection.execute(_DELETE_BATCHES, (last,))
                if connection.pragma("freelist_count") > FREE_PAGES_KEPT:
                    connection.execute(_VACUUM).fetchall()  # to the end: each step gives back one page
                connection.execute("COMMIT")
        except StorageFullError:
            self._roll_back()
            raise
        except JobsightError as error:
            self._stop()
            raise StorageError(f"{error}; what is stored is known after the next start") from error

    def _roll_back(self) -> None:
        """Nothing of the transaction is kept; after most errors SQLite has seen to it already."""
        if self._connection.in_transaction:
            with in_our_words(self._path, "a batch that found no room was taken back"):
                self._connection.execute("ROLLBACK")

    def _checkpoint(self) -> None:
        """Move what is in the write-ahead file into the log. A full disk leaves it where it is: nothing is lost by that."""
        try:
            with in_our_words(self._path, "the write-ahead file was moved into it", self._connection):
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except (StorageFullError, InUseError):
            return
        except JobsightError:
            self._stop()
            raise

    def _stop(self) -> None:
        """Take nothing more, and leave the files as they are when closing."""
        self._is_unsure = True
        with suppress(apsw.Error):
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)

    def _note_wal(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK
