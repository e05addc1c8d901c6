"""Who may still write when the disk is full: the monitor itself, into room that was kept aside for that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final, Protocol

from jobsight.errors import StorageFullError
from jobsight.logs.base import Entry, Head, Log

LOOK_MS: Final = 1_000
"""While there is no room, it is looked so often whether there is some again."""


class Reserve(Protocol):
    """Room on the disk that is kept aside."""

    def free(self) -> None:
        """Give the room back to the system. A second call does nothing."""
        ...

    def make(self) -> bool:
        """Keep the room aside again, if clearly more than that is free; whether it is kept now, and there is more."""
        ...


class LastRoom:
    """
    Stores what may be stored as the disk stands.

    When the disk is full, what was kept aside is given to events of the monitor itself, so that its own alert gets
    through. Reports and the view would take it within a moment: they wait until as much is kept aside again. Belongs to
    the log thread and to the writer's owner.

    Args:
        log: Where batches become durable.
        reserve: What is kept aside; None where nothing is, as in memory: then everybody tries each time.
        steady_ms: Time that nobody can set, in ms from any beginning.

    Attributes:
        is_short: Whether the log has found no room, and none has come since.
    """

    def __init__(self, log: Log, reserve: Reserve | None, steady_ms: Callable[[], int]) -> None:
        self.is_short = False
        self._log: Final = log
        self._reserve: Final = reserve
        self._steady_ms: Final = steady_ms
        self._is_given = False
        self._looked_ms = 0
        self._lock: Final = Lock()

    def append(self, entries: Sequence[Entry], *, is_own: bool) -> list[Head]:
        """
        Append to the log.

        Args:
            entries: All or none are stored.
            is_own: Whether they are events of the monitor itself.

        Returns:
            Where each one stands.

        Raises:
            StorageFullError, StorageError: As `Log.append`.
        """
        if self.is_short and not is_own:
            with self._lock:
                self._require_room()
        try:
            heads = self._log.append(entries)
        except StorageFullError:
            with self._lock:  # a flush that is under way must not take what is given now
                self.is_short, self._looked_ms = True, self._steady_ms()
                if self._reserve is None or self._is_given or not is_own:
                    raise
                self._reserve.free()
                self._is_given = True
                return self._log.append(entries)
        if self._reserve is None:
            self.is_short = False
        return heads

    def write(self, work: Callable[[], None]) -> None:
        """Let something else be written, such as the view. Raises StorageFullError without trying, and what `work` raises."""
        with self._lock:
            self._require_room()
            work()

    def _require_room(self) -> None:
        """Under the lock: there is room, or there is again; else StorageFullError."""
        if not self.is_short or self._reserve is None:
            return
        now_ms = self._steady_ms()
        if abs(now_ms - self._looked_ms) >= LOOK_MS:
            self._looked_ms = now_ms
            if self._reserve.make():
                self._is_given = self.is_short = False
                return
        raise StorageFullError("the disk is full: what is left is for the monitor's own events; free some space")
