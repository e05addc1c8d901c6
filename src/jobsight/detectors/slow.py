"""
slow, too_fast: a run is far from its own history. Warnings only, and only once 20 runs are known.

A run is slow above max(2 * median, min(median * e^(6 * MADlog), 10 * median), 1.5 * p99), and at least 60 s over the
median; MADlog is the median distance of the logarithms from their median, scaled by 1.4826. It is too fast on the
mirrored side, below an explicit limit, or when one of its measures lies outside of its bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import exp, log
from typing import Final

from jobsight.core.check import RUNS_LEARNED_MIN, Check, EndedRun
from jobsight.core.events import DeadlinePassed
from jobsight.core.gaps import extended_ms
from jobsight.core.rules import SLOW
from jobsight.core.spans import span_text
from jobsight.detectors.base import JobDetector, Watched, found, has_fired, until_it_ends
from jobsight.detectors.history import durations_of, quantile

OVER_MEDIAN_MS_MIN: Final = 60_000
"""A run that is less than this away from the median disturbs nobody."""

REMEMBERED: Final = 4_096
"""Histories of which the limits need not be worked out again."""

_MAD_SCALE: Final = 1.4826
_MADS: Final = 6


@lru_cache(maxsize=REMEMBERED)
def slow_ms(durations: tuple[int, ...]) -> int | None:
    """
    Above which duration a run is slow, in ms; None while too little is known.

    Args:
        durations: Of the last successful runs, ms, in any order.
    """
    if len(durations) < RUNS_LEARNED_MIN:
        return None
    durations = tuple(sorted(durations))
    median = quantile(durations, 0.5)
    spread = min(median * exp(_MADS * _mad_log(durations)), 10 * median)
    limit = max(2 * median, spread, 1.5 * quantile(durations, 0.99))
    return round(max(limit, median + OVER_MEDIAN_MS_MIN))


def _fast_ms(rising: Sequence[int], duration_ms: int) -> int | None:
    """
    Below which duration a run is too fast, in ms; None where one of `duration_ms` is none by any spread, as most are, or too
    little is known.
    """
    if len(rising) < RUNS_LEARNED_MIN:
        return None
    median = quantile(rising, 0.5)
    limit = min(median / 2, quantile(rising, 0.01) / 1.5, median - OVER_MEDIAN_MS_MIN)
    if duration_ms >= limit:
        return None
    return round(min(limit, max(median * exp(-_MADS * _mad_log(rising)), median / 10)))


def _mad_log(durations: Sequence[int]) -> float:
    logs = [log(max(1, duration)) for duration in durations]
    median = quantile(logs, 0.5)
    return _MAD_SCALE * quantile(sorted(abs(one - median) for one in logs), 0.5)


def deadline_ms(watched: Watched) -> int | None:
    """When the run will be slow, ms UTC; None while too little is known, or when it was said already."""
    limit_ms = None if has_fired(watched, SLOW) else slow_ms(durations_of(watched.check))
    started_ms = watched.run.started_ms
    return None if limit_ms is None else extended_ms(watched.gaps, started_ms, started_ms + limit_ms)


def detect(watched: Watched, at_ms: int) -> DeadlinePassed | None:
    """That the run takes far longer than the ones before."""
    due_ms = deadline_ms(watched)
    if due_ms is None or at_ms < due_ms:
        return None
    median = span_text(round(quantile(sorted(durations_of(watched.check)), 0.5)))
    text = f"a job runs for more than {span_text(due_ms - watched.run.started_ms)}, it mostly takes {median}"
    return found(watched, SLOW, due_ms, text)


def detect_fast(check: Check, run: EndedRun) -> str | None:
    """What is suspicious about a run that says that all went well, in one sentence; None for nothing."""
    if not run.is_success:
        return None
    if run.out_of_bounds is not None:
        return run.out_of_bounds
    if run.duration_ms is None:
        return None
    limit_ms = check.expected.min_runtime_ms
    if limit_ms is not None and run.duration_ms < limit_ms:
        return f"a run was done after {span_text(run.duration_ms)}, at least {span_text(limit_ms)} is expected"
    before = [
        one.duration_ms
        for one in check.ended
        if one.is_success and one.duration_ms is not None and one.number < run.number
    ]
    before.sort()
    learned_ms = _fast_ms(before, run.duration_ms)
    if learned_ms is not None and run.duration_ms < learned_ms:
        median = span_text(round(quantile(before, 0.5)))
        return f"a run was done after {span_text(run.duration_ms)}, it mostly takes {median}"
    return None


SLOW_DETECTOR = JobDetector(SLOW, deadline_ms, detect, until_it_ends)
