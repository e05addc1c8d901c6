"""The dead-man's switch: somebody else is told every minute that this monitor is well, and notices when that stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from jobsight.engine.supervisor import outcome_of

EVERY_SECONDS: Final = 60
PING_SECONDS_MAX: Final = 20


class DeadMan:
    """
    Pings while there is nothing wrong. Lives on the service's loop.

    Args:
        ping: One ping; raises where it was not taken.
        faults: What is wrong with the monitor, in words.
        say: Told when pings begin and end, and when one was not taken.
        every_seconds: Between two pings.
    """

    def __init__(
        self,
        ping: Callable[[], Awaitable[object]],
        faults: Callable[[], list[str]],
        say: Callable[[str], None],
        *,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._ping: Final = ping
        self._faults: Final = faults
        self._say: Final = say
        self._every_seconds: Final = every_seconds
        self._said: str | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End; what is watching from outside will notice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def beat(self) -> None:
        """One ping, or the reason why there is none."""
        faults = self._faults()
        trouble: str | None = None
        if faults:
            trouble = f"the dead-man's switch is not pinged: {'; '.join(faults)}"
        else:
            outcome = await outcome_of(self._ping(), PING_SECONDS_MAX)
            if isinstance(outcome, Exception):
                trouble = f"the ping of the dead-man's switch was not taken: {outcome}"
        if trouble != self._said:
            self._say(trouble or "the dead-man's switch is pinged again")
        self._said = trouble

    async def _run(self) -> None:
        while True:
            await self.beat()
            await asyncio.sleep(self._every_seconds)
