"""
The data folder.

    jobsight.json   the marker: {format, log_id, created_ms}
    lock            held while a process uses the folder; its pid
    log.db          the log, the only truth
    view.db         derived from the log
    secrets/        what must not stand in the log
    reserve         8 MiB, given to the monitor's own events when the disk is full
    damaged-<ms>/   what --accept-loss has kept aside
    replaced-<ms>/  what --init-new has moved aside
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from jobsight.errors import DataError, NotFoundError
from jobsight.logs.files import PRIVATE_FOLDER, database_files, move_files, sync_folder
from jobsight.logs.lock import FolderLock
from jobsight.logs.marker import MARKER, Marker, read_marker, write_marker
from jobsight.logs.repair import accept_loss as repair
from jobsight.logs.reserve import make_reserve
from jobsight.logs.sqlite import SqliteLog
from jobsight.logs.sqlite_reader import SqliteReader
from jobsight.logs.system_errors import system_in_our_words

LOG: Final = "log.db"
VIEW: Final = "view.db"
SECRETS: Final = "secrets"


class Folder:
    """
    An open data folder, locked by this process. `open_folder` makes one.

    Attributes:
        path: Where it is.
        marker: What its marker says.
        is_new: Whether this start has made it.
        lost: What `--accept-loss` has given up, in words; empty when nothing was.
    """

    def __init__(self, path: Path, lock: FolderLock, marker: Marker, *, is_new: bool, lost: str) -> None:
        self.path = path
        self.marker = marker
        self.is_new = is_new
        self.lost = lost
        self._lock = lock

    @property
    def log_path(self) -> Path:
        """The log."""
        return self.path / LOG

    @property
    def view_path(self) -> Path:
        """The view; it may be missing."""
        return self.path / VIEW

    @property
    def secrets_path(self) -> Path:
        """The folder of secrets; it may be missing."""
        return self.path / SECRETS

    def open_log(self, *, rules_version: int, verify_after_seq: int = 0) -> SqliteLog:
        """The log, for appending; arguments and errors are those of `SqliteLog`. The caller closes it."""
        return SqliteLog(
            self.log_path,
            rules_version=rules_version,
            expected_log_id=self.marker.log_id,
            verify_after_seq=verify_after_seq,
        )

    def close(self) -> None:
        """Unlock the folder, after everything in it was closed; a second call does nothing."""
        self._lock.release()


def open_folder(path: Path, *, init_new: bool = False, accept_loss: bool = False, now_ms: int) -> Folder:
    """
    Open the data folder for the one process that writes to it, making it when there is none.

    Args:
        path: Where it is, or will be.
        init_new: Where the log is gone, damaged or another one, move what is there aside into `replaced-<now_ms>`, and
            start with an empty log. A sound folder is opened as it is, so a service may carry the flag for ever.
        accept_loss: Where the log is damaged, keep the damaged files aside and go on from the last sound batch before it.
        now_ms: ms since the epoch, UTC.

    Raises:
        InUseError: Another process holds it.
        DataError: The log is damaged, gone, another one, or newer than this program; nothing was changed.
        CannotCreateError, NoPermissionError, StorageFullError, StorageError: As their names say.
    """
    with system_in_our_words(path, "the data folder was made"):
        path.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
    if not init_new:
        read_marker(path)  # a folder that is newer than this program is not touched, not even locked
    lock = FolderLock(path)
    try:
        if init_new and not _is_sound(path):
            _move_aside(path, now_ms)
        marker = read_marker(path)
        is_new = False
        if marker is None:
            marker, is_new = _begin(path, now_ms)
        _require_log(path, marker)
        lost = repair(path, log=LOG, view=VIEW, marker=marker, now_ms=now_ms) if accept_loss else ""
        _open_reader(path, marker).close()
        make_reserve(path)
        return Folder(path, lock, marker, is_new=is_new, lost=lost)
    except BaseException:
        lock.release()
        raise


def open_log_reader(path: Path) -> SqliteReader:
    """
    The log of a data folder for reading only, while a node may be running on it. Takes no lock and changes no file.

    Raises:
        NotFoundError: There is no data folder.
        DataError: The log is damaged, gone, another one, or newer than this program.
        NoPermissionError: The system refuses access.
    """
    marker = read_marker(path)
    if marker is None:
        raise NotFoundError(f"{path} is no data folder of Jobsight: it has no {MARKER}; name another one with --data")
    _require_log(path, marker)
    return _open_reader(path, marker)


def _begin(path: Path, now_ms: int) -> tuple[Marker, bool]:
    """The marker of a folder that has none: of the log that is there, or of a new one. It is written last, so it never lies."""
    is_new = not _has_log(path)
    if is_new:
        _create_log(path, now_ms)
    reader = SqliteReader(path / LOG)
    marker = Marker(log_id=reader.meta.log_id, created_ms=reader.meta.created_ms)
    reader.close()
    write_marker(path, marker)
    return marker, is_new


def _create_log(path: Path, now_ms: int) -> None:
    """Make the log under another name first: a start that is cut short leaves none, and not half of one."""
    draft = path / f"{LOG}.new"
    with system_in_our_words(draft, "the log was made"):
        for name in database_files(draft.name):
            (path / name).unlink(missing_ok=True)
        SqliteLog.create(draft, log_id=secrets.token_hex(16), created_ms=now_ms)
        draft.replace(path / LOG)
        sync_folder(path)


def _move_aside(path: Path, now_ms: int) -> None:
    # The marker goes last: without it, a start that is cut short would take what is left for a new folder.
    names = (*database_files(LOG), *database_files(VIEW), SECRETS, MARKER)
    target = path / f"replaced-{now_ms}"
    with system_in_our_words(target, "the old files were moved aside"):
        move_files(names, path, target)


def _is_sound(path: Path) -> bool:
    """Whether a folder holds the log that its marker names, and the log can be opened."""
    try:
        marker = read_marker(path)
        if marker is not None:
            _require_log(path, marker)
            _open_reader(path, marker).close()
    except DataError:
        return False
    return marker is not None


def _require_log(path: Path, marker: Marker) -> None:
    if not _has_log(path):
        raise DataError(f"{path / LOG}: expected log {marker.log_id}, found none; --init-new starts over")


def _has_log(path: Path) -> bool:
    with system_in_our_words(path / LOG, "it was looked for"):
        return (path / LOG).exists() and (path / LOG).stat().st_size > 0


def _open_reader(path: Path, marker: Marker) -> SqliteReader:
    reader = SqliteReader(path / LOG)
    if reader.log_id != marker.log_id:
        reader.close()
        raise DataError(
            f"{path / LOG}: expected log {marker.log_id}, found log {reader.log_id}; "
            "put the right file there; --init-new starts over"
        )
    return reader
