"""Finding jobs by many conditions at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from view_of import view_of

from jobsight.core.apply import apply
from jobsight.core.events import AnyReport, Batch, JobCompleted, JobFailed, RetentionPassed, StatusUpdate
from jobsight.core.globs import is_match
from jobsight.core.internal import apply_internal
from jobsight.core.job import TERMINAL
from jobsight.view import explorer, words
from jobsight.view.answers import JobAnswer, JobsFound
from jobsight.view.job_filter import JobFilter, Names, moment_of, read_filter
from jobsight.view.queries import Reader
from jobsight.view.store import View

AT_MS = 1_790_000_000_000
NOW_MS = AT_MS + 600_000
JOBS = 400


def event_of(number: int) -> AnyReport:
    """One of 400 reports on as many jobs, of many kinds."""
    names: dict[str, object] = {
        "job_id": f"job-{number}",
        "task": [f"etl.{number % 5}", "100%_sure", None, "backup"][number % 4],
        "queue": ["fast", None, "slow"][number % 3],
        "host": f"w{number % 11:02d}",
        "labels": {"env": ["prod", 'pr"od'][number % 2], "team": "pay"} if number % 3 == 0 else None,
    }
    match number % 10:
        case 0 | 1 | 2 | 3 | 4:
            return JobCompleted(duration_ms=number * 1000, **names)  # type: ignore[arg-type]
        case 5 | 6:
            return JobFailed(error=f"Timeout at 100%_{number}", message=f"tail {number}", retries=2, **names)  # type: ignore[arg-type]
        case 7:
            return StatusUpdate(status="warming up", **names)  # type: ignore[arg-type]
        case _:
            return StatusUpdate(status="running", progress=12.5, **names)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def view() -> Iterator[View]:
    """A view with one job a second."""
    view = view_of(map(event_of, range(JOBS)), AT_MS, 1000)
    yield view
    view.close()


@pytest.fixture
def reader(view: View) -> Reader:
    """Its reading side."""
    return view.reader()


def found(reader: Reader, text: str, *, limit: int = 1000, is_enough: Callable[[], bool] = bool) -> JobsFound:
    """The first page of what a text means."""
    wanted, faults = read_filter(text)
    assert [] == faults
    return reader.search(wanted, now_ms=NOW_MS, limit=limit, is_enough=is_enough)


def every_page(reader: Reader, text: str, limit: int, is_enough: Callable[[], bool] = bool) -> list[JobAnswer]:
    """All jobs of all pages."""
    jobs, cursor = [], None
    wanted, _ = read_filter(text)
    while True:
        page = reader.search(wanted, now_ms=NOW_MS, limit=limit, cursor=cursor, is_enough=is_enough)
        jobs += page.jobs
        cursor = page.cursor
        if cursor is None:
            return jobs


def is_wanted(job: JobAnswer, wanted: JobFilter) -> bool:
    """The filter once more, job by job, in the plainest words."""

    def is_named(names: Names | None, value: str | None) -> bool:
        if names is None:
            return True
        hits = [value is None if one is None else value is not None and is_match(one, value) for one in names.patterns]
        return any(hits) is not names.is_not

    def has(part: str, text: str | None) -> bool:
        return text is not None and part.lower() in text.lower()

    ran_ms = job.duration_ms
    if ran_ms is None and job.started_ms is not None:
        ran_ms = (job.ended_ms or NOW_MS) - job.started_ms
    return all(
        (
            is_named(wanted.status, job.status),
            is_named(wanted.task, job.task),
            is_named(wanted.queue, job.queue),
            is_named(wanted.host, job.host),
            wanted.is_active in (None, job.status not in TERMINAL),
            all((job.labels or {}).get(name) == value for name, value in wanted.labels),
            wanted.error is None or has(wanted.error, job.error),
            all(has(one, job.job_id) or has(one, job.error) or has(one, job.message) for one in wanted.words),
            wanted.longer_ms is None or (ran_ms is not None and ran_ms >= wanted.longer_ms),
            wanted.shorter_ms is None or (ran_ms is not None and ran_ms < wanted.shorter_ms),
            wanted.since is None or job.updated_ms >= moment_of(wanted.since, NOW_MS),
            wanted.until is None or job.updated_ms < moment_of(wanted.until, NOW_MS),
        )
    )


TEXTS = [
    "",
    "status:failed",
    "status:failed,running",
    "status:completed",
    "status:warm*",
    "-status:completed",
    "-status:fail*",
    "status:unheard-of",
    "is:active",
    "is:ended",
    "is:active status:running,failed",
    "task:backup",
    "task:etl.*",
    "task:etl.?,backup",
    "-task:etl.*",
    "no:task",
    "task:backup no:task",
    "-no:task",
    "status:failed task:etl.1",
    "status:failed task:etl.*",
    "-status:failed -task:etl.1",
    "task:nope*",
    "no:queue",
    "queue:slow host:w0?",
    "-host:w01,w02",
    "label.env:prod",
    r'label.env:"pr\"od" label.team:pay',
    "label.env:pro",
    "error:timeout",
    "error:100%_",
    "error:%",
    "100%_1",
    "tail 5",
    "JOB-39",
    "dur:>200s",
    "dur:<5s",
    "dur:>5m is:active",
    "since:5m",
    "until:5m status:failed",
    "since:5m until:4m",
    "status:failed task:etl.* host:w0* error:Timeout since:10m label.team:pay",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_jobs_that_match_are_found(reader: Reader, text: str) -> None:
    """Each condition, alone and together, means what it says; each job comes once, the newest first."""
    everything = every_page(reader, "", 1000)
    wanted, _ = read_filter(text)
    expected = [job for job in everything if is_wanted(job, wanted)]
    first = found(reader, text)

    assert JOBS == len(everything)
    assert expected == first.jobs
    assert expected == every_page(reader, text, 3)
    assert first.facets is not None
    assert (len(expected), True) == (first.facets.count, first.facets.is_all)


def test_facets_say_what_the_jobs_are(reader: Reader) -> None:
    """How many jobs stand in each status, of each task, queue and host, among those that match."""
    facets = found(reader, "host:w03", limit=2).facets

    assert facets is not None
    assert 37 == facets.count == sum(one.count for one in facets.status) == sum(one.count for one in facets.task)
    assert {"warming up", "running", "failed", "completed"} == {one.value for one in facets.status}
    assert None in {one.value for one in facets.queue}
    assert [("w03", 37)] == [(one.value, one.count) for one in facets.host]
    assert sorted((one.count for one in facets.task), reverse=True) == [one.count for one in facets.task]


def test_only_the_first_page_counts(reader: Reader) -> None:
    """A page further on costs no more than its own jobs."""
    first = found(reader, "", limit=10)
    second = reader.search(JobFilter(), now_ms=NOW_MS, limit=10, cursor=first.cursor)

    assert first.facets is not None
    assert second.facets is None
    assert 10 == len(second.jobs)


def test_a_search_whose_time_is_over_says_how_far_it_has_looked(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Little is found in much: the page is short and says from when on it has looked; the next one goes on there."""
    monkeypatch.setattr(explorer, "LOOK_JOBS", 50)
    monkeypatch.setattr(explorer, "LOOK_S", 0.0)
    page = found(reader, "error:100%_5", is_enough=lambda: True)

    assert ([], AT_MS + (JOBS - 50) * 1000) == (page.jobs, page.searched_from_ms)
    assert page.cursor is not None
    assert page.facets is not None
    assert (0, False) == (page.facets.count, page.facets.is_all)
    assert ["job-56", "job-55", "job-5"] == [
        job.job_id for job in every_page(reader, "error:100%_5", 100, is_enough=lambda: True)
    ]


