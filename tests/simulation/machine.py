"""The machine on which the simulated monitor runs: a clock that is set, a loop that never waits, a disk that is cut from power."""

from __future__ import annotations

import asyncio
import heapq
import os
import selectors
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import apsw

from jobsight.testing.disk import Disk, Operation, image

DATABASES = ("log.db", "log.db-wal", "view.db", "view.db-wal")
"""What a power cut may harm; other files are synced before anything relies on them."""

GIVEN_BYTES = 200_000
"""What is kept aside: less than on a real disk, so that it is used up now and then."""

PLAIN_FILES = ("jobsight.json", "reserve", "checkpoint.db", "checkpoint.db.new", "view.db-unsure")


class Clock:
    """Two clocks: one that can be set, and one that only goes on. Milliseconds."""

    def __init__(self, start_ms: int) -> None:
        self.wall_ms = start_ms
        self.steady_ms = 0

    def wall(self) -> int:
        """Since the epoch, UTC."""
        return self.wall_ms

    def steady(self) -> int:
        """Since some moment."""
        return self.steady_ms

    def advance(self, by_ms: int) -> None:
        """Time goes on."""
        self.wall_ms += by_ms
        self.steady_ms += by_ms

    def set(self, by_ms: int) -> None:
        """Somebody sets the clock."""
        self.wall_ms += by_ms


class _Impatient(selectors.SelectSelector):
    """Nothing comes from outside: the system need not be asked."""

    def select(self, timeout: float | None = None) -> Any:
        return []


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop on the steady clock. `until_quiet` lets everything run that can; nothing ever waits for real."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(_Impatient())
        self._clock = clock
        self._calls = 0
        self._timers: list[float] = []

    def time(self) -> float:
        return self._clock.steady_ms / 1000

    def call_soon(self, *args: Any, **options: Any) -> asyncio.Handle:
        self._calls += 1
        return super().call_soon(*args, **options)

    def call_at(self, when: float, *args: Any, **options: Any) -> asyncio.TimerHandle:
        heapq.heappush(self._timers, when)
        return super().call_at(when, *args, **options)

    def due_ms(self) -> int | None:
        """In how many milliseconds the next timer is due; it may have been cancelled meanwhile."""
        while self._timers and self._timers[0] <= self.time():
            heapq.heappop(self._timers)
        return max(1, round((self._timers[0] - self.time()) * 1000)) if self._timers else None

    async def until_quiet(self) -> None:
        """Return when nothing can run any more before time goes on."""
        quiet = 0
        while quiet < 2:  # a timer that is due is called one turn later
            before = self._calls
            await asyncio.sleep(0)
            quiet = quiet + 1 if self._calls - before <= 1 else 0


class RecordedDisk:
    """
    What SQLite does to the disk, remembered; a kill or a power cut at any operation; a disk that is full, or fails.

    Attributes:
        full: Ends of the names of files for which there is no room, but for `given` bytes that were kept aside.
        fails_in: So many syncs on, one of the log's (or the view's) fails; None for none.
        dies_in: So many operations on, the machine dies; None for not.
        on_death: Called in the middle of the operation, before it is done.
    """

    def __init__(self, *, is_used: bool = True) -> None:
        self.operations: list[Operation] = []
        self.is_recording = True
        self.full: tuple[str, ...] = ()
        self.given = 0
        self.fails_in: int | None = None
        self.fails_on = ""
        self.dies_in: int | None = None
        self.on_death: Callable[[], None] = lambda: None
        self._bases: dict[str, int] = {}
        self._disk: _Based | None = _Based(self) if is_used else None

    @classmethod
    def of(cls, operations: list[Operation]) -> RecordedDisk:
        """One that remembers these, and is no longer in use."""
        disk = cls(is_used=False)
        disk.operations = operations
        return disk

    def close(self) -> None:
        """SQLite gets its usual way to the disk back."""
        if self._disk is not None:
            self._disk.unregister()

    def before(self, operation: Operation) -> None:
        """An operation is about to be done."""
        if not self.is_recording or operation.file not in DATABASES:
            return
        if self.dies_in is not None:
            self.dies_in -= 1
            if self.dies_in <= 0:
                self.dies_in = None
                self.on_death()
        if operation.verb == "write" and operation.file.endswith(self.full) and self.full:
            self._take_given(operation)
        if operation.verb == "sync" and self.fails_in is not None and operation.file.startswith(self.fails_on):
            self.fails_in -= 1
            if self.fails_in <= 0:
                self.fails_in = None
                self.operations.append(Operation(file=operation.file, verb="failed sync"))
                raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC)
        self.operations.append(operation)

    def _take_given(self, operation: Operation) -> None:
        """On a full disk only what was kept aside is left, and only the log may take it."""
        if self.given < len(operation.content):
            raise apsw.exception_for(apsw.SQLITE_FULL)
        assert operation.file.startswith("log"), (
            f"{operation.file} took what was kept aside for the monitor's own events"
        )
        self.given -= len(operation.content)

    def note_base(self, path: Path) -> None:
        """A file is opened: what stands in it already is on the disk."""
        if not self.is_recording or path.name not in DATABASES or not path.exists():
            return
        inode = path.stat().st_ino
        if self._bases.get(path.name) != inode:
            self._bases[path.name] = inode
            self.operations += [
                Operation(file=path.name, verb="truncate"),
                Operation(file=path.name, verb="write", content=path.read_bytes()),
                Operation(file=path.name, verb="sync"),
            ]

    def begin_anew(self) -> None:
        """Another machine, or this one after its end: what was remembered is of no interest any more."""
        self.operations = []
        self._bases = {}
        self.mend()

    def mend(self) -> None:
        """Everything works, and there is room."""
        self.full, self.given, self.fails_in, self.dies_in = (), 0, None, None

    def free(self) -> None:
        """The monitor gives away what it has kept aside."""
        self.given = GIVEN_BYTES

    def make(self) -> bool:
        """The monitor wants to keep something aside again: it can, where there is room."""
        if not self.full:
            self.given = 0
        return not self.full


class _Based(Disk):
    def __init__(self, recorded: RecordedDisk) -> None:
        self._recorded = recorded
        super().__init__(recorded.before)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path:
            self._recorded.note_base(Path(path))
        return super().xOpen(name, flags)


def copy_as_killed(old: Path, new: Path) -> None:
    """What a process that was killed leaves: every file as it is."""
    new.mkdir()
    for name in (*DATABASES, *PLAIN_FILES):
        path = old / name
        if path.exists():
            if name == "reserve":
                os.link(path, new / name)
            else:
                shutil.copyfile(path, new / name)


def copy_as_cut(old: Path, new: Path, disk: RecordedDisk, dice: Random) -> None:
    """What a machine that lost its power leaves: what was synced, and of the rest what luck gives."""
    new.mkdir()
    for name in PLAIN_FILES:
        if (old / name).exists():
            if name == "reserve":
                os.link(old / name, new / name)
            else:
                shutil.copyfile(old / name, new / name)
    for name, content in image(disk.operations, dice).items():
        if content or name.endswith(".db"):
            (new / name).write_bytes(content)
