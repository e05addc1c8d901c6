"""The view of a node that keeps everything in memory: made only when there is more than the state itself can hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jobsight.core.job import Job
from jobsight.core.state import State

HELD_EVENTS_MAX: Final = 10_000
"""Unflushed events that simply stay in the state. A short session never loads SQLite."""


class LazyView:
    """A read model that begins as nothing."""

    def __init__(self, log_id: str) -> None:
        self._log_id = log_id

    def load_state(self) -> State:
        """An empty state."""
        return State()

    def applied_checksum(self) -> bytes:
        """Nothing was applied."""
        return b""

    def fetch(self, job_ids: Sequence[str], state: State) -> list[Job]:
        """Nothing has left the memory."""
        return []

    def flush(self, state: State, checksum: bytes) -> None:
        """Leave the changes where they are."""

    def close(self) -> None:
        """Nothing to release."""