def test_counting_ends_at_its_bound(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many match, only so many are counted, and the count says that there are more."""
    monkeypatch.setattr("jobsight.view.queries.COUNT_MAX", 30)
    page = found(reader, "status:completed", limit=10)

    assert page.facets is not None
    assert (30, False, 10) == (page.facets.count, page.facets.is_all, len(page.jobs))


@pytest.mark.parametrize("text", ["host:w0*", "task:etl.*", "-task:etl.*", "status:warm*", "task:etl.1 host:w1*"])
def test_names_beyond_the_numbered_ones_are_found_by_patterns_too(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Where there are very many names, rows hold them as they are; a search finds them all the same."""
    monkeypatch.setattr(words, "WORDS_MAX", 12)
    view = View.open(None)
    state = view.load_state()
    events = [event_of(number) for number in range(100)]
    apply(state, Batch(seq=1, accept_ms=AT_MS, sources=[None] * 100, events=events))
    view.flush(state, b"c")
    reader = view.reader()
    wanted, _ = read_filter(text)
    expected = [job for job in every_page(reader, "", 1000) if is_wanted(job, wanted)]

    assert expected
    assert expected == every_page(reader, text, 7)
    view.close()


def test_what_is_no_longer_kept_is_not_found() -> None:
    """A job that is gone is gone from every list at once, before its row is deleted."""
    view = View.open(None)
    state = view.load_state()
    for seq, number in ((1, 0), (2, 5), (3, 7)):
        apply(state, Batch(seq=seq, accept_ms=AT_MS + number, sources=[None], events=[event_of(number)]))
    view.flush(state, b"c")
    passed = RetentionPassed(completed_before_ms=AT_MS + 5, other_before_ms=0, author="t")
    apply_internal(state, Batch(seq=4, accept_ms=AT_MS + 9, sources=[None], events=[passed]))
    view.flush(state, b"d")

    assert ["job-7", "job-5"] == [job.job_id for job in found(view.reader(), "").jobs]
    view.close()


@pytest.mark.parametrize("statement", [explorer.SEARCH_BY_STATUS, explorer.SEARCH_BY_TASK, explorer.SEARCH_BY_NUMBER])
def test_a_search_reads_nothing_outside_of_its_window(view: View, statement: str) -> None:
    """A look costs the same at ten million jobs: each road is bounded by the numbers of its window."""
    view.reader()  # teaches the connection what a pattern is
    rows = view.connection.execute("EXPLAIN QUERY PLAN " + statement, (None,) * 30)
    plan = [row[3] for row in rows if "jobs" in row[3]]  # type: ignore[operator]

    assert 1 == len(plan)
    assert plan[0].startswith("SEARCH jobs USING")
    assert "rowid>? AND rowid<?" in plan[0]


def test_what_jobs_are_about_is_met_without_the_jobs(reader: Reader) -> None:
    """Each task, queue and error of those that match comes but once, and page after page they are those of all of them."""
    wanted, _ = read_filter("status:failed")
    failed = found(reader, "status:failed").jobs
    subjects, count, cursor = set(), 0, None
    while True:
        met = reader.meet(wanted, now_ms=NOW_MS, limit=7, cursor=cursor, is_enough=bool)
        subjects |= {(one.status, one.task, one.queue, one.error) for one in met.subjects}
        count, cursor = count + met.count, met.cursor
        assert len(met.subjects) == len(set(met.subjects))
        if cursor is None:
            break

    assert len(failed) == count
    assert {(job.status, job.task, job.queue, None if job.task else job.error) for job in failed} == subjects


@pytest.mark.parametrize("text", ["", "status:failed", "task:etl.* host:w0*", "dur:>100s"])
def test_the_oldest_come_first_where_that_is_asked(reader: Reader, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page the same jobs, the other way round, counted in the same way."""
    monkeypatch.setattr(explorer, "LOOK_JOBS", 30)
    wanted, _ = read_filter(text)
    first = reader.search(wanted, now_ms=NOW_MS, limit=3, order="oldest")
    jobs, cursor = first.jobs, first.cursor
    while cursor is not None:
        page = reader.search(wanted, now_ms=NOW_MS, limit=3, cursor=cursor, order="oldest", is_enough=lambda: True)
        jobs, cursor = jobs + page.jobs, page.cursor
        assert page.facets is None

    assert every_page(reader, text, 50)[::-1] == jobs
    assert first.facets == found(reader, text).facets


def test_the_longest_of_what_was_counted_come_on_one_page(reader: Reader) -> None:
    """By what they told, else by how long they run; who never began comes last."""
    page = reader.search(JobFilter(), now_ms=NOW_MS, limit=20, order="longest")
    took = [
        job.duration_ms if job.duration_ms is not None else NOW_MS - (job.started_ms or NOW_MS) for job in page.jobs
    ]

    assert sorted(took, reverse=True) == took
    assert NOW_MS - AT_MS - 8_000 == took[0]
    assert (20, None) == (len(took), page.cursor)
    assert page.facets is not None
    assert JOBS == page.facets.count


def test_some_jobs_are_looked_at_by_their_ids(reader: Reader) -> None:
    """Which of them match; those that are not stored do not."""
    wanted, _ = read_filter("status:failed task:etl.*")
    expected = {job.job_id for job in found(reader, "status:failed task:etl.*").jobs}
    everyone = [f"job-{number}" for number in range(JOBS)]

    assert expected == reader.matching(wanted, now_ms=NOW_MS, job_ids=[*everyone, "nobody"])
    assert set() == reader.matching(wanted, now_ms=NOW_MS, job_ids=[])
