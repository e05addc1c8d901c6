"""What is no longer kept: gone from every answer at once, deleted bit by bit, and never missed in a figure over all jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from jobsight.core.apply import apply, apply_internal
from jobsight.core.events import AnyReport, Batch, InternalEvent, JobCompleted, JobFailed, RetentionPassed, StatusUpdate
from jobsight.core.kept import Kept, is_gone, kept_bucket_start_ms, rollups_kept_from_ms
from jobsight.core.state import State
from jobsight.core.statistics import totals_of
from jobsight.engine.retention import KeepTimes, Retention
from jobsight.errors import StorageFullError
from jobsight.testing.disk import Disk, Operation
from jobsight.view.job_index import SEGMENT_BITS
from jobsight.view.store import View
from jobsight.view.sweep import FREE_PAGES_KEPT, SWEEP_ROWS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
AT_MS = 20_000 * DAY_MS
CHECKSUM = bytes(16)


@pytest.fixture
def view(tmp_path: Path) -> Iterator[View]:
    one = View.open(tmp_path / "view.db")
    yield one
    one.close()


def report(view: View, state: State, *events: AnyReport, at_ms: int = AT_MS) -> None:
    """One batch, applied as the engine does it; not flushed."""
    unknown = {event.job_id for event in events} - state.jobs.keys()
    for job in view.fetch(sorted(unknown), state):
        state.jobs[job.job_id] = job
    apply(state, Batch(seq=state.applied_seq + 1, accept_ms=at_ms, sources=[None] * len(events), events=list(events)))


def purge(state: State, *, completed_ms: int = 0, other_ms: int = 0, at_ms: int = AT_MS + 100 * DAY_MS) -> None:
    """The cutoffs move."""
    event = RetentionPassed(completed_before_ms=completed_ms, other_before_ms=other_ms, author="retention")
    apply_internal(state, Batch(seq=state.applied_seq + 1, accept_ms=at_ms, sources=[None], events=[event]))


def flush_all(view: View, state: State, flushes_max: int = 10_000) -> int:
    """Flush until nothing is left to delete; how many flushes that took."""
    for flushes in range(1, flushes_max):
        view.flush(state, CHECKSUM)
        if not view.wants_flush:
            return flushes
    raise AssertionError("the sweep does not end")


def completed(job_id: str, duration_ms: int = 10) -> JobCompleted:
    return JobCompleted(job_id=job_id, duration_ms=duration_ms)


def rows(view: View, table: str = "jobs") -> int:
    return len(view.connection.execute(f"SELECT number FROM {table}").fetchall())


def listed(view: View, **filters: str) -> list[str]:
    return [job.job_id for job in view.reader().list_jobs(**filters).jobs]  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------------------------- cutoffs


@pytest.mark.parametrize(
    ("status", "ended_ms", "expected"),
    [
        ("completed", 99, True),
        ("completed", 100, False),
        ("failed", 49, True),
        ("failed", 50, False),
        ("cancelled", 49, True),
        ("lost", 49, True),
        ("running", None, False),
    ],
)
def test_a_job_is_gone_when_its_end_lies_before_its_cutoff(status: str, ended_ms: int | None, expected: bool) -> None:
    """Completed jobs have a cutoff of their own; an active job is never gone, however old it is."""
    assert expected == is_gone(Kept(completed_from_ms=100, other_from_ms=50), status, ended_ms)


def test_cutoffs_never_move_back() -> None:
    """Whoever lengthens a keep-time gets nothing back that was gone already; and nothing can be purged ahead of time."""
    state = State()
    purge(state, completed_ms=AT_MS, other_ms=AT_MS - 5, at_ms=AT_MS + 1)
    purge(state, completed_ms=AT_MS - 7, other_ms=AT_MS + DAY_MS, at_ms=AT_MS)

    assert Kept(completed_from_ms=AT_MS, other_from_ms=AT_MS, as_of_ms=AT_MS + 1) == state.kept


def test_after_the_clock_was_set_back_nothing_is_gone_as_it_ends(view: View) -> None:
    """A clock that jumps back behind a cutoff makes no job disappear: it counts as ended at the cutoff."""
    state = State()
    purge(state, completed_ms=AT_MS, other_ms=AT_MS, at_ms=AT_MS)
    report(view, state, completed("a"), at_ms=AT_MS - DAY_MS)
    flush_all(view, state)

    assert ["a"] == listed(view)
    assert 1 == len(view.fetch(["a"], state))


# ------------------------------------------------------------------------------------------------------------- from then on


def test_what_is_gone_is_in_no_answer_before_it_is_deleted(view: View) -> None:
    """From the event on, neither the job itself nor a list shows it, though its row is still there."""
    state = State()
    report(view, state, *[completed(f"c{number}") for number in range(SWEEP_ROWS * 2)])
    report(view, state, JobFailed(job_id="bad", error="x"), StatusUpdate(job_id="active", status="running"))
    view.flush(state, CHECKSUM)
    purge(state, completed_ms=AT_MS + 1, other_ms=AT_MS - DAY_MS)

    assert [] == view.fetch(["c1", "c999"], state)
    view.flush(state, CHECKSUM)

    assert SWEEP_ROWS + 2 == rows(view)
    assert view.wants_flush
    assert ["active", "bad"] == listed(view)
    assert [] == listed(view, status="completed")
    assert view.reader().job("c999") is None
    assert [] == view.reader().history_refs("c999")


def test_figures_over_all_jobs_do_not_change(view: View) -> None:
    """`total`, `completed`, `failed` and the mean tell of all jobs that ever were; `retained` of those that are still there."""
    state = State()
    report(view, state, completed("a", 10), completed("b", 30), JobFailed(job_id="c", error="x"))
    flush_all(view, state)
    before = view.reader().totals()
    purge(state, completed_ms=AT_MS + 1)
    flush_all(view, state)

    assert before == view.reader().totals() == totals_of([state.counters])
    assert (3, 2, 1, 20) == (before.total, before.completed, before.failed, before.avg_duration_ms)
    assert (3, 1) == (view.reader().applied().jobs_total, view.reader().applied().retained)


@pytest.mark.parametrize("is_deleted", [False, True], ids=["not deleted yet", "deleted"])
def test_an_id_that_comes_back_is_a_new_job(view: View, is_deleted: bool) -> None:
    """A purged id that reports again begins anew, whether its old row was deleted by then or not; the figures grow by one."""
    state = State()
    report(view, state, *[completed(f"before{number}") for number in range(SWEEP_ROWS)])
    report(view, state, completed("again", 10))
    view.flush(state, CHECKSUM)
    purge(state, completed_ms=AT_MS + 1)
    if is_deleted:
        flush_all(view, state)
    total = state.jobs_total
    report(view, state, StatusUpdate(job_id="again", status="running"), at_ms=AT_MS + DAY_MS)
    view.flush(state, CHECKSUM)
    found = view.reader().job("again")

    assert found is not None
    assert ("running", 1, None) == (found.status, found.events, found.duration_ms)
    assert (total + 1, total) == (state.jobs_total, state.counters.statuses["completed"])
    assert ["again"] == listed(view)
    flush_all(view, state)
    assert 1 == rows(view)


def test_a_job_in_memory_is_gone_as_well(view: View) -> None:
    """What ended and was not flushed yet when the cutoff passed it is no other than what was."""
    state = State()
    report(view, state, completed("a"))
    purge(state, completed_ms=AT_MS + 1)
    report(view, state, completed("a"), at_ms=AT_MS + 2)
    flush_all(view, state)

    assert (2, 2) == (state.jobs_total, state.counters.statuses["completed"])
    assert ["a"] == listed(view)
    assert {} == state.jobs
    assert 1 == rows(view)


# ----------------------------------------------------------------------------------------------------------------- duty


class Monitor:
    """A state, a clock that is stepped, and a log that can refuse."""

    def __init__(self, keep: KeepTimes) -> None:
        self.state, self.now_ms, self.is_full = State(), AT_MS, False
        self.said: list[RetentionPassed] = []
        self.duty = Retention(keep, self.state, self.submit, lambda: self.now_ms, AT_MS)

    def submit(self, events: list[InternalEvent], done: Callable[[bool], None]) -> None:
        if not self.is_full:
            self.said += [event for event in events if isinstance(event, RetentionPassed)]
            batch = Batch(seq=1, accept_ms=self.now_ms, sources=[None], events=list(events))
            apply_internal(self.state, batch)
        done(not self.is_full)

    def pass_hours(self, hours: int) -> None:
        for _ in range(hours):
            self.now_ms += HOUR_MS
            self.duty.tick()


def test_cutoffs_move_once_an_hour_and_not_before_there_is_anything_to_let_go_of() -> None:
    """A young log is not filled with cutoffs; then one event an hour moves both on, and what is kept for ever stays."""
    monitor = Monitor(KeepTimes(completed_ms=30 * DAY_MS, other_ms=0))
    monitor.pass_hours(48)

    assert [] == monitor.said
    assert HOUR_MS == monitor.duty.due_ms()
    monitor.pass_hours(1)
    monitor.duty.tick()
    assert [(AT_MS + 49 * HOUR_MS - 30 * DAY_MS, 0)] == [
        (one.completed_before_ms, one.other_before_ms) for one in monitor.said
    ]
    monitor.now_ms += HOUR_MS - 1
    monitor.duty.tick()
    assert 1 == len(monitor.said)
    monitor.pass_hours(3)
    assert 4 == len(monitor.said)


def test_what_could_not_be_stored_is_said_again() -> None:
    """A full disk holds the cutoffs up, no more."""
    monitor = Monitor(KeepTimes(completed_ms=HOUR_MS))
    monitor.is_full = True
    monitor.pass_hours(3)
    monitor.is_full = False

    assert 0 == monitor.duty.due_ms()
    monitor.duty.tick()
    assert 1 == len(monitor.said)


# --------------------------------------------------------------------------------------------------------------- deletion


def test_rows_are_deleted_in_small_steps_and_their_room_is_given_back(view: View) -> None:
    """No flush looks at more than a bounded number of rows; at the end the file is small again."""
    state = State()
    for number in range(8):
        report(view, state, *[completed(f"{number}-{'x' * 200}-{one}") for one in range(1_000)])
        view.flush(state, CHECKSUM)
    pages = view.connection.pragma("page_count")
    purge(state, completed_ms=AT_MS + 1)
    deleted = []
    while rows(view):
        before = rows(view)
        view.flush(state, CHECKSUM)
        deleted.append(before - rows(view))
    flush_all(view, state)

    assert [SWEEP_ROWS] * 16 == deleted
    assert view.connection.pragma("freelist_count") <= FREE_PAGES_KEPT
    assert view.connection.pragma("page_count") <= pages - 8_000 * 200 // 4_096 + FREE_PAGES_KEPT
    assert ["ok"] == [row[0] for row in view.connection.execute("PRAGMA integrity_check")]


def test_moved_histories_are_deleted_with_their_jobs(view: View) -> None:
    """What was moved out of a job's row goes with it."""
    state = State()
    for number in range(150):
        report(view, state, StatusUpdate(job_id="long", status="running", progress=number % 100))
        view.flush(state, CHECKSUM)
    report(view, state, completed("long"))
    view.flush(state, CHECKSUM)

    assert rows(view, "history") > 0
    purge(state, completed_ms=AT_MS + 1)
    flush_all(view, state)
    assert (0, 0) == (rows(view), rows(view, "history"))


