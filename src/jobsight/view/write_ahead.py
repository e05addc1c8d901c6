"""
Copying what flushes have written ahead into the view's file, and what is done where that fails.

SQLite would copy by itself after a commit, and it overlooks when that fails (`sqlite3WalDefaultHook` drops the result).
Here a failure is known, is told by the health of the service, and costs no flush: that was stored before. A service copies
in a thread: `checkpointing`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import apsw

from jobsight.errors import DamagedViewError
from jobsight.view.database import BUSY_MS_MAX, CHECKPOINT_PAGES, REMEDY, storage_errors

# Writes the row that is there, and thereby a new beginning of the write-ahead file.
BEGIN_ANEW: Final = "UPDATE applied SET id = id"

UNSURE: Final = "-unsure"
"""How the name of the file ends that says: a sync of the view failed, and what came to the disk is not known."""

_SURE, _EMPTIED, _UNSURE = range(3)
_OVERLOOKED: Final = (apsw.FullError, apsw.IOError, apsw.BusyError, apsw.LockedError, apsw.NoMemError)
"""After these everything is as it was, and may work another time."""


def refuse_unsure(path: Path) -> None:
    """
    See whether all that was ever synced of a view came to the disk.

    Raises:
        DamagedViewError: A sync of it failed, and the process ended before its pages were written once more.
    """
    if _mark_of(path).exists():
        raise DamagedViewError(f"a sync of the view {path} failed, so it may not hold what was written; {REMEDY}")


class WriteAhead:
    """
    The write-ahead file of a view, for its one writing connection.

    After a sync that failed the system may have forgotten pages that are still to be read, and no later sync brings them
    back: a power cut in the middle of the next copy would leave a mixture. So a file beside the view says so until the
    write-ahead file was emptied and filled anew; a start that finds it makes the view anew.

    Args:
        connection: That writes.
        path: Of the view; None for one in memory, which has no such file.

    Attributes:
        pages_max: As `CHECKPOINT_PAGES`.
        trouble: In words, why the pages could not be copied the last time; None while that works.
    """

    def __init__(self, connection: apsw.Connection, path: Path | None) -> None:
        self.pages_max = CHECKPOINT_PAGES
        self.trouble: str | None = None
        self._path: Final = path
        self._connection: Final = connection
        self._pages = 0
        self._doubt = _SURE
        connection.set_wal_hook(self._count)  # takes the place of SQLite's own
        if path is not None:
            self._settle()

    def move(self) -> None:
        """
        Copy the pages into the view where there are many. Where that fails they stay: it is tried again after the next flush.

        Raises:
            DamagedViewError: The file is damaged.
        """
        if self._path is None or (self._pages < self.pages_max and self._doubt != _UNSURE):
            return
        try:
            is_whole = self._copy()
        except _OVERLOOKED as error:
            self.note(error, False)
        except apsw.Error:
            with storage_errors(self._path):
                raise
        else:
            self.note(None, is_whole)

    def note(self, error: apsw.Error | None, is_whole: bool) -> None:
        """Take note of how a copy ended: with which error, or whether all pages were copied. May be called by another thread."""
        if self._path is None or isinstance(error, (apsw.BusyError, apsw.LockedError)):
            return  # another one is at it, or a reader needs the pages
        if error is not None:
            self.trouble = (
                f"what was written cannot be moved into {self._path} ({error}); nothing is lost by that so far"
            )
            if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_FSYNC:
                self._doubt = _UNSURE
                with suppress(OSError):  # on a disk like this one, as well as it can be done
                    _make_durable(_mark_of(self._path))
            return
        self.trouble = None
        if is_whole and self._doubt == _EMPTIED:
            self._doubt = _SURE
            with suppress(OSError):  # a mark that stays costs a view that is made anew, and nothing else
                _mark_of(self._path).unlink(missing_ok=True)

    def _settle(self) -> None:
        """
        Copy what a process that was killed has left, and begin the write-ahead file anew.

        Otherwise the first commit does both and waits for the disk: it would be one of a service that answers already.
        """
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._connection.execute(BEGIN_ANEW)
        except _OVERLOOKED as error:
            self.note(error, False)

    def _copy(self) -> bool:
        """Whether the file holds all pages now, synced: readers may still need some of them."""
        if self._doubt != _UNSURE:
            frames, copied = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            return frames == copied
        self._connection.set_busy_timeout(0)  # nobody waits for readers here
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            self._connection.set_busy_timeout(BUSY_MS_MAX)
        self._doubt = _EMPTIED
        return False  # what comes next has to be synced first

    def _count(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK


def _mark_of(path: Path) -> Path:
    return path.with_name(path.name + UNSURE)


def _make_durable(mark: Path) -> None:
    """Make an empty file, and its name in the folder, durable; raises OSError."""
    os.close(os.open(mark, os.O_CREAT | os.O_WRONLY, 0o600))
    folder = os.open(mark.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
