"""What the ended runs of a task say about its next ones."""

from __future__ import annotations

from collections.abc import Sequence

from jobsight.core.check import Check


def durations_of(check: Check) -> tuple[int, ...]:
    """The known durations of the successful runs that are remembered, in ms, in their order."""
    return tuple([run.duration_ms for run in check.ended if run.is_success and run.duration_ms is not None])


def quantile(rising: Sequence[float], share: float) -> float:
    """The value below which a share (0 to 1) of the rising values lies; between two ranks on the line between them."""
    place = share * (len(rising) - 1)
    low = int(place)
    high = min(low + 1, len(rising) - 1)
    return rising[low] + (rising[high] - rising[low]) * (place - low)
