"""Retention: once an hour, where there may be something to let go of, says in the log up to when things are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from jobsight.core.events import InternalEvent, RetentionPassed
from jobsight.core.kept import ROLLUP_KEPT_MS
from jobsight.core.state import State
from jobsight.engine.ticker import Submit

EVERY_MS: Final = 3_600_000
"""The cutoffs move by at least so much."""

AUTHOR: Final = "retention"


class KeepTimes(Struct, frozen=True, kw_only=True):
    """How long jobs are kept after their end (`completed_ms`: those that completed), and batches in the log; ms, 0 for ever."""

    completed_ms: int = 30 * 86_400_000
    other_ms: int = 90 * 86_400_000
    log_ms: int = 90 * 86_400_000


class Retention:
    """
    Moves the cutoffs on. Belongs to the writer's owner, as the state does.

    Args:
        keep: How long.
        state: The writer's; says where the cutoffs are.
        submit_events: Brings the event into the log.
        clock_ms: Wall time, ms since the epoch, UTC.
        began_ms: When the log was made: nothing is older than that.
    """

    def __init__(
        self, keep: KeepTimes, state: State, submit_events: Submit, clock_ms: Callable[[], int], began_ms: int
    ) -> None:
        self._keep: Final = keep
        self._state: Final = state
        self._submit: Final = submit_events
        self._clock_ms: Final = clock_ms
        shortest_ms = min(ms for ms in (keep.completed_ms, keep.other_ms, *ROLLUP_KEPT_MS.values()) if ms)
        self._first_ms: Final = began_ms + shortest_ms + EVERY_MS
        self._is_waiting = False

    def due_ms(self) -> int | None:
        """In how many milliseconds `tick` wants to be called; None while an answer is waited for."""
        return None if self._is_waiting else min(EVERY_MS, max(0, self._next_ms() - self._clock_ms()))

    def tick(self) -> None:
        """Say up to when things are kept, if that has moved by an hour. Cheap when it has not."""
        now_ms = self._clock_ms()
        if self._is_waiting or now_ms < self._next_ms():
            return
        self._is_waiting = True
        events: list[InternalEvent] = [
            RetentionPassed(
                completed_before_ms=_cutoff_ms(now_ms, self._keep.completed_ms),
                other_before_ms=_cutoff_ms(now_ms, self._keep.other_ms),
                author=AUTHOR,
            )
        ]
        self._submit(events, self._heard)

    def _heard(self, is_stored: bool) -> None:
        """The event was applied, or could not be stored: then it is said again with the next tick."""
        self._is_waiting = False

    def _next_ms(self) -> int:
        return max(self._first_ms, self._state.kept.as_of_ms + EVERY_MS)


def _cutoff_ms(now_ms: int, keep_ms: int) -> int:
    return max(0, now_ms - keep_ms) if keep_ms else 0
