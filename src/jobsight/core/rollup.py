"""
Roll-ups over time: ends as they happened, per task, with a mergeable histogram of durations.

`apply` fills buckets of the finest width; coarser ones are sums of finer ones, made when the view is flushed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from jobsight.core.histogram import Histogram, merge

WIDTHS_S: Final = (10, 300, 3_600, 86_400)
"""Widths of the buckets in seconds; each divides the next."""

MEASURES_ROLLED_MAX: Final = 16
"""Different measures of `resource_usage` that one bucket sums; further names are kept with the job only."""


@dataclass(slots=True)
class MeasureSum:
    """Count, sum and maximum of one measure of resource usage, in the measure's own unit."""

    count: int = 0
    sum: float = 0.0
    max: float = 0.0


@dataclass(slots=True, kw_only=True)
class Rollup:
    """
    What ended within one bucket of time. With slots as `Job`, for speed.

    Attributes:
        ends: Terminal status -> number of ends (a reopened job that ends again counts again).
        duration_sum_us: Over `duration_count` completions that told their duration, microseconds.
        durations: Histogram of those durations.
        measures: Resource usage by name.
    """

    ends: dict[str, int] = field(default_factory=dict)
    duration_count: int = 0
    duration_sum_us: int = 0
    duration_max_us: int = 0
    durations: Histogram = field(default_factory=dict)
    measures: dict[str, MeasureSum] = field(default_factory=dict)


RollupKey = tuple[int, str | None]
"""(start of the bucket in ms since the epoch, task)."""


def bucket_start_ms(at_ms: int, width_s: int) -> int:
    """The start of the bucket of a moment; both in ms since the epoch, UTC."""
    return at_ms - at_ms % (width_s * 1000)


def count_duration(rollup: Rollup, duration_us: int) -> None:
    """Add one known duration in microseconds."""
    rollup.duration_count += 1
    rollup.duration_sum_us += duration_us
    if duration_us > rollup.duration_max_us:
        rollup.duration_max_us = duration_us
    durations = rollup.durations
    # For speed alone: `bucket_of` without a call.
    shift = duration_us.bit_length() - 7
    bucket = (shift << 6) + (duration_us >> shift) if shift > 0 else duration_us
    if bucket in durations:
        durations[bucket] += 1
    else:
        durations[bucket] = 1


def count_measures(rollup: Rollup, usage: dict[str, int | float | None]) -> None:
    """Add the numbers of one `resource_usage`; null values are unknown and count nowhere."""
    measures = rollup.measures
    for name, value in usage.items():
        if value is None:
            continue
        known = measures.get(name)
        if known is None:
            if len(measures) >= MEASURES_ROLLED_MAX:
                continue
            known = measures[name] = MeasureSum(max=value)
        known.count += 1
        known.sum += value
        if value > known.max:
            known.max = value


def merge_rollup(into: Rollup, other: Rollup) -> None:
    """Add `other` to `into`. The order of merging does not matter."""
    for status, count in other.ends.items():
        into.ends[status] = into.ends.get(status, 0) + count
    into.duration_count += other.duration_count
    into.duration_sum_us += other.duration_sum_us
    into.duration_max_us = max(into.duration_max_us, other.duration_max_us)
    merge(into.durations, other.durations)
    for name, measure in other.measures.items():
        known = into.measures.get(name)
        if known is None:
            into.measures[name] = MeasureSum(measure.count, measure.sum, measure.max)
        else:
            known.count += measure.count
            known.sum += measure.sum
            known.max = max(known.max, measure.max)
