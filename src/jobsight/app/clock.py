"""The clocks of the node, and how a line reaches the operator."""

from __future__ import annotations

import time
from collections.abc import Callable

Say = Callable[[str], None]
"""Writes one line for the operator."""


def steady_ms() -> int:
    """Milliseconds of a clock that nobody can set and that goes on while the machine sleeps; it begins anywhere."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000_000


def clock_ms() -> int:
    """Wall time in milliseconds since the epoch, UTC. The one place where the clock is read."""
    return time.time_ns() // 1_000_000
