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

RESTORE = "restore it from a backup, or start with --accept-loss to keep what is sound before the damage"


@contextmanager
def in_our_words(path: Path, doing: str) -> Iterator[None]:
    """
    Turn every apsw error into one of ours.

    Args:
        path: The database file.
        doing: What was being done, to follow "while".

    Raises:
        StorageFullError, StorageError, DataError, NoPermissionError, CannotCreateError, InUseError: As SQLite's code says.
    """
    try:
        yield
    except apsw.Error as error:
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