def test_a_sweep_goes_on_after_a_restart(tmp_path: Path) -> None:
    """How far the deletion has come is stored with the flush."""
    view, state = View.open(tmp_path / "view.db"), State()
    report(view, state, *[completed(f"c{number}") for number in range(SWEEP_ROWS * 3)])
    view.flush(state, CHECKSUM)
    purge(state, completed_ms=AT_MS + 1)
    view.flush(state, CHECKSUM)
    left = rows(view)
    view.close()
    view = View.open(tmp_path / "view.db")
    state = view.load_state()

    assert SWEEP_ROWS * 2 == left
    assert view.wants_flush
    assert AT_MS + 1 == state.kept.completed_from_ms
    flush_all(view, state)
    assert 0 == rows(view)
    view.close()


@pytest.mark.slow
def test_the_index_survives_gaps_and_names_that_come_back(tmp_path: Path) -> None:
    """Rows that are deleted in the open segment, and a name that is there twice, shift the place of no other name."""
    path = tmp_path / "view.db"
    view, state = View.open(path), State()
    report(view, state, *[completed(f"old{number}") for number in range(1_000)])
    report(view, state, JobFailed(job_id="bad", error="x"))
    flush_all(view, state)
    purge(state, completed_ms=AT_MS + 1)
    report(view, state, completed("old0"), completed("old7"), at_ms=AT_MS + 5)
    flush_all(view, state)
    view.close()
    view = View.open(path)
    state = view.load_state()
    for start in range(0, 1 << SEGMENT_BITS, 8_192):
        report(view, state, *[completed(f"new{number}") for number in range(start, start + 8_192)], at_ms=AT_MS + 6)
        flush_all(view, state)
    names = ["bad", "old0", "old7", "old8", "new0", "new30000", "new32767"]

    found = {job.job_id: job.number for job in view.fetch(names, state)}
    assert {"bad": 1001, "old0": 1002, "old7": 1003, "new0": 1004, "new30000": 31004, "new32767": 33771} == found
    reader = view.reader()
    assert found == {name: number for name in names if (number := reader._number(name)) is not None}
    reader.close()
    view.close()


