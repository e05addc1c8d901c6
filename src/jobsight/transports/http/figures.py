"""From roll-ups to the figures that queries answer. Arithmetic only."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from msgspec import UNSET

from jobsight.core.histogram import Ranked, quantiles_of, quantiles_of_all
from jobsight.core.job import COMPLETED, FAILED, LOST
from jobsight.core.rollup import WIDTHS_S, Rollup, merge_rollup
from jobsight.core.statistics import Counters, mean_ms
from jobsight.transports.http.answers import PointAnswer, TaskAnswer
from jobsight.view.answers import SeriesPoint
from jobsight.view.rollup_content import RankedRollup, ranked_of

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
    return [point_of(at_ms, ranked_of(rollup), has_histogram=has_histogram) for at_ms, rollup in sorted(merged.items())]


def ended_of(parts: Sequence[RankedRollup]) -> EndedFigures:
    """The figures of what ended, as a task is listed with them; of a few buckets together."""
    p50_ms, p95_ms = quantiles_of_all([part.durations for part in parts], (0.5, 0.95))
    bad = sum(part.ends.get(FAILED, 0) + part.ends.get(LOST, 0) for part in parts)
    judged = bad + sum(part.ends.get(COMPLETED, 0) for part in parts)
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


def classes_of(durations: Ranked) -> list[tuple[float, int]]:
    """A histogram in coarse classes: upper bound in ms and count, rising, without empty ones."""
    buckets, upto = durations
    classes: list[tuple[float, int]] = []
    place = before = 0
    while place < len(buckets):
        upper_ms, end = _classes[buckets[place]]
        place = bisect_left(buckets, end, place)
        classes.append((upper_ms, upto[place - 1] - before))
        before = upto[place - 1]
    return classes


def _class_of(bucket: int) -> tuple[float, int]:
    """The coarse class in which a bucket of `core.histogram` lies: its upper bound in ms, the first bucket after it."""
    if bucket < _EXACT_BELOW_US:
        return _EXACT_BELOW_US / 1000, _EXACT_BELOW_US
    step = 64 // CLASSES_PER_OCTAVE
    end = bucket - bucket % step + step
    shift = (bucket >> 6) - 1
    return (end - (shift << 6) << shift) / 1000, end


class _Classes(dict[int, tuple[float, int]]):
    """Classes by buckets, worked out once each. There are some thousand buckets in all."""

    def __missing__(self, bucket: int) -> tuple[float, int]:
        found = self[bucket] = _class_of(bucket)
        return found


_classes: Final = _Classes()


def point_of(at_ms: int, rollup: RankedRollup, *, has_histogram: bool) -> PointAnswer:
    """What ended within one bucket of time, as a point."""
    p50_ms, p95_ms = quantiles_of(rollup.durations, (0.5, 0.95))
    return PointAnswer(
        at_ms=at_ms,
        ends=rollup.ends,
        avg_duration_ms=mean_ms(rollup.duration_sum_us, rollup.duration_count),
        p50_ms=p50_ms,
        p95_ms=p95_ms,
        histogram=classes_of(rollup.durations) if has_histogram else UNSET,
    )
