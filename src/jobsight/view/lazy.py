"""The view of a node that keeps everything in memory: made only when there is more than the state itself should hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from jobsight.core.job import Job
from jobsight.core.state import State

if TYPE_CHECKING:
    from jobsight.view.queries import Reader
    from jobsight.view.store import View

HELD_EVENTS_MAX: Final = 10_000
"""Unflushed events that simply stay in the state. A short session never loads SQLite."""


class LazyView:
    """A read model in memory that begins as nothing, and becomes a real one with the first query or the first long flush."""

    def __init__(self, log_id: str) -> None:
        self._log_id = log_id
        self._view: View | None = None
        self._reader: Reader | None = None

    def load_state(self) -> State:
        """An empty state."""
        return State()

    def applied_checksum(self) -> bytes:
        """Nothing was applied."""
        return b""

    def fetch(self, job_ids: Sequence[str], state: State) -> list[Job]:
        """Those of the jobs that have left the memory of the state."""
        return [] if self._view is None else self._view.fetch(job_ids, state)

    def flush(self, state: State, checksum: bytes) -> None:
        """Store what has changed, once there is much of it; until then it stays in the state."""
        if self._view is not None or state.changes.events >= HELD_EVENTS_MAX:
            self._real().flush(state, checksum)

    @property
    def wants_flush(self) -> bool:
        """Whether something that is no longer kept waits to be deleted."""
        return self._view is not None and self._view.wants_flush

    @property
    def trouble(self) -> str | None:
        """Nothing: there is no disk."""
        return None

    def note_alive(self, at_ms: int) -> None:
        """Nothing: there is no start after the end of the memory."""

    def reader(self) -> Reader:
        """Answers as of the last flush; from here on, every flush is stored."""
        from jobsight.view.queries import Reader

        if self._reader is None:
            self._reader = Reader(self._real().connection, None)
        return self._reader

    def close(self) -> None:
        """Release the memory; a second call does nothing."""
        if self._view is not None:
            self._view.close()

    def _real(self) -> View:
        from jobsight.view.store import View

        if self._view is None:
            self._view = View.open(None, self._log_id)
        return self._view
