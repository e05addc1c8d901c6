"""How long a job will still run, judged by how long the jobs of its task have run. Arithmetic only."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from jobsight.core.histogram import middle_us, quantiles_ms

RUNS_MIN: Final = 20
"""Below so many known durations an estimate is hardly one."""

PROGRESS_MIN: Final = 5.0
"""Percent from which on a job's own pace says something."""


class Sureness(StrEnum):
    """How much an estimate is worth."""

    LITTLE_KNOWN = "little is known"
    ROUGH = "rough"
    FAIR = "fair"
    GOOD = "good"


class Estimate(Struct, frozen=True, kw_only=True):
    """
    When a running job ends, as others of its task have.

    Attributes:
        likely_ms: Half of those that ran as long as this one already does were done within so much more time.
        latest_ms: 95 % of them were.
        runs: Durations that this rests on; `longer` of them are longer than the job has run.
        pace_ms: By its own progress, at the pace so far; None where that says nothing.
        is_beyond: It has run longer than every one of them; then nothing can be said.
    """

    likely_ms: float | None
    latest_ms: float | None
    runs: int
    longer: int
    pace_ms: float | None
    sureness: Sureness
    is_beyond: bool


def estimate(histogram: Mapping[int, int], ran_ms: float, progress: float | None) -> Estimate:
    """
    How much longer a job runs.

    Args:
        histogram: Durations of completed jobs of its task, see `core.histogram`.
        ran_ms: How long it has run so far.
        progress: Percent, as it was told last.
    """
    runs = sum(histogram.values())
    rest = {bucket: count for bucket, count in histogram.items() if middle_us(bucket) / 1000 > ran_ms}
    likely_ms, latest_ms = quantiles_ms(rest, (0.5, 0.95))
    pace_ms = None
    if progress is not None and PROGRESS_MIN <= progress < 100:
        pace_ms = ran_ms * (100 - progress) / progress
    return Estimate(
        likely_ms=None if likely_ms is None else likely_ms - ran_ms,
        latest_ms=None if latest_ms is None else latest_ms - ran_ms,
        runs=runs,
        longer=sum(rest.values()),
        pace_ms=pace_ms,
        sureness=_sureness(runs, likely_ms, latest_ms),
        is_beyond=bool(runs) and not rest,
    )


def _sureness(runs: int, likely_ms: float | None, latest_ms: float | None) -> Sureness:
    """By how many runs there are, and by how far the middle of them is from the slow ones."""
    if runs < RUNS_MIN or not likely_ms or latest_ms is None:
        return Sureness.LITTLE_KNOWN
    spread = latest_ms / likely_ms
    return Sureness.GOOD if spread <= 1.5 else Sureness.FAIR if spread <= 3 else Sureness.ROUGH
