"""The one clock of the node, and how a line reaches the operator."""

from __future__ import annotations

import time
from collections.abc import Callable

Say = Callable[[str], None]
"""Writes one line for the operator."""


def clock_ms() -> int:
    """Wall time in milliseconds since the epoch, UTC. The one place where the clock is read."""
    return time.time_ns() // 1_000_000
