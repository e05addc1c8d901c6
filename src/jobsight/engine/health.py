"""Whether the monitor does what it is for: it stores, it sees time pass, it reaches people, and it has room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from jobsight.core.spans import span_text
from jobsight.engine.self_watch import MEBIBYTE, Room

STUCK_MS: Final = 30_000
"""What is handed to the disk and not stored for so long hangs."""

TICK_MS: Final = 10_000
"""Deadlines are looked at several times a second; after so long they are not."""

OUTBOX_MS: Final = 15 * 60_000
"""A notification that waits for so long reaches nobody."""

SLOW_MS: Final = 250
"""A batch that is stored takes a few milliseconds; a disk that needs so long for each one is ill, or shared with too many."""

SLOW_COMMITS: Final = 10
"""Over so many batches, so that one sync that was slow says nothing."""

ROOM_BYTES: Final = 64 * MEBIBYTE


class Vitals(Struct, frozen=True, kw_only=True):
    """
    Where the signs of life are taken.

    Attributes:
        why_not_ready: In words, why no report can be stored now; None while that works.
        in_flight: What was handed in and is not stored; `commits`: batches stored so far, `commit_seconds`: in so much time.
        oldest_waiting_ms: Since when the oldest notification waits, ms UTC; None for none.
        room: Of the disk; None where that cannot be known now.
        view_trouble: In words, what the disk does not do for the view; None while all is well.
    """

    why_not_ready: Callable[[], str | None]
    in_flight: Callable[[], int]
    commits: Callable[[], int]
    commit_seconds: Callable[[], float]
    oldest_waiting_ms: Callable[[], int | None]
    room: Callable[[], Room | None]
    view_trouble: Callable[[], str | None]


class Health:
    """
    Takes the signs of life with each tick, and says what is wrong.

    Args:
        vitals: Where they are taken.
        clock_ms: Wall time, ms since the epoch, UTC. `steady_ms`: of a clock that nobody can set.
    """

    def __init__(self, vitals: Vitals, clock_ms: Callable[[], int], steady_ms: Callable[[], int]) -> None:
        self._vitals: Final = vitals
        self._clock_ms: Final = clock_ms
        self._steady_ms: Final = steady_ms
        self._ticked_ms = self._moved_ms = steady_ms()
        self._commits = self._judged_commits = vitals.commits()
        self._judged_seconds = vitals.commit_seconds()
        self._commit_ms = 0.0

    def due_ms(self) -> int | None:
        """It is content with whenever a tick comes."""
        return None

    def tick(self) -> None:
        """Take the signs of life."""
        self._ticked_ms = self._steady_ms()
        commits = self._vitals.commits()
        if commits != self._commits or self._vitals.in_flight() == 0:
            self._commits, self._moved_ms = commits, self._ticked_ms
        judged = commits - self._judged_commits
        if judged >= SLOW_COMMITS:
            seconds = self._vitals.commit_seconds()
            self._commit_ms = (seconds - self._judged_seconds) * 1000 / judged
            self._judged_commits, self._judged_seconds = commits, seconds

    def is_alive(self) -> bool:
        """Whether the process gets on with its work; where not, only a restart helps."""
        now_ms = self._steady_ms()
        return now_ms - self._ticked_ms < TICK_MS and now_ms - self._moved_ms < STUCK_MS

    def faults(self) -> list[str]:
        """What is wrong, in words; nothing while all is well."""
        now_ms, vitals, found = self._steady_ms(), self._vitals, []
        reason = vitals.why_not_ready()
        if reason is not None:
            found.append(f"commit: {reason}")
        if now_ms - self._moved_ms >= STUCK_MS:
            found.append(f"commit: nothing was stored for {span_text(now_ms - self._moved_ms)}, and something waits")
        if self._commit_ms >= SLOW_MS:
            found.append(
                f"commit: the disk takes {self._commit_ms:.0f} ms to store a batch, expected less than {SLOW_MS} ms"
            )
        if now_ms - self._ticked_ms >= TICK_MS:
            found.append(f"ticker: no deadline was looked at for {span_text(now_ms - self._ticked_ms)}")
        oldest_ms = vitals.oldest_waiting_ms()
        waits_ms = 0 if oldest_ms is None else self._clock_ms() - oldest_ms
        if waits_ms >= OUTBOX_MS:
            found.append(f"outbox: a notification waits for {span_text(waits_ms)}")
        trouble = vitals.view_trouble()
        if trouble is not None:
            found.append(f"view: {trouble}")
        room = vitals.room()
        if room is not None and room.free_bytes < ROOM_BYTES:
            found.append(f"disk: {room.free_bytes // MEBIBYTE} MiB are left")
        return found
