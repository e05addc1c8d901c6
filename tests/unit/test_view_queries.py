"""What the view answers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from jobsight.core.apply import apply
from jobsight.core.events import AnyReport, Batch, Heartbeat, JobCancelled, JobCompleted, JobFailed, StatusUpdate
from jobsight.core.histogram import RELATIVE_ERROR_MAX
from jobsight.core.limits import OTHER
from jobsight.core.state import State
from jobsight.errors import DataError, NotFoundError, UsageError
from jobsight.view import queries, rollup_queries, watch_reading
from jobsight.view.answers import JobAnswer
from jobsight.view.queries import Reader, open_reader
from jobsight.view.store import View
from jobsight.view.summary import summary_of

AT_MS = 1_790_000_000_000
"""A multiple of no bucket but the finest."""

HOUR_MS = 3_600_000


def event_of(number: int) -> AnyReport:
    """One of 300 reports on as many jobs, of four tasks, three queues and all statuses."""
    names = {
        "job_id": f"j{number}",
        "task": ["backup", "export", "☂", None][number % 4],
        "queue": ["fast", None, "slow"][number % 3],
        "host": f"h{number % 5}",
    }
    match number % 10:
        case 0 | 1 | 2 | 3 | 4:
            usage = {"cpu_percent": number % 7, "memory_mb": 1.5 * number}
            return JobCompleted(duration_ms=number, resource_usage=usage, **names)
        case 5 | 6:
            return JobFailed(error=f"no {number}", retries=2, **names)
        case 7:
            return JobCancelled(reason="enough", **names)
        case 8:
            return Heartbeat(**names)
        case _:
            return StatusUpdate(status="warming up", progress=12.5, **names)


JOBS = 300


def fill(view: View) -> State:
    """One job a second; flushed in between."""
    state = view.load_state()
    for number in range(JOBS):
        batch = Batch(seq=number + 1, accept_ms=AT_MS + number * 1000, sources=["w"], events=[event_of(number)])
        apply(state, batch)
        if number % 70 == 0:
            view.flush(state, b"c")
    view.flush(state, b"end")
    return state


@pytest.fixture(scope="module", params=["memory", "file"])
def view(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[View]:
    """A view with 300 jobs, in memory or in a file."""
    path = None if request.param == "memory" else tmp_path_factory.mktemp("view") / "view.db"
    view = View.open(path, log_id="feed")
    fill(view)
    yield view
    view.close()


@pytest.fixture
def reader(view: View) -> Iterator[Reader]:
    """Its reading side."""
    reader = view.reader()
    yield reader
    if view.path is not None:
        reader.close()


def all_pages(reader: Reader, limit: int, **filters: str | int | None) -> list[JobAnswer]:
    jobs: list[JobAnswer] = []
    cursor = None
    while True:
        page = reader.list_jobs(limit=limit, cursor=cursor, **filters)  # type: ignore[arg-type]
        assert len(page.jobs) <= limit
        jobs += page.jobs
        cursor = page.cursor
        if cursor is None:
            return jobs


def test_a_job_is_answered_with_all_that_is_known(reader: Reader) -> None:
    """Every figure that a worker told is found again, named as on the wire."""
    assert reader.job("j290") == JobAnswer(
        job_id="j290",
        status="completed",
        progress=None,
        duration_ms=290,
        resource_usage={"cpu_percent": 3, "memory_mb": 435.0},
        task="☂",
        queue="slow",
        host="h0",
        labels=None,
        attempt=None,
        retries=None,
        max_retries=None,
        error=None,
        message=None,
        created_ms=AT_MS + 290_000,
        started_ms=None,
        updated_ms=AT_MS + 290_000,
        ended_ms=AT_MS + 290_000,
        events=1,
    )
    assert reader.job("never seen") is None


def test_an_active_job_has_no_end(reader: Reader) -> None:
    """Where a job stands, since when, and how far it is."""
    beating, warming = reader.job("j8"), reader.job("j9")

    assert beating is not None
    assert ("running", AT_MS + 8_000, None) == (beating.status, beating.started_ms, beating.ended_ms)
    assert warming is not None
    assert ("warming up", 12.5, None) == (warming.status, warming.progress, warming.ended_ms)


def test_a_history_says_where_its_events_stand(reader: Reader) -> None:
    """The places in the log, from which the events themselves are read."""
    assert [18 << 20] == reader.history_refs("j17")
    assert [] == reader.history_refs("never seen")


STATUSES = [None, "completed", "failed", "cancelled", "running", "warming up", "unheard of"]
TASKS = [None, "backup", "☂", "unheard of"]
QUEUES_AND_TIMES = [(None, None), ("slow", None), (None, AT_MS + 250_500), ("fast", AT_MS)]


@pytest.mark.parametrize("limit", [3, 1000])
def test_the_pages_of_a_list_are_the_jobs_that_match(reader: Reader, limit: int) -> None:
    """Page after page, each matching job comes once, the newest first; no other job comes."""
    everything = [job for number in range(JOBS - 1, -1, -1) if (job := reader.job(f"j{number}")) is not None]
    for status, task, (queue, since_ms) in product(STATUSES, TASKS, QUEUES_AND_TIMES):
        expected = [
            job
            for job in everything
            if status in (None, job.status)
            and task in (None, job.task)
            and queue in (None, job.queue)
            and (since_ms is None or job.updated_ms >= since_ms)
        ]
        first = reader.list_jobs(status=status, task=task, queue=queue, since_ms=since_ms, limit=limit)
        paged = all_pages(reader, limit, status=status, task=task, queue=queue, since_ms=since_ms)

        assert expected == paged, (status, task, queue, since_ms)
        assert first.count == (len(expected) if since_ms is None else None), (status, task, queue)
        assert JOBS == first.as_of_seq


def test_a_search_that_finds_little_gives_short_pages(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call reads a bounded number of rows; with the cursor, the caller goes on."""
    monkeypatch.setattr(queries, "WINDOW_JOBS", 10)
    monkeypatch.setattr(queries, "WINDOWS_MAX", 2)
    reader = view.reader()
    page = reader.list_jobs(queue="slow", since_ms=AT_MS, task="backup", limit=1000)

    assert page.cursor is not None
    assert 1 <= len(page.jobs) <= 20
    assert 25 == len(all_pages(reader, 1000, queue="slow", task="backup"))


