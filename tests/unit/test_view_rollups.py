"""The stored roll-ups: what is kept decoded between flushes changes nothing but the cost."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import apsw
import pytest

from jobsight.core.rollup import Rollup, RollupKey, count_duration
from jobsight.view import rollups
from jobsight.view.rollup_content import decode_rollup
from jobsight.view.rollups import ADDED_AT_ONCE, RollupStore
from jobsight.view.store import View

TASKS = 600
"""More open tasks than a busy second touches; each has one bucket of each width."""

Stored = dict[tuple[int, object, int], Rollup]


def view(tmp_path: Path, name: str) -> View:
    """An empty view in a file."""
    return View.open(tmp_path / name, "log")


def additions(round_number: int) -> dict[RollupKey, Rollup]:
    """One end of each task, with a duration of its own in each round."""
    found: dict[RollupKey, Rollup] = {}
    for number in range(TASKS):
        rollup = found[(0, f"task-{number}")] = Rollup(ends={"completed": 1})
        count_duration(rollup, 1_000 * (number + 1) << round_number)
    return found


def stored(connection: apsw.Connection) -> Stored:
    """Everything that stands in the table."""
    rows = connection.execute("SELECT width_s, task, bucket_ms, content FROM rollups")
    return {(width_s, task, bucket_ms): decode_rollup(content) for width_s, task, bucket_ms, content in rows}


def test_open_buckets_of_many_tasks_are_not_read_again(tmp_path: Path) -> None:
    """A flush that touches hundreds of tasks costs no look into the table for each of them: only the first one reads."""
    connection = view(tmp_path, "view.db").connection
    store = RollupStore(connection)
    store.merge(additions(0))
    read: list[str] = []
    connection.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: read.append(event["sql"]))
    store.merge(additions(1))

    assert [] == [sql for sql in read if sql.lstrip().startswith("SELECT")]


def test_what_is_cached_changes_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same stands in the table whether every bucket is remembered or hardly any."""
    much, little = view(tmp_path, "much.db").connection, view(tmp_path, "little.db").connection
    roomy = RollupStore(much)
    for number in range(4):
        roomy.merge(additions(number))
    monkeypatch.setattr(rollups, "CACHED_SIZE_MAX", 40)
    narrow = RollupStore(little)
    for number in range(4):
        narrow.merge(additions(number))

    assert stored(much) == stored(little)
    assert 4 == stored(little)[10, "task-7", 0].duration_count


def test_a_report_writes_one_bucket_for_its_task_and_one_for_all(tmp_path: Path) -> None:
    """The coarser ones take up what is over: three of them once in ten seconds, not with each flush."""
    connection = view(tmp_path, "view.db").connection
    store = RollupStore(connection)

    for _ in range(20):
        store.merge({(10_000, "etl"): Rollup(ends={"completed": 1})})
    assert {(10, 0, 10_000), (10, "etl", 10_000)} == set(stored(connection))

    store.merge({(30_000, "etl"): Rollup(ends={"completed": 1})})
    assert {10: 4, 300: 2, 3_600: 2, 86_400: 2} == Counter(width_s for width_s, _, _ in stored(connection))
    assert 20 == stored(connection)[86_400, "etl", 0].ends["completed"]


def test_buckets_that_are_over_at_once_are_taken_up_by_several_flushes(tmp_path: Path) -> None:
    """Those of hundreds of tasks end in the same moment: each flush after it adds a few of them to the coarser ones."""
    connection = view(tmp_path, "view.db").connection
    store = RollupStore(connection)
    store.merge(additions(0))
    counts = [0]
    while counts[-1] < TASKS:
        store.merge({(20_000, None): Rollup(ends={"completed": 1})})
        counts.append(sum(width_s == 300 and isinstance(task, str) for width_s, task, _ in stored(connection)))

    assert ADDED_AT_ONCE == max(after - before for before, after in pairwise(counts))


def test_a_single_job_in_the_far_future_holds_up_nothing(tmp_path: Path) -> None:
    """A machine with a wrong clock: what the others report is added to the coarser buckets all the same."""
    connection = view(tmp_path, "view.db").connection
    store = RollupStore(connection)
    for number in range(ADDED_AT_ONCE + 1):
        store.merge({(1 << 40, f"wrong-{number}"): Rollup(ends={"completed": 1})})
    for _ in range(4):
        store.merge({(10_000, "etl"): Rollup(ends={"completed": 1})})
        store.merge({(30_000, "mail"): Rollup(ends={"completed": 1})})

    assert 4 == stored(connection)[86_400, "etl", 0].ends["completed"]
