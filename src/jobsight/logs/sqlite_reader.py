"""Reading a log on disk: its own read-only connection, every batch verified against the chain."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Final, cast

import apsw
import zstandard
from msgspec import Struct

from jobsight.errors import DataError
from jobsight.logs.base import BatchKind, Head, Record
from jobsight.logs.chain import CHECKSUM_BYTES, link
from jobsight.logs.sqlite_errors import RESTORE, in_our_words
from jobsight.logs.system_errors import system_in_our_words
from jobsight.logs.verdict import Damage, Verdict
from jobsight.logs.wal import hides_transactions

FORMAT: Final = 1
"""`PRAGMA user_version` of the files that this program writes, and the newest that it reads."""

APPLICATION_ID: Final = 0x4A4F4253
"""`PRAGMA application_id`: tells a log from another SQLite file."""

PAGE_ROWS: Final = 32
"""Rows fetched at a time. Between two pages no transaction is open, so a slow reader holds no checkpoint back."""

BUSY_MS: Final = 5_000

_FORMAT = "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version"
_META = "SELECT log_id, created_ms, base_seq, base_checksum, checksum FROM meta"
_BOUNDS = "SELECT min(seq), max(seq) FROM batches"
_HEAD = "SELECT seq, checksum FROM batches ORDER BY seq DESC LIMIT 1"
_CHECKSUM = "SELECT checksum FROM batches WHERE seq = ?"
_PAGE = """
    SELECT seq, accept_ms, kind, rules_version, count, payload, checksum
    FROM batches WHERE seq > ? ORDER BY seq LIMIT ?
