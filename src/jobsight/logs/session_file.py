"""Who has signed in, in a file of its own beside the log: it outlives the service, and no copy of the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jobsight.logs.files import PRIVATE_FOLDER, write_whole
from jobsight.logs.system_errors import system_in_our_words

SESSIONS: Final = "sessions"
"""The file's name in the folder of secrets; a backup leaves it out, so that no old session comes back."""


class SessionFile:
    """
    Sessions as bytes.

    Args:
        folder: Of the secrets; made with the first session.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / SESSIONS

    def write(self, content: bytes) -> None:
        """
        Keep the sessions durably, readable by the owner of the folder alone.

        Raises:
            StorageFullError, NoPermissionError, StorageError, CannotCreateError: As their names say.
        """
        with system_in_our_words(self._path, "a session was stored"):
            self._path.parent.mkdir(PRIVATE_FOLDER, exist_ok=True)
            write_whole(self._path, content)

    def read(self) -> bytes:
        """What was kept; empty where nothing was, or where it cannot be read: then everybody signs in again."""
        try:
            return self._path.read_bytes()
        except OSError:
            return b""