@pytest.mark.parametrize("cursor", ["", "x", "☂", "YmVmb3JlOg", "YmVmb3JlOi0x", "!!!!", "YmVmb3JlOjE" * 9])
def test_a_made_up_cursor_is_refused(reader: Reader, cursor: str) -> None:
    """Somebody who invents cursors is told, not answered with nothing."""
    with pytest.raises(UsageError, match="leave it out for the first page"):
        reader.list_jobs(cursor=cursor)
    with pytest.raises(UsageError, match="leave it out for the first page"):
        reader.alerts(cursor=cursor)


def test_totals_are_those_of_the_jobs(reader: Reader) -> None:
    """Counted once by each job, in all or of a task and queue."""
    everything = all_pages(reader, 1000)
    for task, queue in [(None, None), ("backup", None), (None, "slow"), ("☂", "fast"), ("unheard of", None)]:
        jobs = [job for job in everything if task in (None, job.task) and queue in (None, job.queue)]
        totals = reader.totals(task, queue)
        durations = [job.duration_ms for job in jobs if job.duration_ms is not None]

        assert len(jobs) == totals.total
        assert len(durations) == totals.completed
        assert (sum(durations) / len(durations) if durations else 0) == totals.avg_duration_ms
        assert {job.status for job in jobs} == {word for word, count in reader.by_status(task, queue).items() if count}
        assert len(jobs) == sum(reader.by_status(task, queue).values())


def test_names_that_are_counted_among_others_have_no_count_of_their_own() -> None:
    """Where there are too many tasks to count each, a list says that it cannot tell, not zero."""
    view = View.open(None)
    state = view.load_state()
    apply(state, Batch(seq=1, accept_ms=AT_MS, sources=[None], events=[Heartbeat(job_id="a", task=OTHER, queue=OTHER)]))
    view.flush(state, b"c")

    assert view.reader().list_jobs(task="one of very many").count is None
    assert 1 == view.reader().list_jobs(task=OTHER).count


