"""Opening the view's file, and saying what SQLite says in words for an operator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from jobsight.errors import (
    CannotCreateError,
    DamagedViewError,
    InUseError,
    NoPermissionError,
    StorageError,
    StorageFullError,
)

BUSY_MS_MAX: Final = 5_000
"""How long a connection waits for another one's checkpoint or lock."""

CACHE_KIB: Final = 8 * 1024
"""Pages that the writer keeps in memory. More does not pay: what is changed again is young."""

CHECKPOINT_PAGES: Final = 1_000
"""Pages in the write-ahead log at which they are copied into the file; more makes rarer, longer stalls."""

REMEDY: Final = "the view can be made anew from the log: jobsight view rebuild"


def connect_writer(path: Path | None) -> apsw.Connection:
    """
    The one writing connection: WAL, `synchronous=NORMAL`, free pages given back in small steps.

    Args:
        path: The file, made when missing; None for a view in memory.

    Raises:
        DamagedViewError: The file is damaged.
        CannotCreateError, NoPermissionError, InUseError, StorageError: It cannot be opened.
    """
    with storage_errors(path):
        connection = apsw.Connection(":memory:" if path is None else str(path))
        try:
            connection.set_busy_timeout(BUSY_MS_MAX)
            if connection.pragma("page_count") == 0:
                connection.pragma("auto_vacuum", "INCREMENTAL")
            if path is not None:
                connection.pragma("journal_mode", "WAL")
            connection.pragma("synchronous", "NORMAL")
            connection.pragma("cache_size", -CACHE_KIB)
            connection.pragma("trusted_schema", False)
        except BaseException:
            connection.close()
            raise
    return connection


def connect_reader(path: Path) -> apsw.Connection:
    """
    A connection that can only read, beside a writer of this or another process.

    It never opens a file as immutable: that would miss the write-ahead log.

    Raises:
        DamagedViewError: The file is damaged.
        CannotCreateError, NoPermissionError, StorageError: It cannot be opened.
    """
    with storage_errors(path):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(BUSY_MS_MAX)
            connection.pragma("query_only", True)
            connection.pragma("trusted_schema", False)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def storage_errors(path: Path | None) -> Iterator[None]:
    """Turn what SQLite reports about the file into the errors of Jobsight; our own mistakes (bad SQL) pass as they are."""
    name = "the view in memory" if path is None else f"the view {path}"
    try:
        yield
    except apsw.FullError as error:
        raise StorageFullError(f"{name}: no room left ({error}); nothing of this flush was stored") from error
    except (apsw.CorruptError, apsw.NotADBError, apsw.FormatError) as error:
        raise DamagedViewError(f"{name} is damaged ({error}); {REMEDY}") from error
    except (apsw.BusyError, apsw.LockedError, apsw.ProtocolError) as error:
        raise InUseError(f"{name} is held by another process ({error})") from error
    except (apsw.ReadOnlyError, apsw.PermissionsError, apsw.AuthError) as error:
        raise NoPermissionError(
            f"{name} may not be written ({error}); give this user the right to, or use another folder"
        ) from error
    except apsw.CantOpenError as error:
        raise CannotCreateError(f"{name} cannot be opened ({error}); look at its folder and its rights") from error
    except (apsw.IOError, apsw.NoMemError, apsw.TooBigError) as error:
        raise StorageError(f"{name}: input or output failed ({error})") from error
