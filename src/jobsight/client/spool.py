"""
Reports that wait on disk, in order: a folder of append-only files.

A file belongs to the process that made it; only that one appends. Whoever holds the folder's lock sends the oldest lines
and notes in the file's head how far it came, so that the next one goes on there. A file that was sent to its end is
removed. Every line was written by one call, so only the last one can be torn, by a crash.
"""

from __future__ import annotations

import fcntl
import os
import stat

from jobsight.client import limits
from jobsight.client.reports import Line, clock_ms, job_id_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType
    from typing import Final, Self

_ENDING: Final = ".ndjson"
_LOCK: Final = "lock"
_HEAD: Final = b'{"jobsight_spool": 1, "sent": %12d}\n'
_HEAD_BYTES: Final = len(_HEAD % 0)
_READ_BYTES: Final = 512 * 1024
"""More than the longest line that a client writes."""

_BOUND_FILES: Final = 8
"""A small spool is cut into at least so many files, so that making room takes a part of it only."""


class Spool:
    """
    Args:
        folder: Made when it is first needed, for its owner only.
        bytes_max: Beyond it, the oldest files go.
    """

    def __init__(self, folder: str, bytes_max: int = limits.SPOOL_BYTES_MAX) -> None:
        self.folder: Final = folder
        self.dropped = 0
        self._bytes_max: Final = bytes_max
        self._segment_bytes_max: Final = min(limits.SEGMENT_BYTES_MAX, bytes_max // _BOUND_FILES)
        self._name: str | None = None
        self._unreadable: Final[set[str]] = set()

    def is_empty(self) -> bool:
        """Whether nothing waits, of this process or another."""
        return not self._segments()

    def append(self, lines: Sequence[Line]) -> tuple[int, OSError | None]:
        """
        Keep lines for later, durably.

        Returns:
            How many are kept, from the first on; and why not all are. Old lines that had to go are added to `dropped`.
        """
        kept = 0
        try:
            self._make_folder()
            while kept < len(lines):
                kept += self._append_some(lines[kept:])
                self._make_room()
        except OSError as error:
            return kept, error
        return kept, None

    def outlet(self) -> Outlet | None:
        """The spool's only way out; None while another process has it."""
        try:
            lock = os.open(os.path.join(self.folder, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None
        return Outlet(self, lock)

    def oldest(self) -> tuple[str, int] | None:
        """The name of the oldest file and a descriptor of it; one that may not be read is passed over for good."""
        for name in self._segments():
            try:
                return name, os.open(os.path.join(self.folder, name), os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            except OSError:
                self._unreadable.add(name)
        return None

    def remove(self, name: str) -> None:
        """Remove a file; whether it is still there does not matter."""
        try:
            os.unlink(os.path.join(self.folder, name))
        except FileNotFoundError:
            return

    def _segments(self) -> list[str]:
        """The names of the files, the oldest first; none in a folder that is not ours."""
        try:
            names = [name for name in os.listdir(self.folder) if name.endswith(_ENDING)]
            if names and os.stat(self.folder).st_uid != os.geteuid():
                return []
        except OSError:
            return []
        return sorted(name for name in names if name not in self._unreadable)

    def _make_folder(self) -> None:
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        found = os.stat(self.folder)
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
            raise PermissionError(f"{self.folder} can be written by other users; give it to its user alone (chmod 700)")

    def _append_some(self, lines: Sequence[Line]) -> int:
        """Append as many lines as this file still takes, at least one."""
        descriptor = self._open_own()
        try:
            size = os.fstat(descriptor).st_size
            taken = 0
            room = self._segment_bytes_max - size
            raws: list[bytes] = []
            for line in lines:
                room -= len(line.raw)
                if raws and room < 0:
                    break
                raws.append(line.raw)
                taken += 1
            _write_whole(descriptor, b"".join(raws), size)
            if room <= 0:
                self._name = None
            return taken
        finally:
            os.close(descriptor)

    def _open_own(self) -> int:
        """This process's file, locked against its removal; a new one where it is full or gone."""
        if self._name is not None:
            try:
                descriptor = os.open(os.path.join(self.folder, self._name), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            except FileNotFoundError:
                self._name = None
            else:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_nlink:
                    return descriptor
                os.close(descriptor)
        return self._create()

    def _create(self) -> int:
        """A new file, behind all others by name whatever the clock says."""
        while True:
            newest = (self._segments() or ["0"])[-1].partition("-")[0]
            place = max(clock_ms(), int(newest) + 1 if newest.isdigit() else 0)
            name = f"{place:013d}-{os.getpid()}-{os.urandom(4).hex()}{_ENDING}"
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(os.path.join(self.folder, name), flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_nlink:
                    _write_whole(descriptor, _HEAD % _HEAD_BYTES, 0)
                    _sync_folder(self.folder)
                    self._name = name
                    return descriptor
            except BaseException:
                os.close(descriptor)
                self.remove(name)
                raise
            # Whoever empties the spool found it before it held anything.
            os.close(descriptor)

    def _make_room(self) -> None:
        sizes = []
        for name in self._segments():
            try:
                sizes.append((name, os.stat(os.path.join(self.folder, name)).st_size))
            except FileNotFoundError:
                continue
        total = sum(size for _, size in sizes)
        for name, size in sizes[:-1]:
            if total <= self._bytes_max:
                return
            self.dropped += self._count(name)
            self.remove(name)
            total -= size

    def _count(self, name: str) -> int:
        """Lines of a file that were not sent."""
        try:
            descriptor = os.open(os.path.join(self.folder, name), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return 0
        with open(descriptor, "rb") as file:
            file.seek(sent_of(descriptor))
            return file.read().count(b"\n")


def prefix(waiting: Iterable[Line | None], lines_max: int = limits.BATCH_LINES_MAX) -> list[Line]:
    """
    The first lines that can be sent at once: no two of one job.

    What gets no answer is sent again, and the monitor knows it for a repetition because it compares a report with its
    job's last one. Of two reports of one job, it would know the second only.
    """
    lines: list[Line] = []
    jobs: set[str] = set()
    room = limits.BATCH_BYTES_MAX
    for line in waiting:
        if line is None or line.job_id in jobs or len(lines) == lines_max or (lines and len(line.raw) > room):
            break
        jobs.add(line.job_id)
        lines.append(line)
        room -= len(line.raw)
    return lines


class Batch:
    """
    Lines of the spool to send at once.

    Attributes:
        lines: In order.
        ends: Where in the file each of them ends.
    """

    __slots__ = ("ends", "lines")

    def __init__(self, lines: list[Line], ends: list[int]) -> None:
        self.lines = lines
        self.ends = ends


class Outlet:
    """Reads the spool from its oldest line. A context manager; leaving it lets others go on."""

    def __init__(self, spool: Spool, lock: int) -> None:
        self._spool: Final = spool
        self._lock: Final = lock
        self._name: str | None = None
        self._file = -1
        self._place = 0
        self._read: list[tuple[Line | None, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_file()
        os.close(self._lock)

    def next(self, lines_max: int = limits.BATCH_LINES_MAX) -> Batch | None:
        """The next lines to send; None when nothing waits. Lines that are no reports are passed over, and counted."""
        while True:
            self._pass_over()
            if self._read:
                return self._batch(lines_max)
            if self._name is None and not self._open_next():
                return None
            if not self._fill():
                self._finish_file()

    def sent(self, batch: Batch, count: int) -> None:
        """Note that the first `count` lines of the batch need not be sent again."""
        if count:
            self._note(batch.ends[count - 1])
            del self._read[:count]

    def _note(self, place: int) -> None:
        os.pwrite(self._file, _HEAD % place, 0)
        os.fsync(self._file)
        self._place = place

    def _pass_over(self) -> None:
        while self._read and self._read[0][0] is None:
            self._spool.dropped += 1
            self._note(self._read.pop(0)[1])

    def _batch(self, lines_max: int) -> Batch:
        lines = prefix([line for line, _ in self._read[:lines_max]], lines_max)
        return Batch(lines, [end for _, end in self._read[: len(lines)]])

    def _open_next(self) -> bool:
        found = self._spool.oldest()
        if found is None:
            return False
        self._name, self._file = found
        self._place = sent_of(self._file)
        return True

    def _fill(self) -> bool:
        """Read whole lines from where we are; whether there were any."""
        raw = os.pread(self._file, _READ_BYTES, self._place)
        whole = raw[: raw.rfind(b"\n") + 1]
        place = self._place
        for one in whole.split(b"\n")[:-1]:
            place += len(one) + 1
            job_id = job_id_of(one)
            self._read.append((None if job_id is None else Line(job_id, one + b"\n"), place))
        return bool(whole)

    def _finish_file(self) -> None:
        """
        Remove a file that was sent to its end, unless its process has just appended to it.

        What is left over without a newline was torn by a crash, or was not written by a client.
        """
        fcntl.flock(self._file, fcntl.LOCK_EX)
        rest = os.pread(self._file, _READ_BYTES, self._place)
        if b"\n" in rest:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            return
        if rest:
            self._spool.dropped += 1
        if self._name is not None:
            self._spool.remove(self._name)
        self._close_file()

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._name, self._file, self._read = None, -1, []


def sent_of(descriptor: int) -> int:
    """How far a file was sent, in bytes; its head names the place of its first unsent line."""
    head = os.pread(descriptor, _HEAD_BYTES, 0)
    digits = head[-14:-2].strip()
    return max(_HEAD_BYTES, int(digits)) if len(head) == _HEAD_BYTES and digits.isdigit() else _HEAD_BYTES


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_whole(descriptor: int, raw: bytes, size: int) -> None:
    """Write everything durably, or nothing: what a full disk took in part is taken back."""
    try:
        written = 0
        while written < len(raw):
            written += os.write(descriptor, raw[written:])
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise
