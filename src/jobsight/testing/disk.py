"""
A disk for SQLite that fails when told to, and one that remembers what was written and synced, to be cut from power later.

Both take the place of SQLite's usual way to the disk for the whole process, from `with` to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Final, Self

import apsw
from msgspec import Struct

SECTOR_BYTES: Final = 512
"""The disk writes so much whole or not at all."""

BASE: Final = "unix"


class Operation(Struct, frozen=True, kw_only=True):
    """
    One thing that was done to a file.

    Attributes:
        file: Its name, without the folder.
        verb: `write`, `sync`, `truncate` (a file that is deleted is cut to nothing), or `failed sync`.
        at: Offset of a write, size after a truncation, in bytes.
        content: Of a write.
    """

    file: str
    verb: str
    at: int = 0
    content: bytes = b""


class Disk(apsw.VFS):
    """
    A way to the disk that asks before every operation.

    Args:
        before: Told each operation before it is done; what it raises is what SQLite gets.
    """

    def __init__(self, before: Callable[[Operation], None]) -> None:
        self.before = before
        super().__init__("jobsight-testing", BASE, makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # type: ignore[explicit-override]  # noqa: N802
        """SQLite opens a file."""
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # type: ignore[explicit-override]  # noqa: N802
        """SQLite deletes a file that it needs no longer."""
        self.before(Operation(file=Path(filename).name, verb="truncate"))
        super().xDelete(filename, syncdir)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unregister()


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._before = disk.before
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._name = Path(path or "").name
        super().__init__(BASE, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # type: ignore[explicit-override]  # noqa: N802
        self._before(Operation(file=self._name, verb="write", at=offset, content=bytes(data)))
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # type: ignore[explicit-override]  # noqa: N802
        self._before(Operation(file=self._name, verb="sync"))
        super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:  # type: ignore[explicit-override]  # noqa: N802
        self._before(Operation(file=self._name, verb="truncate", at=newsize))
        super().xTruncate(newsize)


def failing_disk(verb: str, *, nth: int, code: int, once: bool, file: str = "") -> Disk:
    """
    A disk on which the nth operation of a kind fails.

    Args:
        verb: `write` or `sync`; others are not counted.
        nth: Counted from 1, from here on.
        code: The SQLite error, for example `apsw.SQLITE_IOERR_FSYNC`.
        once: Whether the ones after it succeed again.
        file: Count only those on files whose names end like this.
    """
    count = 0

    def before(operation: Operation) -> None:
        nonlocal count
        if operation.verb == verb and operation.file.endswith(file):
            count += 1
            if count == nth or (count > nth and not once):
                raise apsw.exception_for(code)

    return Disk(before)


def image(
    operations: Iterable[Operation], dice: Random, *, is_synced: Callable[[Operation], bool] = lambda _: True
) -> dict[str, bytes]:
    """
    What stands on a disk that lost its power after these operations.

    What was synced is there. Of what was written after a file's last sync, each sector is there or not, in any order.
    What waited for a sync that failed is gone, although the process still reads it: no later sync brings it back.

    Args:
        operations: Up to the cut, in order.
        dice: Decides what was lucky.
        is_synced: Whether this sync did what it says; a disk that lies is a test of the test.
    """
    stable: dict[str, bytearray] = {}
    pending: dict[str, list[Operation]] = {}
    for operation in operations:
        waiting = pending.setdefault(operation.file, [])
        if operation.verb == "failed sync":
            waiting.clear()
        elif operation.verb != "sync":
            waiting.append(operation)
        elif is_synced(operation):
            for one in waiting:
                _do(stable.setdefault(operation.file, bytearray()), one)
            waiting.clear()
    for file, waiting in pending.items():
        content = stable.setdefault(file, bytearray())
        odds = dice.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        for one in waiting:
            for part in _sectors(one):
                if dice.random() < odds:
                    _do(content, part)
    return {file: bytes(content) for file, content in stable.items()}


def _do(content: bytearray, operation: Operation) -> None:
    end = operation.at + len(operation.content)
    if operation.verb == "truncate":
        del content[operation.at :]
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if operation.verb == "write":
        content[operation.at : end] = operation.content


def _sectors(operation: Operation) -> Iterable[Operation]:
    """A write as the disk does it: cut at the borders of its sectors."""
    if operation.verb != "write":
        return [operation]
    start, end = operation.at, operation.at + len(operation.content)
    borders = [start, *range(start - start % SECTOR_BYTES + SECTOR_BYTES, end, SECTOR_BYTES), end]
    return [
        Operation(file=operation.file, verb="write", at=left, content=operation.content[left - start : right - start])
        for left, right in pairwise(borders)
    ]
