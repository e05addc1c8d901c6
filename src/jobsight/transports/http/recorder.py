"""What routes that change something need of the writer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from jobsight.core.events import InternalEvent
from jobsight.core.state import State
from jobsight.protocol.session import Outcome


class Recorder(Protocol):
    """What takes events, and the state to which they are applied; a `Writer` is one."""

    @property
    def state(self) -> State:
        """As of the last event."""
        ...

    def submit_events(self, events: list[InternalEvent], deliver: Callable[[Outcome], None]) -> None:
        """Store events and apply them; `deliver` is told."""
        ...

    def flush(self) -> None:
        """Bring the view up to date."""
        ...
