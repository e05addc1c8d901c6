"""What the operating system says about files, in our words and with our exit codes."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from jobsight.errors import CannotCreateError, JobsightError, NoPermissionError, StorageError, StorageFullError

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says when there is no room: on the disk, within a quota, within the size that a file may have."""

_REFUSED: Final = frozenset({errno.EACCES, errno.EPERM})


@contextmanager
def system_in_our_words(path: Path, doing: str) -> Iterator[None]:
    """
    Turn every OSError into one of ours.

    Args:
        path: The file or folder.
        doing: What was being done, to follow "while".

    Raises:
        StorageFullError, NoPermissionError, StorageError, CannotCreateError: As the system's code says.
    """
    try:
        yield
    except OSError as error:
        raise system_translated(error, path, doing) from error


def system_translated(error: OSError, path: Path, doing: str) -> JobsightError:
    """The error of ours that says what the system said; the arguments are those of `system_in_our_words`."""
    said = error.strerror or str(error)
    if error.errno in FULL:
        return StorageFullError(f"{path}: there is no room left while {doing} ({said}); free some space")
    if error.errno in _REFUSED:
        return NoPermissionError(f"{path}: the system refuses access while {doing} ({said}); check owner and mode")
    if error.errno == errno.EIO:
        return StorageError(f"{path}: {said} while {doing}; check the disk and its system log")
    return CannotCreateError(f"{path}: {said} while {doing}; name another folder with --data")
