"""Files that are there whole or not at all, after a power cut as well."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700


def write_whole(path: Path, content: bytes) -> None:
    """
    Write a file that is readable by its owner only: after a crash there is the old one or the new one, never a part.

    Raises:
        OSError: Nothing was changed.
    """
    draft = path.with_name(path.name + ".new")
    try:
        with open(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, PRIVATE_FILE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make names that were made, renamed or removed in a folder durable; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy_files(names: Iterable[str], source: Path, target: Path) -> None:
    """Copy those of the named files that are there, durably; raises OSError."""
    target.mkdir(PRIVATE_FOLDER, exist_ok=True)
    for name in names:
        if (source / name).exists():
            shutil.copy2(source / name, target / name)
            with (target / name).open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(target)
    sync_folder(source)


def move_files(names: Iterable[str], source: Path, target: Path) -> list[str]:
    """Move those of the named files that are there, in their order; says which. Raises OSError."""
    moved = []
    for name in names:
        if (source / name).exists():
            target.mkdir(PRIVATE_FOLDER, exist_ok=True)
            (source / name).replace(target / name)
            moved.append(name)
    if moved:
        sync_folder(target)
        sync_folder(source)
    return moved


def database_files(name: str) -> tuple[str, ...]:
    """The names of a SQLite database and of what SQLite keeps beside it. The database first: the rest says nothing without it."""
    return (name, f"{name}-wal", f"{name}-shm", f"{name}-journal")
