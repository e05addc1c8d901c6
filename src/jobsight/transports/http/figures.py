"""From roll-ups to the figures that queries answer. Arithmetic only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from msgspec import UNSET

from jobsight.core.histogram import quantiles_ms
from jobsight.core.job import COMPLETED, FAILED, LOST
from jobsight.core.rollup import WIDTHS_S, Rollup, merge_rollup
from jobsight.core.statistics import Counters, mean_ms
from jobsight.transports.http.answers import PointAnswer, TaskAnswer
from jobsight.view.answers import SeriesPoint

POINTS_MAX: Final = 600
"""Points of a series."""

CLASSES_PER_OCTAVE: Final = 4
"""Of a histogram as it is answered: each class is at most 1/4 of its lower bound wide."""

_EXACT_BELOW_US: Final = 128


class EndedFigures(NamedTuple):
    """Of what ended: percentiles of the durations in ms, and the share that failed; None where nothing ended."""

    p50_ms: float | None
    p95_ms: float | None
    failure_rate: float | None


def width_for(span_ms: int) -> int:
    """The width in seconds of the points of a series over so many milliseconds: the finest that keeps to `POINTS_MAX`."""
    for width_s in WIDTHS_S:
        if span_ms <= (POINTS_MAX - 1) * width_s * 1000:
            return width_s
    days = -(-span_ms // (WIDTHS_S[-1] * 1000 * (POINTS_MAX - 1)))
    return WIDTHS_S[-1] * days


def stored_width(width_s: int) -> int:
    """The width of the stored buckets that make points of a width."""
    return width_s if width_s in WIDTHS_S else WIDTHS_S[-1]


def points_of(series: Iterable[SeriesPoint], width_s: int, *, has_histogram: bool) -> list[PointAnswer]:
    """Decoded buckets as points of a width that is theirs or a multiple of it."""
    merged: dict[int, Rollup] = {}
    for point in series:
        at_ms = point.bucket_ms - point.bucket_ms % (width_s * 1000)
        known = merged.get(at_ms)
        if known is None:
            merged[at_ms] = point.rollup
        else:
            merge_rollup(known, point.rollup)
    return [point_of(at_ms, rollup, has_histogram=has_histogram) for at_ms, rollup in sorted(merged.items())]


def ended_of(ended: Rollup) -> EndedFigures:
    """The figures of what ended, as a task is listed with them."""
    p50_ms, p95_ms = quantiles_ms(ended.durations, (0.5, 0.95))
    bad = ended.ends.get(FAILED, 0) + ended.ends.get(LOST, 0)
    judged = bad + ended.ends.get(COMPLETED, 0)
    return EndedFigures(p50_ms, p95_ms, bad / judged if judged else None)


def task_answer(
    task: str,
    counters: Iterable[Counters],
    ended: EndedFigures,
    last: tuple[int | None, str | None, int | None],
) -> TaskAnswer:
    """
    A task as it is listed.

    Args:
        task: Its name.
        counters: Of its queues.
        ended: What ended lately.
        last: Latest end, status there, latest success.
    """
    statuses: dict[str, int] = {}
    for one in counters:
        for word, count in one.statuses.items():
            if count:
                statuses[word] = statuses.get(word, 0) + count
    return TaskAnswer(
        task=task,
        total=sum(statuses.values()),
        by_status=statuses,
        last_end_ms=last[0],
        last_status=last[1],
        last_success_ms=last[2],
        p50_ms=ended.p50_ms,
        p95_ms=ended.p95_ms,
        failure_rate=ended.failure_rate,
    )


def classes_of(durations: Mapping[int, int]) -> list[tuple[float, int]]:
    """A histogram in coarse classes: upper bound in ms and count, rising, without empty ones."""
    classes: dict[int, int] = {}
    for bucket, count in durations.items():
        upper = _uppers_us[bucket]
        classes[upper] = classes.get(upper, 0) + count
    return [(upper / 1000, count) for upper, count in sorted(classes.items())]


def _upper_us(bucket: int) -> int:
    """The upper bound, in microseconds, of the coarse class in which a bucket of `core.histogram` lies."""
    if bucket < _EXACT_BELOW_US:
        return _EXACT_BELOW_US
    shift = (bucket >> 6) - 1
    low = bucket - (shift << 6)
    step = 64 // CLASSES_PER_OCTAVE
    return (low - low % step + step) << shift


class _Uppers(dict[int, int]):
    """Upper bounds by buckets, worked out once each. There are some thousand buckets in all."""

    def __missing__(self, bucket: int) -> int:
        upper = self[bucket] = _upper_us(bucket)
        return upper


_uppers_us: Final = _Uppers()


def point_of(at_ms: int, rollup: Rollup, *, has_histogram: bool) -> PointAnswer:
    """What ended within one bucket of time, as a point."""
    p50_ms, p95_ms = quantiles_ms(rollup.durations, (0.5, 0.95))
    return PointAnswer(
        at_ms=at_ms,
        ends=dict(rollup.ends),
        avg_duration_ms=mean_ms(rollup.duration_sum_us, rollup.duration_count),
        p50_ms=p50_ms,
        p95_ms=p95_ms,
        histogram=classes_of(rollup.durations) if has_histogram else UNSET,
    )
