"""When tasks last ended is found after a start, from the roll-ups alone."""

from __future__ import annotations

import apsw
import pytest

from jobsight.core.rollup import Rollup
from jobsight.transports.http.last_ends import restore_last_ends
from jobsight.view.migrations import migrate, scripts
from jobsight.view.queries import Reader
from jobsight.view.rollups import RollupStore

DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS + 40_000_000


@pytest.fixture
def reader() -> Reader:
    """
    Some tasks: `good` has failed and then completed, `bad` the other way round days ago, `never` has only failed, `old` has
    ended long ago, and a job without a task has been cancelled.
    """
    connection = apsw.Connection(":memory:")
    migrate(connection, None, scripts())
    ends = [
        ("good", NOW_MS - 70_000, "failed"),
        ("good", NOW_MS - 40_000, "completed"),
        ("bad", NOW_MS - 3 * DAY_MS - 5_000_000, "completed"),
        ("bad", NOW_MS - 3 * DAY_MS - 4_000_000, "failed"),
        ("bad", NOW_MS - 20_000, "failed"),
        ("never", NOW_MS - DAY_MS, "failed"),
        ("old", NOW_MS - 60 * DAY_MS, "completed"),
        (None, NOW_MS - 10_000, "cancelled"),
    ]
    store = RollupStore(connection)
    for task, at_ms, status in ends:
        store.merge({(at_ms - at_ms % 10_000, task): Rollup(ends={status: 1})})
    return Reader(connection, None)


def test_each_task_has_its_last_end_and_its_last_success(reader: Reader) -> None:
    """To the finest bucket; what ended before the look back is not looked for."""
    found = restore_last_ends(reader, ["good", "bad", "never", "old", "unheard of", None], NOW_MS - 31 * DAY_MS)

    assert {
        "good": (NOW_MS - 40_000, "completed", NOW_MS - 40_000),
        "bad": (NOW_MS - 20_000, "failed", NOW_MS - 3 * DAY_MS - 5_000_000),
        "never": (NOW_MS - DAY_MS, "failed", None),
        None: (NOW_MS - 10_000, "cancelled", None),
    } == found
