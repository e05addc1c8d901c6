"""A token bucket for each caller: a steady rate, and a burst above it."""

from __future__ import annotations

from typing import Final

CALLERS_MAX: Final = 10_000
"""Callers with a bucket of their own; the one that was quiet longest gives way, and begins with a full one again."""


class RateLimit:
    """
    Bounds how often each caller may come.

    Args:
        per_second: The steady rate; 0 for no bound.
        burst: How many may come at once after a quiet time; as many as come in a second where this is missing.
    """

    def __init__(self, per_second: float, *, burst: int | None = None) -> None:
        self._per_second = per_second
        self._burst = float(per_second if burst is None else burst)
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait_seconds(self, caller: str, now: float) -> float:
        """
        Take one turn.

        Args:
            caller: Whose bucket.
            now: Seconds of a clock that only goes forward.

        Returns:
            0 when it may go on; else in how many seconds there is a turn again.
        """
        rate = self._per_second
        if not rate:
            return 0.0
        buckets = self._buckets
        found = buckets.pop(caller, None)
        if found is None:
            if len(buckets) >= CALLERS_MAX:
                del buckets[next(iter(buckets))]
            turns = self._burst
        else:
            turns = min(self._burst, found[0] + (now - found[1]) * rate)
        if turns < 1:
            buckets[caller] = (turns, now)
            return (1 - turns) / rate
        buckets[caller] = (turns - 1, now)
        return 0.0
