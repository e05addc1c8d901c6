"""Far sides in a thread beside the test, for services that run as processes of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import Any, TypeVar

from http_service import DEADLINE_S

Sink = TypeVar("Sink")


@contextmanager
def beside(*makers: Callable[[], AbstractAsyncContextManager[Any]]) -> Iterator[list[Any]]:
    """Enter these contexts on a loop of its own, until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sinks", daemon=True)
    thread.start()
    stack = AsyncExitStack()

    async def enter() -> list[Any]:
        return [await stack.enter_async_context(make()) for make in makers]

    try:
        yield asyncio.run_coroutine_threadsafe(enter(), loop).result(DEADLINE_S)
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(DEADLINE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE_S)
        loop.close()
