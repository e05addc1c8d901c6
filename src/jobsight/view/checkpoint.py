"""
A checkpoint: a copy of the view that stands for the part of the log that is trimmed. It is made beside the writer, closed,
opened again and looked at before it counts, and is one plain file.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from time import sleep
from typing import Any, Final, cast

import apsw
from msgspec import Struct

from jobsight.errors import DamagedViewError
from jobsight.view.database import BUSY_MS_MAX, connect_reader, storage_errors
from jobsight.view.write_ahead import UNSURE

STEP_PAGES: Final = 256
"""Pages (1 MB) that are copied at once; between two steps others have the processor and the disk."""

STEP_PAUSE_S: Final = 0.002

HASH_BYTES: Final = 32
READ_BYTES: Final = 1 << 20

# Up to where a copy is true.
SELECT_PLACE: Final = "SELECT log_id, applied_seq, checksum FROM applied"


class Checkpoint(Struct, frozen=True, kw_only=True):
    """
    A verified copy of the view.

    Attributes:
        log_id, seq, checksum: The log, and the place in it, up to which it is true.
        view_hash: blake2b-256 of the file in hex; `bytes` its size.
    """

    log_id: str
    seq: int
    checksum: bytes
    view_hash: str
    bytes: int


def copy_view(view: Path, target: Path, is_stopping: Callable[[], bool] = lambda: False) -> bool:
    """
    Copy a view as it is at one moment, in small steps, while its writer goes on. Runs in a thread of its own.

    Args:
        view: The view's file.
        target: Made anew.
        is_stopping: Asked after each step whether to give up.

    Returns:
        Whether the copy is whole.

    Raises:
        DamagedViewError, StorageError, StorageFullError: As their names say.
    """
    remove(target)
    source = connect_reader(view)
    try:
        with storage_errors(target):
            # A moment that is held: without it, each write of the view would let the copy begin again.
            source.execute("BEGIN")
            source.execute(SELECT_PLACE).fetchall()
            copy = apsw.Connection(str(target))
            try:
                copy.set_busy_timeout(BUSY_MS_MAX)
                with copy.backup("main", source, "main") as backup:
                    while not backup.done:
                        backup.step(STEP_PAGES)
                        if is_stopping():
                            return False
                        sleep(STEP_PAUSE_S)
                copy.pragma("journal_mode", "DELETE")  # one plain file
            finally:
                copy.close()
    finally:
        source.close()
    return True


def read_checkpoint(path: Path) -> Checkpoint:
    """
    Open a copy anew and look at all of it.

    Raises:
        DamagedViewError: It is no sound view.
    """
    with storage_errors(path):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            said = cast("str", connection.execute("PRAGMA quick_check(1)").get)
            row = cast("tuple[Any, ...] | None", connection.execute(SELECT_PLACE).fetchone())
        finally:
            connection.close()
    if said != "ok" or row is None or row[0] is None:
        raise DamagedViewError(f"{path} is no sound copy of a view ({said})")
    return Checkpoint(
        log_id=row[0], seq=row[1], checksum=bytes(row[2]), view_hash=hash_of_file(path), bytes=path.stat().st_size
    )


def hash_of_file(path: Path) -> str:
    """blake2b-256 of a file in hex; raises OSError."""
    digest = blake2b(digest_size=HASH_BYTES)
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def remove(path: Path) -> None:
    """Delete a database and what is kept beside it."""
    for suffix in ("", "-wal", "-shm", "-journal", UNSURE):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
