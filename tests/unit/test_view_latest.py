"""The latest jobs of tasks, in short, as the view answers them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobsight.core.apply import apply
from jobsight.core.events import AnyReport, Batch, JobCompleted, JobFailed, StatusUpdate
from jobsight.view.queries import Reader
from jobsight.view.store import View

AT_MS = 1_795_608_000_000


def story() -> list[AnyReport]:
    """Two tasks, and two queues with jobs that name none; one report a second."""
    return [
        StatusUpdate(job_id="a1", task="a", status="running"),
        JobCompleted(job_id="a1", duration_ms=40.5),
        JobFailed(job_id="a2", task="a", error="x" * 2_000, retries=0),
        StatusUpdate(job_id="q1", queue="q", status="queued"),
        StatusUpdate(job_id="b1", task="b", queue="q", status="warming up"),
        StatusUpdate(job_id="n1", status="queued"),
        StatusUpdate(job_id="a3", task="a", status="running"),
        StatusUpdate(job_id="q2", queue="q", status="running"),
    ]


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """A view of the story."""
    view = View.open(None)
    state = view.load_state()
    for number, event in enumerate(story()):
        apply(state, Batch(seq=number + 1, accept_ms=AT_MS + number * 1000, sources=["w"], events=[event]))
    view.flush(state, b"c")
    yield view.reader()
    view.close()


def test_the_latest_jobs_of_a_task_come_newest_first(reader: Reader) -> None:
    """With what a strip and a list need, and no more of an error than that."""
    third, second, first = reader.latest("a", 30)

    assert [("a3", "running"), ("a2", "failed"), ("a1", "completed")] == [
        (job.job_id, job.status) for job in (third, second, first)
    ]
    assert (40.5, AT_MS, AT_MS + 1000) == (first.took_ms, first.started_ms, first.ended_ms)
    assert 512 == len(second.error or "")
    assert third.took_ms is None


def test_when_the_latest_jobs_of_tasks_ran(reader: Reader) -> None:
    """From their start, or from when they were first heard of; one that runs has no end yet."""
    found = reader.runs_of(["a", "nobody's"], 2)

    assert {"a": [("a3", AT_MS + 6000, None), ("a2", AT_MS + 2000, AT_MS + 2000)], "nobody's": []} == {
        task: [(run.job_id, run.start_ms, run.end_ms) for run in runs] for task, runs in found.items()
    }


def test_many_tasks_are_read_at_once_and_each_has_its_own(reader: Reader) -> None:
    """Any word may be a status, any text a name; a task without jobs has none."""
    found = reader.latest_of(["b", "nobody's", "a"], 2)

    assert {"b": ["b1"], "nobody's": [], "a": ["a3", "a2"]} == {
        task: [job.job_id for job in jobs] for task, jobs in found.items()
    }
    assert "warming up" == found["b"][0].status


def test_jobs_without_a_task_stand_under_their_queue(reader: Reader) -> None:
    """And those without either under none; a job with a task is not among them."""
    found = reader.latest_without_task(30)

    assert {"q": ["q2", "q1"], None: ["n1"]} == {queue: [job.job_id for job in jobs] for queue, jobs in found.items()}


def test_the_one_that_waits_for_longest_is_known(reader: Reader) -> None:
    """By when it was first heard of; nothing where nobody waits."""
    assert AT_MS + 3000 == reader.oldest_in("queued")
    assert reader.oldest_in("retrying") is None
