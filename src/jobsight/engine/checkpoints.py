"""
Trimming the log behind a checkpoint, and starting from one.

The order makes it safe to stop anywhere: the copy is made and verified as `checkpoint.db.new`; its hash is noted in the log;
it becomes `checkpoint.db`; only then batches go. A start takes whichever of the two files a note of the log vouches for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol, cast

from jobsight.core.events import InternalEvent, LogCheckpointed
from jobsight.engine.recovery import decode_internal
from jobsight.errors import DamagedViewError, DataError, StorageFullError, UsageError
from jobsight.logs.base import BatchKind, Log, LogReader
from jobsight.logs.files import PRIVATE_FILE, sync_folder
from jobsight.logs.folder import VIEW
from jobsight.logs.system_errors import system_in_our_words
from jobsight.view.checkpoint import Checkpoint, copy_view, hash_of_file, read_checkpoint, remove

CHECKPOINT: Final = "checkpoint.db"
DRAFT: Final = "checkpoint.db.new"

SPARE_BYTES: Final = 64 * 1024 * 1024
"""Room that a copy leaves to what is to be stored: with less, the service does not call itself well."""


class TrimmableLog(Log, Protocol):
    """A log whose oldest batches can be deleted."""

    def trim(self, upto_seq: int, rows_max: int = ...) -> int:
        """Delete a few of the oldest batches up to a place, never the head; how many were."""
        ...

    def last_before(self, before_ms: int, upto_seq: int) -> int:
        """The last place up to `upto_seq` that was accepted before a moment, ms UTC."""
        ...


def trimmable(log: Log) -> TrimmableLog:
    """
    The same log, as one that can be trimmed.

    Raises:
        UsageError: It cannot.
    """
    if not hasattr(log, "trim"):
        raise UsageError(f"log {log.log_id} cannot be trimmed")
    return cast("TrimmableLog", log)


def draft_checkpoint(
    folder: Path, view: Path, log: Log, is_stopping: Callable[[], bool] = lambda: False
) -> Checkpoint | None:
    """
    Copy the view, and verify the copy against the log. May run in a thread beside the writer. None where it was to stop.

    Raises:
        StorageFullError: A copy would leave hardly any room for what is to be stored. Nothing of one is left.
        DamagedViewError: The copy is not sound, or not of this log.
        JobsightError: It cannot be made.
    """
    draft = folder / DRAFT
    remove(draft)
    _require_room(folder, view)
    try:
        if not copy_view(view, draft, is_stopping):
            remove(draft)
            return None
    except BaseException:
        remove(draft)  # half a copy takes room, and is good for nothing
        raise
    with system_in_our_words(draft, "it was made durable"):
        draft.chmod(PRIVATE_FILE)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        sync_folder(folder)
    made = read_checkpoint(draft)
    record = log.record(made.seq)
    if made.log_id != log.log_id or record is None or record.checksum != made.checksum:
        raise DamagedViewError(
            f"{draft}: the copy of the view and the log differ at batch {made.seq}; nothing was trimmed"
        )
    return made


def _require_room(folder: Path, view: Path) -> None:
    with system_in_our_words(view, "room for a copy of it was looked for"):
        files = (view, view.with_name(view.name + "-wal"))
        needed = sum(path.stat().st_size for path in files if path.exists())
        free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        raise StorageFullError(
            f"{folder}: a checkpoint copies the view and takes {_mebibytes(needed)}; {_mebibytes(free)} are free, and "
            f"{_mebibytes(SPARE_BYTES)} of that stay for the log; free some space"
        )


def _mebibytes(size: int) -> str:
    return f"{-(-size // (1024 * 1024)):,} MiB"


def note_of(made: Checkpoint) -> LogCheckpointed:
    """What the log says of a checkpoint."""
    return LogCheckpointed(seq=made.seq, view_hash=made.view_hash, bytes=made.bytes)


def adopt_draft(folder: Path) -> None:
    """The note of the draft is in the log: from here on, it is the checkpoint."""
    with system_in_our_words(folder / CHECKPOINT, "it was put in its place"):
        (folder / DRAFT).replace(folder / CHECKPOINT)
        sync_folder(folder)


def notes_in(log: LogReader) -> Iterator[LogCheckpointed]:
    """The checkpoints that the log knows of, oldest first."""
    for record in log.read():
        if record.kind is BatchKind.INTERNAL:
            yield from (event for event in decode_internal(record) if isinstance(event, LogCheckpointed))


def renew_view(folder: Path, view: Path, log: LogReader) -> None:
    """
    Remove a view that is to be made anew; where the log is trimmed, begin it with a copy of the checkpoint.

    Args:
        folder: The data folder, held by this process.
        view: Its view; it may be missing.
        log: Its log.

    Raises:
        DataError: The log is trimmed, and there is no checkpoint; then the view stays as it is.
    """
    source = find_checkpoint(folder, log) if log.bounds()[0] > 1 else None
    remove(view)
    if source is None:
        return
    with system_in_our_words(view, "it was begun with the checkpoint"):
        draft = view.with_name(view.name + ".new")
        shutil.copyfile(source, draft)
        draft.chmod(PRIVATE_FILE)
        draft.replace(view)


def find_checkpoint(folder: Path, log: LogReader) -> Path:
    """
    The checkpoint of a trimmed log: the file whose hash the log has noted.

    Raises:
        DataError: There is none; the text says what is missing.
    """
    first, _ = log.bounds()
    notes = {note.view_hash: note for note in notes_in(log)}
    found = [folder / name for name in (DRAFT, CHECKPOINT) if (folder / name).exists()]
    for path in found:
        with system_in_our_words(path, "it was read"):
            note = notes.get(hash_of_file(path))
        if note is not None and note.seq >= first - 1:
            return path
    there = (
        " and ".join(f"{path.name} is not the one that the log has noted" for path in found)
        or f"{CHECKPOINT} is missing"
    )
    raise DataError(
        f"{folder}: the log begins at batch {first}, so the view can be made anew only from {CHECKPOINT}, and {there}; "
        "restore that file, the view, or the whole folder from a backup"
    )


def trim_now(folder: Path, log: Log, record: Callable[[list[InternalEvent]], None], before_ms: int) -> int:
    """
    Make a checkpoint and trim the log behind it, at once.

    Args:
        folder, log: Held by this process; nothing is in flight.
        record: Stores an event.
        before_ms: Batches that were accepted before this moment go, ms UTC.

    Returns:
        How many were deleted.
    """
    log = trimmable(log)
    wanted = log.last_before(before_ms, log.head().seq)
    if wanted < log.bounds()[0]:
        return 0
    made = draft_checkpoint(folder, folder / VIEW, log)
    assert made is not None
    record([note_of(made)])
    adopt_draft(folder)
    deleted = 0
    while step := log.trim(min(made.seq, wanted)):
        deleted += step
    return deleted
