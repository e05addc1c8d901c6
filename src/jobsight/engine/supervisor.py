"""The one place where any exception is caught: work that must go on whatever a part of it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")


async def outcome_of(work: Awaitable[Result], seconds: float) -> Result | Exception:
    """
    Await some work for so long at most.

    Returns:
        What it gave, or the exception that it raised; TimeoutError when it took longer. Being cancelled passes through.
    """
    try:
        return await asyncio.wait_for(work, seconds)
    except Exception as error:
        return error
