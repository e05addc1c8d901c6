"""What SQLite says, in our words and with our exit codes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from jobsight.errors import (
    CannotCreateError,
    DataError,
    InUseError,
    JobsightError,
    NoPermissionError,
    StorageError,
    StorageFullError,
)
from jobsight.logs.system_errors import FULL

RESTORE = "restore it from a backup, or start with --accept-loss to keep what is sound before the damage"


@contextmanager
def in_our_words(path: Path, doing: str, connection: apsw.Connection | None = None) -> Iterator[None]:
    """
    Turn every apsw error into one of ours.

    Args:
        path: The database file.
        doing: What was being done, to follow "while".
        connection: That of a write: SQLite takes a quota or a limit of file sizes that is reached for a broken disk, and
            only the connection knows what the system has said.

    Raises:
        StorageFullError, StorageError, DataError, NoPermissionError, CannotCreateError, InUseError: As SQLite's code says.
    """
    try:
        yield
    except apsw.Error as error:
        is_full = connection is not None and connection.system_errno in FULL
        if (
            isinstance(error, apsw.IOError)
            and is_full
            and getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_WRITE
        ):
            raise translated(apsw.FullError(), path, doing) from error
        raise translated(error, path, doing) from error


def translated(error: apsw.Error, path: Path, doing: str) -> JobsightError:
    """The error of ours that says what SQLite said; the arguments are those of `in_our_words`."""
    match error:
        case apsw.FullError():
            return StorageFullError(
                f"{path}: there is no room left while {doing}; nothing of it was stored; free some space"
            )
        case apsw.IOError():
            return StorageError(
                f"{path}: input/output error while {doing} ({error}); check the disk and its system log"
            )
        case apsw.CorruptError() | apsw.NotADBError() | apsw.FormatError() | apsw.SQLError():
            return DataError(f"{path} is damaged, found while {doing} ({error}); {RESTORE}")
        case apsw.BusyError() | apsw.LockedError():
            return InUseError(f"{path}: another process writes to it while {doing}; stop that process")
        case apsw.CantOpenError() if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            return NoPermissionError(f"{path}: the system refuses access while {doing}; check owner and mode")
        case apsw.CantOpenError() | apsw.ReadOnlyError() if path.exists() and not os.access(path.parent, os.W_OK):
            return NoPermissionError(
                f"{path}: its folder is read-only, and SQLite needs to write beside the file while {doing}; "
                "copy the folder to where you may write"
            )
        case apsw.PermissionsError() | apsw.ReadOnlyError() | apsw.AuthError():
            return NoPermissionError(f"{path}: the system refuses access while {doing} ({error}); check owner and mode")
        case apsw.CantOpenError():
            return CannotCreateError(f"{path} cannot be opened while {doing} ({error})")
        case _:
            return StorageError(f"{path}: {type(error).__name__} while {doing} ({error})")
