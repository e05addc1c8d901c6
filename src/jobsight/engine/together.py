"""Several things that live on the service's loop, as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol


class Living(Protocol):
    """Something that goes on from `start` to `close`."""

    def start(self) -> None:
        """Begin; a loop runs."""
        ...

    async def close(self) -> None:
        """End, and give everything back."""
        ...


class Together:
    """Begins them in their order, and ends them the other way round."""

    def __init__(self, living: Sequence[Living]) -> None:
        self._living: Final = tuple(living)

    def start(self) -> None:
        """Begin."""
        for one in self._living:
            one.start()

    async def close(self) -> None:
        """End."""
        for one in reversed(self._living):
            await one.close()
