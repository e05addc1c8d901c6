"""`jobsight.json`: what tells a data folder from any other, and names the log that must be in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from jobsight.errors import DataError
from jobsight.logs.files import write_whole
from jobsight.logs.system_errors import system_in_our_words

MARKER: Final = "jobsight.json"

FOLDER_FORMAT: Final = 1
"""The format of the folder that this program writes, and the newest that it reads."""

LogId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]


class Marker(Struct, frozen=True, kw_only=True):
    """
    What stands in the marker.

    Attributes:
        log_id: The log that must be in the folder; 32 hex digits.
        created_ms: When it was made; ms since the epoch, UTC.
    """

    format: int = FOLDER_FORMAT
    log_id: LogId
    created_ms: int


class _Format(Struct):
    format: int


def read_marker(folder: Path) -> Marker | None:
    """
    The marker of a folder; None when there is none.

    Raises:
        DataError: It cannot be read, or a newer version has written it.
        NoPermissionError, StorageError: As their names say.
    """
    path = folder / MARKER
    with system_in_our_words(path, "it was read"):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
    try:
        found = msgspec.json.decode(content, type=_Format).format
        if found > FOLDER_FORMAT:
            raise DataError(
                f"{path} has format {found}, written by a newer version of Jobsight; this one reads formats up to "
                f"{FOLDER_FORMAT}; nothing was changed; install the newer version"
            )
        return msgspec.json.decode(content, type=Marker)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} is damaged ({error}); remove this one file and start again: it is made anew from the log"
        ) from error


def write_marker(folder: Path, marker: Marker) -> None:
    """
    Write the marker, whole or not at all.

    Raises:
        StorageFullError, NoPermissionError, CannotCreateError, StorageError: As their names say.
    """
    with system_in_our_words(folder / MARKER, "it was written"):
        write_whole(folder / MARKER, msgspec.json.encode(marker) + b"\n")
