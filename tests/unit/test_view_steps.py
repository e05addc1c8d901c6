"""
How often a query stops on its way.

Each row that is stepped to hands the interpreter to the thread that takes reports, and while that computes it is not given
back: what a page only counts or draws comes in one row, however many jobs there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import apsw
import pytest
from view_of import view_of

from jobsight.core.events import AnyReport, JobCompleted, JobFailed
from jobsight.view.answers import Episode
from jobsight.view.job_filter import JobFilter, read_filter
from jobsight.view.queries import Reader
from jobsight.view.store import View

AT_MS = 1_790_000_000_000
NOW_MS = AT_MS + 1_000_000
JOBS = 400
EVERY = 80
"""One job of so many is of a rare task."""

TASKS = ["rare", *(f"task-{number}" for number in range(4))]


def event_of(number: int) -> AnyReport:
    """Half of the jobs fail."""
    task = "rare" if number % EVERY == 0 else TASKS[1 + number % 4]
    names: dict[str, Any] = {"job_id": f"job-{number}", "task": task, "host": f"w{number % 50}"}
    return JobFailed(error="boom", retries=0, **names) if number % 2 == 0 else JobCompleted(duration_ms=5, **names)


@pytest.fixture(scope="module")
def view() -> Iterator[View]:
    """Each report is a second after the one before."""
    view = view_of(map(event_of, range(JOBS)), AT_MS, 1000)
    yield view
    view.close()


@pytest.fixture
def reader(view: View) -> Reader:
    """Its reading side."""
    return view.reader()


@contextmanager
def counted(view: View) -> Iterator[Callable[[], tuple[int, int]]]:
    """Rows that are stepped to from here on, and steps of SQLite's own machine on the way."""
    rows: list[object] = []
    steps: list[int] = []

    def note(event: dict[str, Any]) -> None:
        if event["code"] == apsw.SQLITE_TRACE_ROW:
            rows.append(event)
        else:
            steps.append(event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"])

    view.connection.trace_v2(apsw.SQLITE_TRACE_ROW | apsw.SQLITE_TRACE_PROFILE, note)
    yield lambda: (len(rows), sum(steps))
    view.connection.trace_v2(0)


def rows_of(view: View, question: Callable[[], object]) -> int:
    """How many rows a question steps to, once the numbers of names are known."""
    question()
    with counted(view) as so_far:
        question()
    return so_far()[0]


def test_a_search_steps_to_no_row_for_each_job_that_it_counts(view: View, reader: Reader) -> None:
    """Those that are shown are rows; those that are counted, for facets too, are one."""

    def search(text: str) -> int:
        wanted, _ = read_filter(text)
        found = reader.search(wanted, now_ms=NOW_MS, limit=5)
        assert found.facets is not None
        return found.facets.count

    assert search("host:w7") < JOBS == search("")
    assert rows_of(view, lambda: search("host:w7")) == rows_of(view, lambda: search("")) < 20


@pytest.mark.parametrize("order", ["oldest", "longest"])
def test_the_other_orders_step_to_no_more(view: View, reader: Reader, order: Any) -> None:
    """They look at as many jobs, and show as many."""
    assert rows_of(view, lambda: reader.search(JobFilter(), now_ms=NOW_MS, limit=5, order=order)) < 25


def test_a_list_steps_to_the_jobs_that_it_shows(view: View, reader: Reader) -> None:
    """And to nothing once more for each of them while it looks for them."""
    assert 50 < rows_of(view, lambda: reader.list_jobs(limit=50)) < 60
    assert 50 < rows_of(view, lambda: reader.list_jobs(status="failed", limit=50)) < 60


def test_the_latest_jobs_of_many_tasks_are_one_row(view: View, reader: Reader) -> None:
    """What is kept is another one."""
    latest, runs = reader.latest_of(TASKS, 30), reader.runs_of(TASKS, 30)

    assert [JOBS // EVERY, 30, 30, 30, 30] == [len(latest[task]) for task in TASKS]
    assert [[job.job_id for job in latest[task]] for task in TASKS] == [
        [run.job_id for run in runs[task]] for task in TASKS
    ]
    assert 2 == rows_of(view, lambda: reader.latest_of(TASKS, 30))
    assert 2 == rows_of(view, lambda: reader.runs_of(TASKS, 30))


def test_which_of_some_jobs_match_is_one_question(view: View, reader: Reader) -> None:
    """Once it is known where they stand, which is a row for each."""
    wanted, _ = read_filter("status:failed")
    job_ids = [f"job-{number}" for number in range(JOBS)]

    assert set(job_ids[::2]) == reader.matching(wanted, now_ms=NOW_MS, job_ids=job_ids)
    assert rows_of(view, lambda: reader.matching(wanted, now_ms=NOW_MS, job_ids=job_ids)) < JOBS + 10


def test_episodes_in_short_are_one_row_and_the_newest_first(view: View, reader: Reader) -> None:
    """They say of each alert what a list of what has changed shows."""
    alerts = reader.alerts().alerts

    assert len(alerts) == len(TASKS[:2]) + 1, "each task whose jobs have failed"
    assert [
        Episode(one.alert_id, one.rule, one.task, one.queue, one.opened_ms, one.resolved_ms) for one in alerts
    ] == reader.episodes(9)
    assert reader.episodes(9)[:1] == reader.episodes(1)
    assert 1 == rows_of(view, lambda: reader.episodes(9))


def test_failures_of_a_rare_task_are_looked_for_among_its_own_jobs(view: View, reader: Reader) -> None:
    """Not among all that have failed: there may be a hundred thousand of them."""

    def cost(task: str) -> int:
        with counted(view) as so_far:
            reader.list_jobs(status="failed", task=task)
        return so_far()[1]

    assert JOBS // EVERY == len(reader.list_jobs(status="failed", task="rare").jobs)
    assert cost("rare") - cost("nobody's") < 6 * JOBS // 2, "six steps for each job that has failed"
