"""What the owner of a writer does beside its work, from time to time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from jobsight.core.events import InternalEvent
from jobsight.engine.ticker import Submit
from jobsight.engine.writer import Writer

REST_MS: Final = 1_000
"""Between two tries while the log takes nothing."""


class Duty(Protocol):
    """Something that wants to be called when its time has come."""

    def due_ms(self) -> int | None:
        """In how many milliseconds `tick` wants to be called; None for not at all as things are."""
        ...

    def tick(self) -> None:
        """Do what is due. Cheap when nothing is."""
        ...


class Duties:
    """
    Several duties as one.

    Args:
        duties: In the order in which they are done.
        is_stuck: Whether the log takes nothing at the moment: then they rest for a while after each try, as what cannot be
            stored is due again at once.
        steady_ms: Time that nobody can set, in ms from any beginning.
        is_behind: Whether more was due in the last tick than it has done; the next one is wanted soon.
    """

    def __init__(
        self,
        duties: Sequence[Duty],
        is_stuck: Callable[[], bool] = lambda: False,
        steady_ms: Callable[[], int] = lambda: 0,
        is_behind: Callable[[], bool] = lambda: False,
    ) -> None:
        self._duties: Final = tuple(duties)
        self._is_stuck: Final = is_stuck
        self._steady_ms: Final = steady_ms
        self.is_behind: Final = is_behind
        self._rests_until_ms = 0

    def due_ms(self) -> int | None:
        """When the first of them is due."""
        due = min((due_ms for duty in self._duties if (due_ms := duty.due_ms()) is not None), default=None)
        if due is None or not self._is_stuck():
            return due
        return max(due, self._rests_until_ms - self._steady_ms())

    def tick(self) -> None:
        """Let each of them do what is due."""
        if self._is_stuck():
            now_ms = self._steady_ms()
            if now_ms < self._rests_until_ms:
                return
            self._rests_until_ms = now_ms + REST_MS
        for duty in self._duties:
            duty.tick()


def submit_of(writer: Writer) -> Submit:
    """What brings events of the monitor into a writer's log."""

    def submit(events: list[InternalEvent], done: Callable[[bool], None]) -> None:
        writer.submit_events(events, lambda outcome: done(outcome.failure is None))

    return submit
