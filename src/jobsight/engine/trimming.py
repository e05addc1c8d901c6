"""Keeps the log from growing for ever: now and then a checkpoint, then old batches go, a few at a time, beside the writer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Final

from jobsight.engine.checkpoints import TrimmableLog, adopt_draft, draft_checkpoint, note_of, trimmable
from jobsight.engine.ticker import Submit
from jobsight.errors import JobsightError
from jobsight.logs.base import Log
from jobsight.logs.folder import VIEW
from jobsight.view.checkpoint import Checkpoint

LOOK_MS: Final = 3_600_000
"""How often it is looked whether there is something to trim."""

WORTH_MS: Final = 86_400_000
"""A log is trimmed when its first batch is older than it should be by so much: a checkpoint copies the whole view."""

POLL_MS: Final = 200
"""While a checkpoint is being made, it is looked so often whether it is there."""

CLOSE_SECONDS_MAX: Final = 4
"""How long the end of the process waits for the step at hand."""

STEP_PAUSE_S: Final = 0.02
"""Between two steps of deletion, so that appends have the log for themselves most of the time."""


class Trimming:
    """
    Trims a log, in a thread of its own while there is something to do. Belongs to the writer's owner.

    Args:
        keep_ms: How long batches are kept; 0 for ever.
        folder, view: The data folder and its view.
        log: Its log.
        submit_events: Brings the note of a checkpoint into the log.
        clock_ms: Wall time, ms since the epoch, UTC.
        say: Told what went wrong, in one line.
    """

    def __init__(
        self,
        keep_ms: int,
        *,
        folder: Path,
        view: Path,
        log: TrimmableLog,
        submit_events: Submit,
        clock_ms: Callable[[], int],
        say: Callable[[str], None],
    ) -> None:
        self._keep_ms: Final = keep_ms
        self._folder: Final = folder
        self._view: Final = view
        self._log: Final = log
        self._submit: Final = submit_events
        self._clock_ms: Final = clock_ms
        self._say: Final = say
        self._look_ms = clock_ms() + POLL_MS
        self._thread: Thread | None = None
        self._made: Checkpoint | None = None
        self._is_waiting = False
        self._noted = Event()
        self._stopping = Event()
        self._failure = ""

    def due_ms(self) -> int | None:
        """In how many milliseconds `tick` wants to be called; None where the log is kept for ever."""
        if not self._keep_ms:
            return None
        return POLL_MS if self._thread is not None else min(LOOK_MS, max(0, self._look_ms - self._clock_ms()))

    def tick(self) -> None:
        """Begin where there is something to trim, and go on where something has begun. Cheap otherwise."""
        if not self._keep_ms:
            return
        now_ms = self._clock_ms()
        if self._thread is None:
            if now_ms >= self._look_ms or now_ms < self._look_ms - LOOK_MS:
                self._look_ms = now_ms + LOOK_MS
                self._begin(now_ms)
        elif not self._thread.is_alive():
            self._end()
        elif self._made is not None and not self._is_waiting:
            self._is_waiting = True
            self._submit([note_of(self._made)], self._heard)

    def wait(self, seconds: float) -> bool:
        """Wait until there is something for `tick` to do, at most so long; whether nothing is under way any more."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None

    def close(self) -> None:
        """Stop as soon as the step at hand is done. What was begun is begun anew another time."""
        self._stopping.set()
        self._noted.set()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS_MAX)
            self._end()

    def _begin(self, now_ms: int) -> None:
        before_ms = now_ms - self._keep_ms
        first, last = self._log.bounds()
        if self._log.last_before(before_ms - WORTH_MS, last) < first:
            return
        self._made, self._is_waiting, self._failure = None, False, ""
        self._noted.clear()
        self._thread = Thread(target=self._run, args=(before_ms,), name="jobsight-trim", daemon=True)
        self._thread.start()

    def _end(self) -> None:
        self._thread = None
        if self._failure:
            self._say(f"the log was not trimmed: {self._failure}")

    def _heard(self, is_stored: bool) -> None:
        """The note stands in the log; or it could not be stored, and nothing is trimmed this time."""
        if not is_stored:
            self._failure = "the note of its checkpoint could not be stored"
        self._noted.set()

    def _run(self, before_ms: int) -> None:
        """The thread: copy, verify, wait for the note, then delete."""
        try:
            made = draft_checkpoint(self._folder, self._view, self._log, self._stopping.is_set)
            if made is None:
                return
            wanted = min(made.seq, self._log.last_before(before_ms, made.seq))
            self._made = made
            self._noted.wait()
            if self._stopping.is_set() or self._failure:
                return
            adopt_draft(self._folder)
            while not self._stopping.wait(STEP_PAUSE_S) and self._log.trim(wanted):
                pass
        except JobsightError as error:
            self._failure = str(error)


def trimming_of(
    keep_ms: int, folder: Path, log: Log, submit_events: Submit, clock_ms: Callable[[], int], say: Callable[[str], None]
) -> Trimming:
    """The trimming of a data folder's log; the arguments are those of `Trimming`."""
    return Trimming(
        keep_ms,
        folder=folder,
        view=folder / VIEW,
        log=trimmable(log),
        submit_events=submit_events,
        clock_ms=clock_ms,
        say=say,
    )
