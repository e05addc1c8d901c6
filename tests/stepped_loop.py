"""An event loop whose clock goes on by itself alone: nobody waits, and as much time has passed as was asked for."""

from __future__ import annotations

import asyncio
import selectors

from typing_extensions import override


class _Waiting(selectors.DefaultSelector):
    """Waits for nothing; what would have been waited for is time that has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nothing is planned, and nobody else can bring anything"
            self.passed_s += timeout
        return ready


class SteppedLoop(asyncio.SelectorEventLoop):
    """The loop; its time begins with 0."""

    def __init__(self) -> None:
        self._waiting = _Waiting()
        super().__init__(self._waiting)

    @override
    def time(self) -> float:
        """Seconds."""
        return self._waiting.passed_s
