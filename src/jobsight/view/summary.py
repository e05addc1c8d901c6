"""From a roll-up to what an operator asks: percentiles, failure rate, throughput, resource usage. Arithmetic only."""

from __future__ import annotations

from jobsight.core.histogram import quantiles_ms
from jobsight.core.job import COMPLETED, FAILED, LOST
from jobsight.core.rollup import Rollup
from jobsight.core.statistics import mean_ms
from jobsight.view.answers import MeasureSummary, Summary


def summary_of(rollup: Rollup, span_ms: int) -> Summary:
    """
    Sum up what ended within a range.

    Args:
        rollup: The merged buckets of the range.
        span_ms: Length of the range; it divides the throughput, at least one second.
    """
    ends = rollup.ends
    bad = ends.get(FAILED, 0) + ends.get(LOST, 0)
    judged = bad + ends.get(COMPLETED, 0)
    max_ms = mean_ms(rollup.duration_max_us, 1) if rollup.duration_count else None
    p50_ms, p95_ms, p99_ms = (
        value if value is None or max_ms is None else min(value, max_ms)
        for value in quantiles_ms(rollup.durations, (0.5, 0.95, 0.99))
    )
    return Summary(
        ends=dict(ends),
        avg_duration_ms=mean_ms(rollup.duration_sum_us, rollup.duration_count),
        p50_ms=p50_ms,
        p95_ms=p95_ms,
        p99_ms=p99_ms,
        max_ms=max_ms,
        failure_rate=bad / judged if judged else None,
        throughput_per_s=sum(ends.values()) * 1000 / max(1000, span_ms),
        resource_usage={
            name: MeasureSummary(count=one.count, mean=one.sum / one.count, max=one.max)
            for name, one in rollup.measures.items()
        },
    )
