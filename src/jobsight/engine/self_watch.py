"""What the monitor watches at itself: the disk, reports that it had to refuse, too many tasks. It says so, and decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from jobsight.core.events import InternalEvent, MonitorTrouble
from jobsight.core.rules import DISK_LOW, INGEST_DROPPED, TASKS_FOLDED
from jobsight.core.self_alerts import is_open
from jobsight.core.spans import moment_text
from jobsight.core.state import State
from jobsight.engine.ticker import Submit

EVERY_MS: Final = 5_000
"""How often is looked."""

MEBIBYTE: Final = 1024 * 1024
DISK_LOW_BYTES: Final = 256 * MEBIBYTE
DISK_LOW_SHARE: Final = 0.10
DISK_LARGE_BYTES: Final = 10 * 1024 * MEBIBYTE
"""So much room is never too little, whatever share of a large disk it is."""

DISK_WELL_FACTOR: Final = 1.2
"""It is over once there is so much more than the limit: an alert must not come and go with each file."""

TOLD_AGAIN_MS: Final = 60_000
"""While reports are refused, their number is said again after this."""

OVER_AFTER_MS: Final = 5 * 60_000
"""It is over when none was refused for so long."""


class Room(Struct, frozen=True, gc=False):
    """Of the disk on which the data folder is: bytes that may still be used, and all of them."""

    free_bytes: int
    total_bytes: int


def is_low(room: Room, *, factor: float = 1.0) -> bool:
    """Whether room runs out: less than 256 MiB, or less than a tenth of the disk while that is less than 10 GiB."""
    share_bytes = min(room.total_bytes * DISK_LOW_SHARE, DISK_LARGE_BYTES)
    return room.free_bytes < max(DISK_LOW_BYTES, share_bytes) * factor


class SelfWatch:
    """
    Looks at the monitor every few seconds. Belongs to the writer's owner, as the state does.

    Args:
        state: The writer's; says which alerts are open.
        submit_events: Brings what was found into the log.
        clock_ms: Wall time, ms since the epoch, UTC.
        room: Of the disk; None where that cannot be known now.
        refused: Reports that were refused since the start although they were as they should be.
        why_not_ready: In words, why no report can be stored now; None while that works.
    """

    def __init__(
        self,
        state: State,
        submit_events: Submit,
        clock_ms: Callable[[], int],
        *,
        room: Callable[[], Room | None],
        refused: Callable[[], int],
        why_not_ready: Callable[[], str | None],
    ) -> None:
        self._state: Final = state
        self._submit: Final = submit_events
        self._clock_ms: Final = clock_ms
        self._room: Final = room
        self._refused: Final = refused
        self._why_not_ready: Final = why_not_ready
        self._looked_ms: int | None = None
        self._is_waiting = False
        self._seen = refused()
        self._folded_seen = state.tasks_folded
        self._since: tuple[int, int] | None = None
        self._refused_ms = 0
        self._told_ms = 0

    def due_ms(self) -> int | None:
        """In how many milliseconds `tick` wants to be called; None while an answer is waited for."""
        if self._is_waiting:
            return None
        if self._looked_ms is None:
            return 0
        return max(0, EVERY_MS - abs(self._clock_ms() - self._looked_ms))  # a clock that was set is a reason to look

    def tick(self) -> None:
        """Say what has changed. Cheap when nothing has."""
        if self._is_waiting or self.due_ms() != 0:
            return
        self._looked_ms = now_ms = self._clock_ms()
        found = [*self._disk(), *self._ingest(now_ms), *self._tasks()]
        if found:
            self._is_waiting = True
            self._submit(found, self._heard)

    def _heard(self, is_stored: bool) -> None:
        """Stored; or not, then it is found again with the next look."""
        self._is_waiting = False
        if not is_stored:
            self._told_ms = 0

    def _disk(self) -> list[InternalEvent]:
        room = self._room()
        if room is None:
            return []
        if is_open(self._state, DISK_LOW):
            return [] if is_low(room, factor=DISK_WELL_FACTOR) else [MonitorTrouble(rule=DISK_LOW, is_over=True)]
        if not is_low(room):
            return []
        share = 100 * room.free_bytes / max(1, room.total_bytes)
        free = f"{room.free_bytes // MEBIBYTE:,} MiB ({share:.0f} %)"
        text = f"the disk of the data folder has {free} left; without room no report can be stored"
        return [MonitorTrouble(rule=DISK_LOW, text=text)]

    def _ingest(self, now_ms: int) -> list[InternalEvent]:
        refused = self._refused()
        if refused > self._seen:
            self._refused_ms = now_ms
            if self._since is None:
                self._since = (now_ms, self._seen)
            self._seen = refused
        if self._since is None:
            # An earlier process may have left it open.
            is_left = is_open(self._state, INGEST_DROPPED)
            return [MonitorTrouble(rule=INGEST_DROPPED, is_over=True)] if is_left else []
        if now_ms - self._refused_ms >= OVER_AFTER_MS or now_ms < self._refused_ms:
            self._since, self._told_ms = None, 0
            return [MonitorTrouble(rule=INGEST_DROPPED, is_over=True)]
        if abs(now_ms - self._told_ms) < TOLD_AGAIN_MS or (self._told_ms and self._refused_ms <= self._told_ms):
            return []
        self._told_ms = now_ms
        since_ms, before = self._since
        why = self._why_not_ready() or "too many at once, or too many jobs are active"
        text = f"{refused - before:,} reports were refused since {moment_text(since_ms)}: {why}"
        return [MonitorTrouble(rule=INGEST_DROPPED, text=text)]

    def _tasks(self) -> list[InternalEvent]:
        state = self._state
        is_full = len(state.tasks) >= state.tasks_max
        if is_open(state, TASKS_FOLDED):
            return [] if is_full else [MonitorTrouble(rule=TASKS_FOLDED, is_over=True)]
        if not is_full or state.tasks_folded == self._folded_seen:
            return []
        self._folded_seen = state.tasks_folded
        text = (
            f"there are {state.tasks_max:,} names of tasks already: jobs of further ones stand together as (other); "
            "does a worker put an id or a time into its task's name?"
        )
        return [MonitorTrouble(rule=TASKS_FOLDED, text=text)]
