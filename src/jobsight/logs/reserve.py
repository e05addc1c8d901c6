"""Room that is kept aside on the disk, so that a node whose disk is full can still write down that it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from jobsight.logs.files import PRIVATE_FILE
from jobsight.logs.system_errors import system_in_our_words

RESERVE: Final = "reserve"
RESERVE_BYTES: Final = 8 * 1024 * 1024


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
