"""Hashes of passwords in files of their own, beside the log and never in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from jobsight.logs.files import PRIVATE_FOLDER, sync_folder, write_whole
from jobsight.logs.system_errors import system_in_our_words

_REF: Final = re.compile(r"[a-z0-9]{1,64}", re.ASCII)


class PasswordFiles:
    """
    Hashes by their references.

    Args:
        folder: Of the secrets; made with the first hash.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, ref: str, text: str) -> None:
        """
        Keep a hash durably, readable by the owner of the folder alone.

        Raises:
            StorageFullError, NoPermissionError, StorageError, CannotCreateError: As their names say.
        """
        path = self._path(ref)
        with system_in_our_words(path, "a password was stored"):
            self._folder.mkdir(PRIVATE_FOLDER, exist_ok=True)
            write_whole(path, text.encode())

    def read(self, ref: str) -> str | None:
        """The hash of a reference; None where there is none, as in a folder that was restored without its secrets."""
        try:
            return self._path(ref).read_text()
        except FileNotFoundError:
            return None

    def delete(self, ref: str) -> None:
        """Forget a hash; a second call does nothing."""
        path = self._path(ref)
        with system_in_our_words(path, "a password was deleted"):
            if path.exists():
                path.unlink(missing_ok=True)
                sync_folder(self._folder)

    def _path(self, ref: str) -> Path:
        if _REF.fullmatch(ref) is None:
            raise ValueError(f"expected a reference of small letters and digits, got {ref!r}")
        return self._folder / f"password-{ref}"
