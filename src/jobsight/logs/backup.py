"""Copying a data folder while a process works on it, and putting a copy back. What was copied is verified before it counts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw

from jobsight.errors import CannotCreateError, DataError, NotFoundError
from jobsight.logs.folder import LOG, SECRETS, VIEW, open_log_reader
from jobsight.logs.marker import MARKER
from jobsight.logs.session_file import SESSIONS
from jobsight.logs.sqlite_errors import in_our_words
from jobsight.logs.verdict import words

STEP_PAGES: Final = 1_000
"""Pages that are copied at once; between two steps others may work."""

Bar = Callable[[int, int], None]


def back_up(data: Path, target: Path, *, has_secrets: bool, progress: Bar) -> int:
    """
    Copy a data folder into a new one. The view is derived, and is copied only where the log alone could not make it.

    Args:
        data: What is copied; a process may be working on it.
        target: Must not be there, or be empty.
        has_secrets: Also copy the folder's secrets.
        progress: Told the pages that are done, and all of them.

    Returns:
        The last batch of the copy.

    Raises:
        NotFoundError, DataError: There is no folder, or it is damaged; or the copy does not hold.
        CannotCreateError: The target cannot be made.
    """
    reader = open_log_reader(data)
    first, _ = reader.bounds()
    reader.close()
    _make_empty(target)
    shutil.copyfile(data / MARKER, target / MARKER)
    if first > 1 and (data / VIEW).exists():
        _copy_database(data / VIEW, target / VIEW, progress)
    _copy_database(data / LOG, target / LOG, progress)
    if has_secrets and (data / SECRETS).is_dir():
        shutil.copytree(data / SECRETS, target / SECRETS, ignore=shutil.ignore_patterns(SESSIONS))
    _protect(target)
    return verify_copy(target)


def restore(source: Path, data: Path) -> int:
    """
    Put a copy back as a data folder. Returns its last batch.

    Raises:
        NotFoundError, DataError: The copy is none, or does not hold; nothing was put back.
        CannotCreateError: There is something at the place already.
    """
    if not (source / MARKER).is_file():
        raise NotFoundError(f"{source} is no backup: it holds no {MARKER}")
    last = verify_copy(source)
    _make_empty(data)
    for name in (MARKER, LOG, VIEW):
        if (source / name).exists():
            shutil.copyfile(source / name, data / name)
    if (source / SECRETS).is_dir():
        shutil.copytree(source / SECRETS, data / SECRETS)
    _protect(data)
    return last


def verify_copy(folder: Path) -> int:
    """The last batch of a copy whose whole chain of checksums holds. Raises DataError for any other."""
    reader = open_log_reader(folder)
    try:
        verdict = reader.verify()
        if verdict.damage is not None:
            raise DataError(f"the copy {folder} does not hold: {words(verdict)}")
        return reader.bounds()[1]
    finally:
        reader.close()


def _copy_database(source: Path, target: Path, progress: Bar) -> None:
    """By SQLite's own backup, which gives a consistent copy whatever is written meanwhile; one file, without a WAL."""
    with in_our_words(source, "it was copied"):
        reading = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
        writing = apsw.Connection(str(target))
        try:
            with writing.backup("main", reading, "main") as copying:
                while not copying.done:
                    copying.step(STEP_PAGES)
                    progress(copying.page_count - copying.remaining, copying.page_count)
            writing.pragma("journal_mode", "DELETE")
        finally:
            writing.close()
            reading.close()


def _make_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CannotCreateError(f"{folder} is there already, and is not empty; name a place that is free")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CannotCreateError(f"{folder} cannot be made ({error})") from error


def _protect(folder: Path) -> None:
    """For their owner alone."""
    folder.chmod(0o700)
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
