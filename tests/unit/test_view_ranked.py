"""Stored roll-ups: those that are over are put in order, once, and say the same as before."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise

import apsw
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsight.core.histogram import bucket_of, middle_us
from jobsight.core.limits import MEASURE_MAX
from jobsight.core.rollup import WIDTHS_S, MeasureSum, Rollup, bucket_start_ms, count_duration, merge_rollup
from jobsight.transports.http.figures import classes_of, point_of
from jobsight.view.migrations import migrate, scripts
from jobsight.view.queries import Reader
from jobsight.view.rollup_content import decode_ranked, decode_rollup, encode_ranked, encode_rollup, ranked_of
from jobsight.view.rollups import RANKED_AT_ONCE, RANKED_FROM, RollupStore
from jobsight.view.watermarks import ALL_JOBS

START_MS = 1_700_006_400_000
"""The start of a day."""

HISTOGRAMS = st.dictionaries(
    st.integers(0, MEASURE_MAX * 1000).map(bucket_of), st.integers(1, 1 << 40) | st.integers(1, 300), max_size=200
)


def rollup_of(durations: dict[int, int]) -> Rollup:
    """A roll-up with these durations."""
    count = sum(durations.values())
    return Rollup(
        ends={"completed": count, "failed": 3},
        duration_count=count,
        duration_sum_us=count << 40,
        duration_max_us=7,
        durations=durations,
        measures={"rows": MeasureSum(2, 3.5, 2.5)},
    )


def many(first_us: int, values: int = RANKED_FROM) -> Rollup:
    """So many different durations."""
    rollup = Rollup(ends={"completed": values})
    for place in range(values):
        count_duration(rollup, int(first_us * 1.03**place))
    return rollup


@pytest.fixture
def connection() -> apsw.Connection:
    made = apsw.Connection(":memory:")
    migrate(made, None, scripts())
    return made


def in_order(connection: apsw.Connection, task: str | int = ALL_JOBS) -> set[tuple[int, int]]:
    """Which stored buckets are in order: width in seconds, start in seconds after `START_MS`."""
    rows = connection.execute("SELECT width_s, bucket_ms, content FROM rollups WHERE task = ?", (task,)).fetchall()
    return {
        (width_s, (start_ms - START_MS) // 1000)
        for width_s, start_ms, content in rows
        if isinstance(msgspec.msgpack.decode(content, strict=False)[4], bytes)
    }


def stored(connection: apsw.Connection) -> dict[tuple[int, str | int, int], Rollup]:
    """All buckets."""
    rows = connection.execute("SELECT width_s, task, bucket_ms, content FROM rollups").fetchall()
    return {(width_s, task, start_ms): decode_rollup(content) for width_s, task, start_ms, content in rows}


@given(HISTOGRAMS)
def test_in_order_or_not_a_bucket_reads_as_the_same(durations: dict[int, int]) -> None:
    """With counts of any size."""
    rollup = rollup_of(durations)

    assert rollup == decode_rollup(encode_rollup(rollup)) == decode_rollup(encode_ranked(rollup))
    assert ranked_of(rollup) == decode_ranked(encode_rollup(rollup))
    for has_histogram in (False, True):
        plain = point_of(1, ranked_of(rollup), has_histogram=has_histogram)
        assert plain == point_of(1, decode_ranked(encode_ranked(rollup)), has_histogram=has_histogram)


@given(HISTOGRAMS)
def test_the_classes_of_a_distribution_hold_every_value_once(durations: dict[int, int]) -> None:
    """Each below its upper bound, and not below that of the class before."""
    classes = classes_of(ranked_of(rollup_of(durations)).durations)

    bounds = [0.0, *(upper_ms for upper_ms, _ in classes)]
    assert sorted(set(bounds)) == bounds
    for low_ms, (upper_ms, count) in zip(bounds, classes, strict=False):
        assert count == sum(n for bucket, n in durations.items() if low_ms <= middle_us(bucket) / 1000 < upper_ms)


def test_what_is_over_is_put_in_order_once(connection: apsw.Connection) -> None:
    """Not while it fills, not where it is small, not while something waits to be added to it; the others stay as they are."""
    store = RollupStore(connection)
    store.merge({(START_MS, None): many(1_000)})
    store.merge({(START_MS + 10_000, "etl"): many(2_000, RANKED_FROM - 1)})
    assert set() == in_order(connection)

    store.merge({(START_MS + 20_000, "etl"): many(2_000, RANKED_FROM - 1)})
    assert {(10, 0)} == in_order(connection) == in_order(connection, 1)

    store.merge({(START_MS + 300_000, "etl"): many(3_000)})
    assert {(10, 0), (300, 0)} == in_order(connection, 1)
    assert {(10, 0)} == in_order(connection)  # its coarser one has just taken up what ended at 10 and 20

    store.merge({(START_MS + 310_000, "etl"): many(3_000, RANKED_FROM - 1)})

    assert {(10, 0), (300, 0)} == in_order(connection) == in_order(connection, 1)
    assert set() == in_order(connection, "etl")


def test_what_comes_late_is_added_to_a_bucket_in_order(connection: apsw.Connection) -> None:
    """Workers that were cut off send later, with the original times; the bucket is put in order again."""
    store = RollupStore(connection)
    store.merge({(START_MS, "etl"): many(1_000)})
    store.merge({(START_MS + 320_000, "etl"): many(1_000)})
    store.merge({(START_MS + 340_000, "etl"): many(1_000)})
    assert {(10, 0), (10, 320), (300, 0)} == in_order(connection, "etl")
    store.merge({(START_MS, "etl"): many(1_000), (START_MS + 360_000, "etl"): many(1_000)})
    expected = many(1_000)
    merge_rollup(expected, many(1_000))

    assert {(10, 320), (10, 340)} == in_order(connection, "etl")
    assert expected == stored(connection)[300, "etl", START_MS]

    store.merge({(START_MS, "etl"): many(1_000), (START_MS + 380_000, "etl"): many(1_000)})
    merge_rollup(expected, many(1_000))
    assert {(10, 320), (10, 340), (10, 360)} == in_order(connection, "etl")

    store.merge({(START_MS + 400_000, "etl"): many(1_000)})

    assert {(10, 0), (10, 320), (10, 340), (10, 360), (10, 380), (300, 0)} == in_order(connection, "etl")
    assert expected == stored(connection)[300, "etl", START_MS] == stored(connection)[10, ALL_JOBS, START_MS]


def test_a_flush_puts_few_buckets_in_order(connection: apsw.Connection) -> None:
    """At the end of a day those of all tasks are over at once: they wait for the flushes after it."""
    store = RollupStore(connection)
    tasks = [f"task-{place}" for place in range(80)]
    store.merge({(START_MS, task): many(1_000) for task in tasks})
    for place in range(2, 22):
        store.merge({(START_MS + place * 10_000, None): many(1_000, 1)})  # until nothing of theirs waits any more
    counts = [sum(len(in_order(connection, task)) for task in [*tasks, ALL_JOBS])]
    assert [81] == counts  # those of ten seconds
    for place in range(1, 6):
        store.merge({(START_MS + place * 86_400_000, None): many(1_000, 1)})
        counts.append(sum(len(in_order(connection, task)) for task in [*tasks, ALL_JOBS]))

    added = [now - before for before, now in pairwise(counts)]
    assert RANKED_AT_ONCE == max(added)
    assert 4 * 81 == counts[-1]


def test_a_view_that_is_made_anew_leaves_no_bucket_behind(connection: apsw.Connection) -> None:
    """There each flush holds an hour, and ends hundreds of buckets: those before the last hour are all in order."""
    store = RollupStore(connection)
    tasks, hours = ("etl", "mail", "train"), 5
    for hour in range(hours):
        starts = [START_MS + hour * 3_600_000 + place * 10_000 for place in range(360)]
        store.merge({(start_ms, task): many(1_000) for start_ms in starts for task in tasks})

    assert (hours - 1) * 360 == len([width for width, _ in in_order(connection, "mail") if width == 10])


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.sampled_from([None, "a", "b"]), st.integers(50, 500), st.integers(1, 90)),
        max_size=30,
    )
)
def test_in_whatever_order_reports_come_the_sums_are_theirs(reports: list[tuple[int, str | None, int, int]]) -> None:
    """Early, late, again and again."""
    connection = apsw.Connection(":memory:")
    migrate(connection, None, scripts())
    store = RollupStore(connection)
    expected: dict[tuple[int, str | int, int], Rollup] = {}
    for minutes, task, first_us, values in reports:
        addition = many(first_us, values)
        store.merge({(START_MS + minutes * 60_000, task): deepcopy(addition)})
        for width_s in WIDTHS_S:
            for scope in (ALL_JOBS, 1 if task is None else task):
                key = (width_s, scope, bucket_start_ms(START_MS + minutes * 60_000, width_s))
                merge_rollup(expected.setdefault(key, Rollup()), addition)

    reader = Reader(connection, None)
    for (width_s, scope, start_ms), rollup in expected.items():
        task, has_task = (scope if isinstance(scope, str) else None), scope != 1
        points = reader.rollup_series(width_s, start_ms, start_ms + 1, task, has_task=has_task)
        assert [(start_ms, rollup)] == [(point.bucket_ms, point.rollup) for point in points]