"""
_ACCEPTED = "SELECT accept_ms FROM batches WHERE seq = ?"
_COUNT_AFTER = "SELECT count(*), coalesce(sum(count), 0) FROM batches WHERE seq > ?"
_STRUCTURE = "PRAGMA quick_check(1)"
_FRAMES = "PRAGMA wal_checkpoint(NOOP)"
_PAGE_BYTES = "PRAGMA page_size"

Row = tuple[int, int, int, int, int, bytes, bytes]
"""seq, accept_ms, kind, rules_version, count, payload, checksum."""


class NewerFormatError(DataError):
    """A newer version of Jobsight has written the log; nothing was touched."""


class Meta(Struct, frozen=True, kw_only=True):
    """
    What a log says of itself.

    Attributes:
        created_ms: ms since the epoch, UTC.
        base: What the first kept batch is chained to: `first_link` at 0, or the last batch that was trimmed.
    """

    log_id: str
    created_ms: int
    base: Head


def meta_checksum(log_id: str, created_ms: int, base: Head) -> bytes:
    """The checksum over the meta row, so that a flipped bit in it is found as well."""
    text = f"{log_id} {created_ms} {base.seq} {base.checksum.hex()}"
    return blake2b(text.encode(), digest_size=CHECKSUM_BYTES).digest()


class SqliteReader:
    """
    A log file, opened for reading only; another process may append to it meanwhile.

    Every method may be called from any thread. SQLite may make `log.db-wal` and `log.db-shm` beside the file; the
    file itself is never written to.

    Args:
        path: The file.
        stand_in: Taken for what the log says of itself, where that is damaged; for repairs only.

    Raises:
        DataError: There is no log, it is damaged, or a newer version has written it.
        NoPermissionError: The system refuses access.
    """

    def __init__(self, path: Path, *, stand_in: Meta | None = None) -> None:
        self._path = path
        self._lock = Lock()
        self._has_stand_in = stand_in is not None
        with system_in_our_words(path, "it was opened for reading"):
            if not path.is_file() or path.stat().st_size == 0:
                raise DataError(f"{path}: there is no log; restore it from a backup; --init-new starts over")
        with in_our_words(path, "it was opened for reading"):
            self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            try:
                self._connection.set_busy_timeout(BUSY_MS)
                self._connection.pragma("query_only", True)
                self._check_format(is_ours=stand_in is not None)
                self._meta = stand_in or self._read_meta()
            except BaseException:
                self._connection.close()
                raise

    @property
    def log_id(self) -> str:
        """The identity of this log; 32 hex digits."""
        return self._meta.log_id

    @property
    def meta(self) -> Meta:
        """What the log says of itself, as it is now: its beginning moves when it is trimmed."""
        if not self._has_stand_in:
            with self._lock, in_our_words(self._path, "it was read"):
                self._meta = self._read_meta()
        return self._meta

    def read(self, after_seq: int = 0) -> Iterator[Record]:
        """
        The records after a place, in order, each verified against the chain. What is trimmed meanwhile is left out.

        Raises:
            DataError: What comes next is damaged; all before it was sound.
        """
        decompress = zstandard.ZstdDecompressor().decompress
        seq = max(after_seq, self.meta.base.seq)
        before = self._checksum_at(seq)
        while rows := self._page(seq):
            base = self.meta.base  # looked at after the page: what stood there up to here was there as it was read
            if base.seq >= seq:
                seq, before = base.seq, base.checksum
                rows = [row for row in rows if row[0] > seq]
            for row in rows:
                if before is None:
                    raise self._damaged(seq, Damage.MISSING)
                found = damage_of(row, seq + 1, before)
                if found is not None:
                    raise self._damaged(seq + 1, found)
                seq, before = row[0], row[6]
                yield self._record_of(row, decompress)

    def record(self, seq: int) -> Record | None:
        """One record; None when it is not there (trimmed, or not yet written)."""
        rows = self._page(seq - 1, limit=1)
        if not rows or rows[0][0] != seq:
            return None
        before = self._checksum_at(seq - 1)
        if before is None and self.meta.base.seq >= seq:
            return None
        found = damage_of(rows[0], seq, before) if before is not None else Damage.MISSING
        if found is not None:
            raise self._damaged(seq if before is not None else seq - 1, found)
        return self._record_of(rows[0], zstandard.ZstdDecompressor().decompress)

    def bounds(self) -> tuple[int, int]:
        """The first and the last sequence number; (base + 1, base) for an empty log, which is (1, 0) before any trimming."""
        rows = cast("list[tuple[int | None, int | None]]", self._fetch(_BOUNDS))
        first, last = rows[0]
        base = self.meta.base.seq
        return (base + 1, base) if first is None or last is None else (first, last)

    def head(self) -> Head:
        """The end of the log, not verified; `verify_tail` does."""
        rows = cast("list[tuple[int, bytes]]", self._fetch(_HEAD))
        return Head(seq=rows[0][0], checksum=rows[0][1]) if rows else self.meta.base

    def last_before(self, before_ms: int, upto_seq: int) -> int:
        """
        The last place up to `upto_seq` whose batch was accepted before a moment (ms UTC), by halving; the base where none was.

        After a clock that was set back it is one of several places where the moment was passed.
        """
        low, high = self.meta.base.seq, min(upto_seq, self.head().seq)
        while low < high:
            middle = (low + high + 1) // 2
            rows = cast("list[tuple[int]]", self._fetch(_ACCEPTED, (middle,)))
            if rows and rows[0][0] < before_ms:
                low = middle
            else:
                high = middle - 1
        return low

    def verify_tail(self, after_seq: int) -> Head:
        """
        Verify the batches after a place, the head at least, and the end of the write-ahead file.

        Returns:
            The head.

        Raises:
            DataError: Something is damaged; the text names the first bad batch.
        """
        self._refuse_hidden_tail()
        head = self.head()
        for record in self.read(min(after_seq, head.seq - 1)):
            head = Head(seq=record.seq, checksum=record.checksum)
        return head

    def verify(self, progress: Callable[[int, int], None] | None = None) -> Verdict:
        """
        Verify everything: each batch, the end of the write-ahead file, and the structure of the file.

        Args:
            progress: Told how many batches are done, and how many there are, after every few.
        """
        verdict = self._verify_batches(progress or _tell_nobody)
        if verdict.damage is not None:
            return verdict
        if self._hides_tail():
            return _with_damage(verdict, Damage.TAIL)
        try:
            [(said,)] = cast("list[tuple[str]]", self._fetch(_STRUCTURE))
        except DataError as error:
            said = str(error)
        if said == "ok" and self._has_stand_in:
            said = "what the log says of itself differs from its checksum"
        return verdict if said == "ok" else _with_damage(verdict, Damage.STRUCTURE, said.replace("\n", " "))

    def rows_until(self, last_seq: int) -> Iterator[Row]:
        """The rows up to a place as they are stored, not verified; for repairs, after `verify` has found them sound."""
        seq = self.meta.base.seq
        while seq < last_seq and (rows := self._page(seq, limit=min(PAGE_ROWS, last_seq - seq))):
            yield from rows
            seq = rows[-1][0]

    def count_after(self, seq: int) -> tuple[int, int]:
        """How many batches and events are stored after a place, by unverified headers; DataError when they cannot be read."""
        [(batches, events)] = cast("list[tuple[int, int]]", self._fetch(_COUNT_AFTER, (seq,)))
        return batches, events

    def close(self) -> None:
        """Release the files; a second call does nothing."""
        with self._lock:
            self._connection.close()

    def _check_format(self, *, is_ours: bool) -> None:
        [(application_id, version)] = cast("list[tuple[int, int]]", self._connection.execute(_FORMAT).fetchall())
        if application_id != APPLICATION_ID and not is_ours:
            raise DataError(f"{self._path} is no log of Jobsight; name another folder, or {RESTORE}")
        if version > FORMAT:
            raise NewerFormatError(
                f"{self._path} has format {version}, written by a newer version of Jobsight; "
                f"this one reads formats up to {FORMAT}; nothing was changed; install the newer version"
            )

    def _read_meta(self) -> Meta:
        rows = self._connection.execute(_META).fetchall()
        damaged = DataError(f"{self._path}: what the log says of itself is damaged; {RESTORE}")
        if len(rows) != 1:
            raise damaged
        log_id, created_ms, base_seq, base_checksum, checksum = cast("tuple[str, int, int, bytes, bytes]", rows[0])
        if not isinstance(base_checksum, bytes):
            raise damaged
        base = Head(seq=base_seq, checksum=base_checksum)
        if checksum != meta_checksum(log_id, created_ms, base):
            raise damaged
        return Meta(log_id=log_id, created_ms=created_ms, base=base)

    def _verify_batches(self, progress: Callable[[int, int], None]) -> Verdict:
        decompress = zstandard.ZstdDecompressor().decompress
        head = self.meta.base
        batches = events = 0
        try:
            last = self.bounds()[1]
            while rows := self._page(head.seq):
                base = self.meta.base
                if base.seq > head.seq:
                    head, rows = base, [row for row in rows if row[0] > base.seq]
                for row in rows:
                    sound = Verdict(batches=batches, events=events, head=head)
                    found = damage_of(row, head.seq + 1, head.checksum) or _payload_damage_of(row, decompress)
                    if found is not None:
                        return _with_damage(sound, found)
                    batches, events = batches + 1, events + row[4]
                    head = Head(seq=row[0], checksum=row[6])
                progress(batches, batches + last - head.seq)
        except DataError as error:
            sound = Verdict(batches=batches, events=events, head=head)
            return _with_damage(sound, Damage.FILE, str(error.__cause__ or error))
        return Verdict(batches=batches, events=events, head=head)

    def _refuse_hidden_tail(self) -> None:
        if self._hides_tail():
            raise self._damaged(self.head().seq + 1, Damage.TAIL)

    def _hides_tail(self) -> bool:
        """Whether the write-ahead file is damaged before its end; looks again when somebody appended meanwhile."""
        wal = self._path.with_name(self._path.name + "-wal")
        frames_read = self._frames_read()
        while wal.exists():
            with wal.open("rb") as file:
                hides = hides_transactions(file, frames_read=frames_read, page_bytes=self._page_bytes())
            before, frames_read = frames_read, self._frames_read()
            if not hides or frames_read == before:
                return hides
        return False

    def _frames_read(self) -> int:
        self._fetch(_HEAD)  # a read lets SQLite look at the write-ahead file, which the pragma alone does not
        [(_, frames, _)] = cast("list[tuple[int, int, int]]", self._fetch(_FRAMES))
        return frames

    def _page_bytes(self) -> int:
        [(page_bytes,)] = cast("list[tuple[int]]", self._fetch(_PAGE_BYTES))
        return page_bytes

    def _checksum_at(self, seq: int) -> bytes | None:
        base = self.meta.base
        if seq == base.seq:
            return base.checksum
        rows = cast("list[tuple[bytes]]", self._fetch(_CHECKSUM, (seq,)))
        return rows[0][0] if rows else None

    def _page(self, after_seq: int, limit: int = PAGE_ROWS) -> list[Row]:
        """Some rows after a place. A page that cannot be read whole is read row by row, up to where it breaks."""
        try:
            return cast("list[Row]", self._fetch(_PAGE, (after_seq, limit)))
        except DataError:
            if limit == 1:
                raise
        try:
            return cast("list[Row]", self._fetch(_PAGE, (after_seq, 1)))
        except DataError as error:
            raise self._damaged(after_seq + 1, Damage.FILE) from error.__cause__

    def _fetch(self, query: str, values: tuple[int, ...] = ()) -> list[tuple[object, ...]]:
        with self._lock, in_our_words(self._path, "it was read"):
            return cast("list[tuple[object, ...]]", self._connection.execute(query, values).fetchall())

    def _record_of(self, row: Row, decompress: Callable[[bytes], bytes]) -> Record:
        seq, accept_ms, kind, rules_version, count, payload, checksum = row
        try:
            lines = decompress(payload)
        except zstandard.ZstdError as error:
            raise self._damaged(seq, Damage.UNREADABLE) from error
        return Record(
            seq=seq,
            accept_ms=accept_ms,
            kind=BatchKind(kind),
            rules_version=rules_version,
            count=count,
            payload=lines,
            checksum=checksum,
        )

    def _damaged(self, seq: int, damage: Damage) -> DataError:
        return DataError(f"{self._path}: batch {seq} is damaged: {damage.value}; {RESTORE}")


def damage_of(row: Row, seq: int, before: bytes) -> Damage | None:
    """
    What is wrong with a row; None when it is the one that was appended there.

    Args:
        row: As it stands in the file.
        seq: Where it should stand.
        before: The checksum of the batch before it.
    """
    if row[0] != seq:
        return Damage.MISSING
    with suppress(struct.error, TypeError):
        if row[6] == link(
            before, seq=seq, accept_ms=row[1], kind=row[2], rules_version=row[3], count=row[4], stored=row[5]
        ):
            return None
    return Damage.CHECKSUM


def _payload_damage_of(row: Row, decompress: Callable[[bytes], bytes]) -> Damage | None:
    try:
        lines = decompress(row[5])
    except zstandard.ZstdError:
        return Damage.UNREADABLE
    return None if lines.count(b"\n") == row[4] else Damage.COUNT


def _with_damage(verdict: Verdict, damage: Damage, detail: str = "") -> Verdict:
    return Verdict(batches=verdict.batches, events=verdict.events, head=verdict.head, damage=damage, detail=detail)


def _tell_nobody(done: int, total: int) -> None:
    """For those who do not ask for progress."""
