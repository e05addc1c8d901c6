"""The stored roll-ups: what is kept decoded between flushes changes nothing but the cost."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from jobsight.core.rollup import Rollup, RollupKey, count_duration
from jobsight.view import rollups
from jobsight.view.rollup_content import decode_rollup
from jobsight.view.rollups import RollupStore
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
