"""Work that blocks, in threads that may be left behind: a channel that never returns holds up neither others nor the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Any, Generic, TypeVar

ResultT = TypeVar("ResultT")


async def in_thread(function: Callable[..., ResultT], *arguments: Any) -> ResultT:
    """
    What a function returns or raises, called in a thread of its own.

    Whoever is cancelled here leaves the thread behind; as a daemon it does not keep the process from ending, which a
    thread of the loop's own pool would.
    """
    handover = _Handover[ResultT]()

    def run() -> None:
        with handover:
            handover.value = function(*arguments)

    Thread(target=run, name="jobsight-channel", daemon=True).start()
    return await handover.future


class _Handover(Generic[ResultT]):
    """Carries a value, or the error that ended its block, from a thread to the loop that waits for it."""

    value: ResultT

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[ResultT] = self._loop.create_future()

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        with suppress(RuntimeError):  # the loop may have ended meanwhile
            self._loop.call_soon_threadsafe(self._settle, error)
        return True

    def _settle(self, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(self.value)
        else:
            self.future.set_exception(error)
