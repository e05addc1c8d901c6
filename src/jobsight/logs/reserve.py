"""Room that is kept aside on the disk, so that a node whose disk is full can still write down that it is."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from jobsight.errors import JobsightError
from jobsight.logs.files import PRIVATE_FILE
from jobsight.logs.system_errors import system_in_our_words

RESERVE: Final = "reserve"
RESERVE_BYTES: Final = 8 * 1024 * 1024
MORE_BYTES: Final = RESERVE_BYTES // 2
"""So much must be free beside the reserve before a disk that was full counts as having room: for what has waited."""


def make_reserve(folder: Path) -> None:
    """
    Keep the reserve aside, if it is not there yet.

    Raises:
        StorageFullError: There is no room for it; nothing is kept aside.
        NoPermissionError, CannotCreateError, StorageError: As their names say.
    """
    path = folder / RESERVE
    with system_in_our_words(path, f"a reserve of {RESERVE_BYTES} bytes was made"):
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, PRIVATE_FILE)
        try:
            if os.fstat(descriptor).st_size != RESERVE_BYTES:
                os.ftruncate(descriptor, 0)
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
        except OSError:
            os.ftruncate(descriptor, 0)
            raise
        finally:
            os.close(descriptor)


def free_reserve(folder: Path) -> None:
    """Give the reserve's room back; does nothing when it is gone already. Raises NoPermissionError, StorageError."""
    with system_in_our_words(folder / RESERVE, "the reserve was freed"):
        (folder / RESERVE).unlink(missing_ok=True)


class FolderReserve:
    """
    The reserve of a data folder, for a node that runs on it: what cannot be done with it now is left as it is.

    Args:
        folder: Held by this process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder: Final = folder

    def free(self) -> None:
        """Give its room back; a node that may not has to do without."""
        with suppress(JobsightError):
            free_reserve(self._folder)

    def make(self) -> bool:
        """Keep it aside, if more than that is free; whether it is kept now, and there is more."""
        with suppress(JobsightError), system_in_our_words(self._folder, "its free room was looked at"):
            found = os.statvfs(self._folder)
            wanted = MORE_BYTES if (self._folder / RESERVE).exists() else MORE_BYTES + RESERVE_BYTES
            if found.f_bavail * found.f_frsize >= wanted:
                make_reserve(self._folder)
                return True
        return False
