"""Bringing an older file to the schema of this version: numbered SQL files, each in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import apsw

from jobsight.errors import DataError
from jobsight.view.database import connect_reader, storage_errors


def scripts() -> list[str]:
    """The migrations of this version in order; the n-th ends by setting `user_version` to n."""
    folder = files("jobsight.view") / "schema"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(folder / name).read_text(encoding="utf-8") for name in names]


def refuse_newer(path: Path, known: int) -> None:
    """
    Look at an existing file without changing a byte of it.

    Args:
        path: The file; it may be missing.
        known: The newest schema version that this program knows.

    Raises:
        DataError: A newer version has written it, or it is no view.
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    connection = connect_reader(path)
    try:
        with storage_errors(path):
            version = connection.pragma("user_version")
    finally:
        connection.close()
    if version > known:
        raise DataError(
            f"the view {path} has schema {version}, this version of Jobsight knows up to {known}; nothing was changed: "
            "use the newer version, or make the view anew: jobsight view rebuild"
        )


def migrate(connection: apsw.Connection, path: Path | None, steps: Sequence[str]) -> None:
    """
    Run the migrations that are still to be run. Killed at any moment, the file holds the old schema or the new, never half.

    Args:
        connection: The writer.
        path: Named in errors.
        steps: All migrations, see `scripts`.

    Raises:
        DataError: The file is damaged.
        StorageError, StorageFullError: It cannot be written.
    """
    with storage_errors(path):
        for step in steps[connection.pragma("user_version") :]:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute(step)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