def test_roll_ups_count_what_ended_and_when(reader: Reader) -> None:
    """Each width holds the same ends; a range holds those within it, from its bucket on."""
    start, end = AT_MS, AT_MS + JOBS * 1000
    whole = reader.rollup_sum(start)

    assert {"completed": 150, "failed": 60, "cancelled": 30} == whole.ends
    for width_s in (10, 300, 3_600, 86_400):
        points = reader.rollup_series(width_s, start, end)
        assert sorted(point.bucket_ms for point in points) == [point.bucket_ms for point in points]
        assert {0} == {point.bucket_ms % (width_s * 1000) for point in points}
        assert 240 == sum(sum(point.rollup.ends.values()) for point in points)
    assert 8 == sum(reader.rollup_sum(start + 100_000, start + 110_000).ends.values())
    assert 60 == sum(reader.rollup_sum(start, task="backup").ends.values())
    assert 60 == sum(reader.rollup_sum(start, has_task=False).ends.values())
    assert {} == reader.rollup_sum(start, task="unheard of").ends
    assert {} == reader.rollup_sum(end + HOUR_MS, end + 48 * HOUR_MS).ends


def test_a_summary_says_what_an_operator_asks(reader: Reader) -> None:
    """Percentiles within the known error, the exact maximum, failures among what ended well or badly, ends a second."""
    summary = summary_of(reader.rollup_sum(AT_MS, AT_MS + 300_000), 300_000)
    durations = sorted(n for n in range(JOBS) if n % 10 < 5)

    assert summary.p50_ms == pytest.approx(durations[74], rel=RELATIVE_ERROR_MAX)
    assert summary.p99_ms == pytest.approx(durations[147], rel=RELATIVE_ERROR_MAX)
    assert 294 == summary.max_ms
    assert sum(durations) / len(durations) == summary.avg_duration_ms
    assert 60 / 210 == summary.failure_rate
    assert 0.8 == summary.throughput_per_s
    assert 150 == summary.resource_usage["memory_mb"].count
    assert 441.0 == summary.resource_usage["memory_mb"].max


def test_a_summary_of_nothing_invents_nothing(reader: Reader) -> None:
    """No ends: no percentiles and no rate, not zeros."""
    summary = summary_of(reader.rollup_sum(AT_MS + 400 * HOUR_MS), 1000)

    assert (None, None, None, None) == (summary.p50_ms, summary.p99_ms, summary.max_ms, summary.failure_rate)
    assert 0 == summary.throughput_per_s


def test_alerts_come_by_state_task_and_page(reader: Reader) -> None:
    """The newest episode first; open ones, resolved ones, those of a task."""
    everything = reader.alerts(limit=1000).alerts
    paged = []
    cursor = None
    while True:
        page = reader.alerts(limit=2, cursor=cursor)
        paged += page.alerts
        cursor = page.cursor
        if cursor is None:
            break

    assert everything == paged
    assert sorted((one.opened_ms for one in everything), reverse=True) == [one.opened_ms for one in everything]
    for state in ("firing", "resolved", "unheard of"):
        assert [one for one in everything if one.state == state] == reader.alerts(state, limit=1000).alerts
    assert [one for one in everything if one.state != "resolved"] == reader.alerts("open", limit=1000).alerts
    assert {"firing", "resolved"} == {one.state for one in everything}
    assert [one for one in everything if one.task == "export"] == reader.alerts(task="export", limit=1000).alerts
    assert [one for one in everything if one.task == "export" and one.state == "firing"] == reader.alerts(
        "firing", "export"
    ).alerts


def test_the_view_says_up_to_where_it_is_true(reader: Reader) -> None:
    """An answer can be compared with the log."""
    applied = reader.applied()

    assert ("feed", JOBS, b"end", JOBS) == (
        applied.log_id,
        applied.applied_seq,
        applied.checksum,
        applied.jobs_total,
    )


