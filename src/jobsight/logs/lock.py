"""One process a folder: a lock that the system gives back whenever its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from jobsight.errors import InUseError
from jobsight.logs.files import PRIVATE_FILE
from jobsight.logs.system_errors import system_in_our_words

LOCK: Final = "lock"


class FolderLock:
    """
    The lock of a data folder, held from here on until `release`.

    Raises:
        InUseError: Another process holds it; the text names its pid.
        NoPermissionError, CannotCreateError: The lock file cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK
        with system_in_our_words(path, "the folder was locked"):
            self._descriptor: int | None = os.open(path, os.O_CREAT | os.O_RDWR, PRIVATE_FILE)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
            except BlockingIOError:
                holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
                self.release()
                raise InUseError(
                    f"{folder} is in use by process {holder or '(unknown)'}; stop that process, or name another folder"
                ) from None
            except OSError:
                self.release()
                raise

    def release(self) -> None:
        """Give the folder back; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def holder_of(folder: Path) -> int | None:
    """
    The pid of the process that holds a folder; None when none does, or where the system cannot tell.

    Only looked up in the system's table: taking the lock to find out could keep a starting node out.
    """
    path, table = folder / LOCK, Path("/proc/locks")
    if not path.exists() or not table.exists():
        return None
    with system_in_our_words(path, "its holder was looked for"):
        inode = f":{path.stat().st_ino}"
        for line in table.read_text().splitlines():
            words = line.split()
            if "FLOCK" in words and "->" not in words and len(words) > 5 and words[5].endswith(inode):
                return int(words[4])
    return None
