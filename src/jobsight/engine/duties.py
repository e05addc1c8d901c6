"""What the owner of a writer does beside its work, from time to time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from jobsight.core.events import InternalEvent
from jobsight.engine.ticker import Submit
from jobsight.engine.writer import Writer


class Duty(Protocol):
    """Something that wants to be called when its time has come."""

    def due_ms(self) -> int | None:
        """In how many milliseconds `tick` wants to be called; None for not at all as things are."""
        ...

    def tick(self) -> None:
        """Do what is due. Cheap when nothing is."""
        ...


class Duties:
    """Several duties as one."""

    def __init__(self, duties: Sequence[Duty]) -> None:
        self._duties: Final = tuple(duties)

    def due_ms(self) -> int | None:
        """When the first of them is due."""
        return min((due_ms for duty in self._duties if (due_ms := duty.due_ms()) is not None), default=None)

    def tick(self) -> None:
        """Let each of them do what is due."""
        for duty in self._duties:
            duty.tick()


def submit_of(writer: Writer) -> Submit:
    """What brings events of the monitor into a writer's log."""

    def submit(events: list[InternalEvent], done: Callable[[bool], None]) -> None:
        writer.submit_events(events, lambda outcome: done(outcome.failure is None))

    return submit