def test_a_reader_sees_the_next_flush_and_new_words(tmp_path: Path) -> None:
    """A reader stays open for days; what is flushed meanwhile it sees, all or nothing of a flush."""
    view = View.open(tmp_path / "view.db")
    reader = open_reader(tmp_path / "view.db")
    state = view.load_state()
    for seq in range(1, 4):
        event = Heartbeat(job_id=f"a{seq}", task=f"task {seq}", host=f"host {seq}")
        apply(state, Batch(seq=seq, accept_ms=AT_MS, sources=[None], events=[event]))

        assert seq - 1 == reader.applied().applied_seq
        view.flush(state, b"c")
        assert seq == reader.applied().applied_seq
        assert [f"host {seq}"] == [job.host for job in reader.list_jobs(task=f"task {seq}").jobs]
    reader.close()
    view.close()


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """Whatever a query does, the file is the writer's."""
    View.open(tmp_path / "view.db").close()
    reader = open_reader(tmp_path / "view.db")

    with pytest.raises(queries.apsw.ReadOnlyError):
        reader._connection.execute("DELETE FROM jobs")
    reader.close()


def test_what_is_no_view_is_refused_in_words(tmp_path: Path) -> None:
    """A missing file, one that is no database, one of an older version: each says what to do."""
    with pytest.raises(NotFoundError, match="made when the node starts"):
        open_reader(tmp_path / "view.db")
    (tmp_path / "text.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(DataError, match="jobsight view rebuild"):
        open_reader(tmp_path / "text.db")
    (tmp_path / "empty.db").write_bytes(b"")
    with pytest.raises(DataError, match="start the node once"):
        open_reader(tmp_path / "empty.db")


@pytest.mark.parametrize(
    ("statement", "bindings"),
    [
        (queries.LIST_ALL, (9, 1, 1, None, None, None, None, None, 0, 0)),
        (queries.LIST_BY_STATUS, (9, 1, 1, 2, None, None, None, None, 0, 0)),
        (queries.LIST_BY_TASK, (9, 1, 1, None, 2, None, None, None, 0, 0)),
        (watch_reading.LIST_ALERTS, (9, 1, None, None, None, None, None, None)),
        (watch_reading.LIST_OPEN_ALERTS, (9, 1, "firing", None, None, None, None, None)),
        (watch_reading.LIST_ALERTS_BY_TASK, (9, 1, None, "t", None, None, None, None)),
        (watch_reading.LIST_DELIVERIES, (9, 1, None, None, None, None)),
        (watch_reading.LIST_DEAD_DELIVERIES, (9, 1, "dead", None, None, None)),
        (watch_reading.LIST_AUDIT, (9, 1, None, None, None, None)),
        (rollup_queries.SELECT_ROLLUPS, (10, "t", 0, 9)),
        (queries.SELECT_ANSWER, (1,)),
    ],
    ids=[
        "all",
        "status",
        "task",
        "alerts",
        "open alerts",
        "task's alerts",
        "deliveries",
        "dead deliveries",
        "audit",
        "roll-ups",
        "job",
    ],
)
def test_no_list_reads_or_sorts_the_whole_table(view: View, statement: str, bindings: tuple[object, ...]) -> None:
    """A page costs the same at ten million jobs: each list follows an index, in its order."""
    plan = [row[3] for row in view.connection.execute("EXPLAIN QUERY PLAN " + statement, bindings)]  # type: ignore[arg-type]

    assert all(step.startswith("SEARCH") for step in plan), plan


def test_open_alerts_are_found_by_their_index_however_many_are_over(view: View) -> None:
    """Going back through all alerts by their number is a search to SQLite too, and grows with each one that ever was."""
    bindings = (9, 1, "firing", None, None, None, None, None)
    statement = "EXPLAIN QUERY PLAN " + watch_reading.LIST_OPEN_ALERTS
    (plan,) = [row[3] for row in view.connection.execute(statement, bindings)]

    assert "alerts_open (state=? AND rowid<?)" in plan
