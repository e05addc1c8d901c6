"""The one place where any exception is caught: work that must go on whatever a part of it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")


async def outcome_of(work: Awaitable[Result], seconds: float) -> Result | Exception:
    """
    Await some work for so long at most; what does not even heed being cancelled is left to itself.

    Returns:
        What it gave, or the exception that it raised; TimeoutError when it took longer. Being cancelled passes through.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not task.done():
        task.cancel()
        task.add_done_callback(_look_away)
        return TimeoutError(f"it took longer than {seconds} s")
    try:
        return task.result()
    except asyncio.CancelledError:
        return RuntimeError("it was cancelled from within")
    except Exception as error:
        return error


def _look_away(task: asyncio.Future[Result]) -> None:
    """Nobody waits for this any more: what it ends with is of no interest."""
    if not task.cancelled():
        task.exception()
