"""What `--accept-loss` does: keep the batches before the damage, and the damaged files aside."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

import apsw

from jobsight.core.counted import counted
from jobsight.errors import DataError
from jobsight.logs.base import Head
from jobsight.logs.chain import first_link
from jobsight.logs.files import copy_files, database_files, move_files, sync_folder
from jobsight.logs.marker import Marker
from jobsight.logs.sqlite import INSERT_BATCH, SqliteLog
from jobsight.logs.sqlite_errors import in_our_words
from jobsight.logs.sqlite_reader import Meta, NewerFormatError, Row, SqliteReader
from jobsight.logs.system_errors import system_in_our_words
from jobsight.logs.verdict import Damage, Verdict, words

ROWS_A_TRANSACTION: Final = 256


def accept_loss(folder: Path, *, log: str, view: str, marker: Marker, now_ms: int) -> str:
    """
    Make a damaged log end before its damage. A sound log is left as it is.

    The damaged files are kept as copies in `damaged-<now_ms>`; so is the view, which may know what the log has lost.

    Args:
        folder: The data folder, locked by this process; none of its files is open.
        log, view: Names of the log and of the view in it.
        marker: Says which log it must be.
        now_ms: ms since the epoch, UTC; names the copy.

    Returns:
        What was lost, in words; empty when the log is sound.

    Raises:
        DataError: Nothing of the log can be read, it is another log, or a newer version has written it.
        StorageFullError: There is no room for the copies; nothing was changed.
    """
    verdict = _verdict(folder / log, marker)
    if verdict.damage is None:
        return ""
    aside = folder / f"damaged-{now_ms}"
    with system_in_our_words(aside, "the damaged files were kept aside"):
        copy_files(database_files(log), folder, aside)
    rest = _rebuild(folder / f"{log}.new", aside / log, marker, verdict)
    with system_in_our_words(folder, "the damaged log was replaced"):
        move_files(database_files(view), folder, aside)
        _empty_write_ahead_file(folder / log)
        for name in database_files(log)[1:]:
            (folder / name).unlink(missing_ok=True)
        (folder / f"{log}.new").replace(folder / log)
        sync_folder(folder)
    return f"{words(verdict)}; {rest}; the damaged files are kept in {aside}"


def _verdict(path: Path, marker: Marker) -> Verdict:
    reader = _open(path, marker)
    try:
        return reader.verify()
    finally:
        reader.close()


def _open(path: Path, marker: Marker) -> SqliteReader:
    """A reader, with the marker's word in place of what the log says of itself where that is damaged."""
    try:
        reader = SqliteReader(path)
    except NewerFormatError:
        raise
    except DataError:
        base = Head(seq=0, checksum=first_link(marker.log_id))
        return SqliteReader(path, stand_in=Meta(log_id=marker.log_id, created_ms=marker.created_ms, base=base))
    if reader.log_id != marker.log_id:
        reader.close()
        raise DataError(f"{path}: expected log {marker.log_id}, found log {reader.log_id}; put the right file there")
    return reader


def _rebuild(draft: Path, damaged: Path, marker: Marker, verdict: Verdict) -> str:
    """Write the sound batches into a new file; says what else there was, as far as it can be read."""
    with system_in_our_words(draft, "an unfinished repair was removed"):
        for name in database_files(draft.name):
            draft.with_name(name).unlink(missing_ok=True)
    reader = _open(damaged, marker)
    try:
        SqliteLog.create(draft, log_id=marker.log_id, created_ms=marker.created_ms, base=reader.meta.base)
        _write(draft, reader.rows_until(verdict.head.seq))
        if verdict.damage is Damage.STRUCTURE:
            return "no batch was lost"
        with suppress(DataError):
            batches, events = reader.count_after(verdict.head.seq)
            if verdict.damage is not Damage.TAIL:
                about = counted(events, "event", "events")
                return f"lost with it: {counted(batches, 'batch', 'batches')} with about {about} in all"
        return "how much is lost with it cannot be told"
    finally:
        reader.close()


def _write(path: Path, rows: Iterable[Row]) -> None:
    with in_our_words(path, "sound batches were copied"):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            remaining = iter(rows)
            while some := list(islice(remaining, ROWS_A_TRANSACTION)):
                with connection:
                    connection.executemany(INSERT_BATCH, some)
            connection.pragma("wal_checkpoint", "TRUNCATE")
        finally:
            connection.close()
    with system_in_our_words(path, "sound batches were copied"), path.open("rb") as file:
        os.fsync(file.fileno())


def _empty_write_ahead_file(path: Path) -> None:
    """Move what SQLite sees of it into the damaged log, so that a stop before the replacement shortens nothing further."""
    with suppress(apsw.Error):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            connection.close()
