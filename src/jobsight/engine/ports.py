"""What the engine needs of the read model, so that it names none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from jobsight.core.job import Job
from jobsight.core.state import State


class ReadModel(Protocol):
    """A view of the log that is kept up to date by flushes, and knows every job that has left the memory."""

    def load_state(self) -> State:
        """The state as of the last flush; an empty one for an empty view."""
        ...

    def applied_checksum(self) -> bytes:
        """The log's checksum at the last flush; empty for an empty view."""
        ...

    def fetch(self, job_ids: Sequence[str], state: State) -> list[Job]:
        """Those of the jobs that are stored."""
        ...

    def flush(self, state: State, checksum: bytes) -> None:
        """Store what has changed, all or none, and let the state forget it. Raises StorageFullError, StorageError."""
        ...

    @property
    def wants_flush(self) -> bool:
        """Whether flushes are wanted even while nothing changes: each one deletes a little of what is no longer kept."""
        ...

    @property
    def trouble(self) -> str | None:
        """In words, what the disk does not do for it although every flush is stored; None while all is well."""
        ...

    def note_alive(self, at_ms: int) -> None:
        """Remember that the monitor has watched up to a moment, ms UTC. Raises StorageFullError, StorageError."""
        ...

    def close(self) -> None:
        """Release the files."""
        ...


Fields = Mapping[str, object]