# --------------------------------------------------------------------------------------------------------------- roll-ups


def test_coarser_roll_ups_are_kept_longer(view: View) -> None:
    """Buckets of 10 s are kept for two days, of 5 min for 60, of an hour for two years, of a day for ever."""
    state = State()
    ages_days = (0, 1, 3, 59, 62, 700, 800)
    for age in sorted(ages_days, reverse=True):
        report(view, state, completed(f"d{age}"), at_ms=AT_MS - age * DAY_MS + 5_000)
    purge(state, at_ms=AT_MS + 60_000)
    flush_all(view, state)
    reader = view.reader()
    kept = {
        width_s: [(AT_MS - point.bucket_ms) // DAY_MS for point in reader.rollup_series(width_s, 0, AT_MS + DAY_MS)]
        for width_s in (10, 300, 3_600, 86_400)
    }

    assert {
        10: [1, 0],
        300: [59, 3, 1, 0],
        3_600: [700, 62, 59, 3, 1, 0],
        86_400: [800, 700, 62, 59, 3, 1, 0],
    } == kept
    stored = view.connection.execute("SELECT width_s, count(*) FROM rollups WHERE task = 0 GROUP BY width_s").fetchall()
    assert [(10, 2), (300, 3), (3_600, 5), (86_400, 6)] == stored  # the latest is yet to be added to the coarser ones


def test_a_sum_over_an_old_stretch_uses_the_buckets_that_are_left(view: View) -> None:
    """A stretch that begins where the fine buckets are gone begins with the coarser bucket around it; nothing is lost."""
    state = State()
    report(view, state, completed("old"), at_ms=AT_MS - 70 * DAY_MS + 90_000)
    report(view, state, completed("new"), at_ms=AT_MS)
    before = view.reader()
    view.flush(state, CHECKSUM)

    assert 1 == before.rollup_sum(AT_MS - 70 * DAY_MS + 100_000).ends["completed"]
    purge(state, at_ms=AT_MS + 60_000)
    flush_all(view, state)
    assert 2 == view.reader().rollup_sum(AT_MS - 70 * DAY_MS + 100_000).ends["completed"]
    assert 1 == view.reader().rollup_sum(AT_MS - 69 * DAY_MS).ends["completed"]


def test_the_edge_of_what_is_kept_cuts_no_coarser_bucket() -> None:
    """What is left of the buckets within a coarser one is always all or none of them."""
    as_of_ms = AT_MS + 12_345_678

    assert 0 == rollups_kept_from_ms(10, as_of_ms) % 300_000
    assert 0 == rollups_kept_from_ms(300, as_of_ms) % HOUR_MS
    assert 0 == rollups_kept_from_ms(3_600, as_of_ms) % DAY_MS
    assert 0 == rollups_kept_from_ms(86_400, as_of_ms)
    assert [10_000, 300_000, HOUR_MS, DAY_MS] == [
        as_of_ms
        - age_ms
        - kept_bucket_start_ms(as_of_ms - age_ms, as_of_ms)
        - (as_of_ms - age_ms) % width_ms
        + width_ms
        for age_ms, width_ms in ((0, 10_000), (3 * DAY_MS, 300_000), (100 * DAY_MS, HOUR_MS), (900 * DAY_MS, DAY_MS))
    ]


def test_a_flush_that_fails_takes_its_deletions_back(tmp_path: Path) -> None:
    """A full disk in the middle of a sweep leaves every row and figure as it was; the next flush goes on from there."""
    is_full = False

    def before(operation: Operation) -> None:
        if is_full and operation.verb == "write" and operation.file.endswith("-wal"):
            raise apsw.exception_for(apsw.SQLITE_FULL)

    with Disk(before):
        view, state = View.open(tmp_path / "view.db"), State()
        report(view, state, *[completed(f"c{number}") for number in range(SWEEP_ROWS * 2)])
        flush_all(view, state)
        purge(state, completed_ms=AT_MS + 1)
        is_full = True
        with pytest.raises(StorageFullError):
            view.flush(state, CHECKSUM)
        is_full = False

        assert view.wants_flush
        assert SWEEP_ROWS * 2 == rows(view) == view.reader().applied().retained
        flush_all(view, state)
        assert (0, 0) == (rows(view), view.reader().applied().retained)
        view.close()
