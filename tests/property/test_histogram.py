"""Durations are counted in a histogram that can be merged in any order, with a known relative error."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from jobsight.core.histogram import (
    RELATIVE_ERROR_MAX,
    Histogram,
    bucket_of,
    merge,
    middle_us,
    quantiles_ms,
    quantiles_of_all,
    ranked,
)
from jobsight.core.lifecycle import count_end
from jobsight.core.limits import MEASURE_MAX
from jobsight.core.rollup import Rollup, count_duration, count_measures, merge_rollup

DURATIONS_US = st.integers(0, MEASURE_MAX * 1000) | st.integers(0, 10_000)
MANY = st.lists(DURATIONS_US, max_size=30)


def histogram_of(durations_us: list[int]) -> Histogram:
    """A histogram of durations."""
    return dict(Counter(map(bucket_of, durations_us)))


def merged(*histograms: Histogram) -> Histogram:
    """Merged from left to right, leaving them as they are."""
    into: Histogram = {}
    for one in histograms:
        merge(into, one)
    return into


@given(MANY, MANY, MANY)
def test_merging_is_associative_and_commutative(first: list[int], second: list[int], third: list[int]) -> None:
    """Roll-ups of any nodes and times can be added up in any order, and nothing is counted that was not."""
    a, b, c = map(histogram_of, (first, second, third))

    assert merged(merged(a, b), c) == merged(a, merged(b, c)) == merged(c, b, a) == histogram_of(first + second + third)
    assert merged(a) == a == merged({}, a)


@given(DURATIONS_US)
def test_a_bucket_stands_for_its_values_within_the_known_error(duration_us: int) -> None:
    """The error that is stated is the error."""
    assert abs(middle_us(bucket_of(duration_us)) - duration_us) <= duration_us * RELATIVE_ERROR_MAX


@given(DURATIONS_US, DURATIONS_US)
def test_longer_durations_never_fall_into_lower_buckets(first: int, second: int) -> None:
    """Buckets grow with the duration."""
    low, high = sorted((first, second))

    assert bucket_of(low) <= bucket_of(high)
    assert bucket_of(high) - bucket_of(high - 1 if high else 0) in {0, 1}


@given(st.lists(DURATIONS_US, min_size=1, max_size=50), st.floats(0, 1))
def test_a_quantile_is_the_value_of_its_rank_within_the_known_error(durations_us: list[int], share: float) -> None:
    """p50, p95 and p99 are real durations, at most the stated error away."""
    (answer,) = quantiles_ms(histogram_of(durations_us), [share])
    exact_ms = sorted(durations_us)[int(share * (len(durations_us) - 1))] / 1000

    assert answer is not None
    assert abs(answer - exact_ms) <= exact_ms * RELATIVE_ERROR_MAX * (1 + 1e-12)


def test_no_durations_have_no_quantile() -> None:
    """Nothing is invented."""
    assert [None, None] == quantiles_ms({}, [0.5, 0.99])


@st.composite
def rollups(draw: st.DrawFn) -> Rollup:
    """A roll-up as some events make it; whole numbers, so that sums are exact in any order."""
    rollup = Rollup()
    for status in draw(st.lists(st.sampled_from(["completed", "failed"]), max_size=5)):
        count_end(rollup, status)
    for duration_us in draw(st.lists(DURATIONS_US, max_size=5)):
        count_duration(rollup, duration_us)
    for value in draw(st.lists(st.integers(0, 1000), max_size=5)):
        count_measures(rollup, {"rows": value, "memory_mb": None})
    return rollup


@given(rollups(), rollups(), rollups())
def test_roll_ups_merge_in_any_order(a: Rollup, b: Rollup, c: Rollup) -> None:
    """Coarser buckets of time are sums of finer ones, however they are added up."""

    def added(*some: Rollup) -> object:
        into = Rollup()
        for one in some:
            merge_rollup(into, deepcopy(one))
        return msgspec.to_builtins(into)

    bc = deepcopy(b)
    merge_rollup(bc, deepcopy(c))

    assert added(a, b, c) == added(c, b, a) == added(a, bc)


@example([[1_000, 5_000], [90, 5_000, 70_000]], [0, 0.25, 0.5, 1])
@given(st.lists(MANY, max_size=4), st.lists(st.floats(0, 1), max_size=3))
def test_quantiles_of_several_histograms_are_those_of_their_sum(many: list[list[int]], shares: list[float]) -> None:
    """A task's figures over days need no merging."""
    histograms = [histogram_of(durations_us) for durations_us in many]

    assert quantiles_ms(merged(*histograms), shares) == quantiles_of_all([ranked(one) for one in histograms], shares)
