"""The job machine: where a job stands after what happened to it, and what its clocks say."""

from __future__ import annotations

import itertools

import pytest
from core_state import Applier

from jobsight.core.apply import silence_deadline_ms
from jobsight.core.events import (
    AnyReport,
    DeadlinePassed,
    Heartbeat,
    JobCancelled,
    JobCompleted,
    JobFailed,
    SettingsChanged,
    StatusUpdate,
)
from jobsight.core.job import (
    AS_REPORTED,
    CANCELLED,
    COMPLETED,
    FAILED,
    LOST,
    NEW,
    OTHER_WORD,
    QUEUED,
    RETRYING,
    RUNNING,
    TRANSITIONS,
    Job,
    Kind,
    next_status,
)
from jobsight.core.limits import PAIRS_MAX, STATUS_WORDS_MAX
from jobsight.core.statistics import NAMED_STATUSES, mean_ms

HOUR_MS = 3_600_000

REPORTS: dict[Kind, AnyReport] = {
    Kind.HEARD: Heartbeat(job_id="j"),
    Kind.UPDATED: StatusUpdate(job_id="j", status="uploading"),
    Kind.COMPLETED: JobCompleted(job_id="j"),
    Kind.RETRIES_LEFT: JobFailed(job_id="j", retries=0, max_retries=1),
    Kind.RETRIES_OVER: JobFailed(job_id="j", retries=1, max_retries=1),
    Kind.CANCELLED: JobCancelled(job_id="j"),
}


def job_in(applier: Applier, status: str) -> Job:
    """A job that stands somewhere."""
    if status == LOST:
        applier.report(Heartbeat(job_id="j"))
        pass_silence(applier)
    elif status != NEW:
        applier.report(StatusUpdate(job_id="j", status=status))
    return applier.state.jobs["j"]


def pass_silence(applier: Applier, job_id: str = "j") -> None:
    """The deadline of a silent job passes."""
    job = applier.state.jobs[job_id]
    deadline = silence_deadline_ms(job, applier.state.silence_ms)
    applier.now_ms += applier.state.silence_ms
    applier.tell(DeadlinePassed(subject_kind="job", subject=job_id, rule="silence", deadline_ms=deadline or 0))


def test_every_state_has_a_row_with_every_report() -> None:
    """A report is never left without a rule; what has no cell keeps the state."""
    assert {NEW, QUEUED, RUNNING, RETRYING, OTHER_WORD, COMPLETED, FAILED, CANCELLED, LOST} == set(TRANSITIONS)
    for status, row in TRANSITIONS.items():
        ends = (row[Kind.COMPLETED], row[Kind.RETRIES_LEFT], row[Kind.RETRIES_OVER], row[Kind.CANCELLED])

        assert (COMPLETED, RETRYING, FAILED, CANCELLED) == ends, status
        assert AS_REPORTED == row[Kind.UPDATED], status
        assert (Kind.SILENT in row) == (status in {QUEUED, RUNNING, RETRYING, OTHER_WORD}), status


@pytest.mark.parametrize("status", [COMPLETED, FAILED, CANCELLED])
def test_a_heartbeat_never_reopens(status: str) -> None:
    """Clients race their own end."""
    applier = Applier()
    job_in(applier, status)
    applier.report(Heartbeat(job_id="j"))

    assert status == applier.state.jobs["j"].status
    assert status == next_status(status, Kind.HEARD)


@pytest.mark.parametrize("status", [QUEUED, RUNNING, RETRYING, COMPLETED, FAILED, CANCELLED, LOST, "uploading"])
@pytest.mark.parametrize("kind", REPORTS)
def test_the_state_follows_the_table(status: str, kind: Kind) -> None:
    """What `apply` does with a report is what the table says."""
    applier = Applier()
    job = job_in(applier, status)
    applier.report(REPORTS[kind])

    assert next_status(status, kind, "uploading") == job.status
    assert {job.status: 1} == {word: count for word, count in applier.state.counters.statuses.items() if count}


@pytest.mark.parametrize("status", [QUEUED, RUNNING, RETRYING, "uploading"])
def test_a_silent_active_job_is_lost(status: str) -> None:
    """Nothing stays running for ever; being lost raises no alert, and any later report ends it."""
    applier = Applier()
    job = job_in(applier, status)
    pass_silence(applier)

    assert (LOST, applier.now_ms) == (job.status, job.ended_ms)
    assert [] == applier.alerts()
    for report in REPORTS.values():
        applier = Applier()
        job = job_in(applier, LOST)
        applier.report(report)
        assert job.status != LOST, report


@pytest.mark.parametrize("status", [COMPLETED, FAILED, CANCELLED])
def test_an_ended_job_is_never_lost(status: str) -> None:
    """An end stays an end, however long it is quiet."""
    applier = Applier()
    job = job_in(applier, status)
    pass_silence(applier)

    assert status == job.status
    assert silence_deadline_ms(job, 1) is None


def test_a_deadline_that_is_no_longer_current_is_ignored() -> None:
    """A report that came in between has moved the deadline."""
    applier = Applier()
    applier.report(Heartbeat(job_id="j"))
    old = silence_deadline_ms(applier.state.jobs["j"], applier.state.silence_ms)
    applier.now_ms += 1
    applier.report(Heartbeat(job_id="j"))
    applier.now_ms += 48 * HOUR_MS
    applier.tell(
        DeadlinePassed(subject_kind="job", subject="j", rule="silence", deadline_ms=old or 0),
        DeadlinePassed(subject_kind="job", subject="nobody", rule="silence", deadline_ms=0),
    )

    assert RUNNING == applier.state.jobs["j"].status


def test_how_long_silence_lasts_is_a_setting_in_the_log() -> None:
    """24 hours unless set otherwise."""
    applier = Applier()
    applier.report(Heartbeat(job_id="j"))
    job = applier.state.jobs["j"]

    assert applier.now_ms + 24 * HOUR_MS == silence_deadline_ms(job, applier.state.silence_ms)
    applier.tell(SettingsChanged(max_retries=None, silence_ms=HOUR_MS, author="test"))
    assert applier.now_ms + HOUR_MS == silence_deadline_ms(job, applier.state.silence_ms)


def test_a_completion_from_a_spool_ends_a_lost_job() -> None:
    """`lost` is no end that a worker told, so nothing that follows it is late."""
    applier = Applier()
    sent_ms = applier.now_ms
    job = job_in(applier, LOST)
    applier.report(JobCompleted(job_id="j", duration_ms=5, at=sent_ms))

    assert (COMPLETED, 5) == (job.status, job.duration_ms)


def test_the_stall_clock_restarts_on_a_new_maximum_or_another_status_only() -> None:
    """Progress that goes backwards or stands still is shown, and is no movement."""
    applier = Applier()
    moved = []
    for status, progress in [("running", 10), ("running", 50), ("running", 20), ("running", 50), ("running", 51)]:
        applier.now_ms += 1_000
        applier.report(StatusUpdate(job_id="j", status=status, progress=progress))
        moved.append(applier.state.jobs["j"].moved_ms == applier.now_ms)
    applier.now_ms += 1_000
    applier.report(StatusUpdate(job_id="j", status="uploading"))
    moved.append(applier.state.jobs["j"].moved_ms == applier.now_ms)

    assert [True, True, False, False, True, True] == moved


def test_a_reopened_job_begins_anew() -> None:
    """Its end, its duration and the maximum of its progress are those of the run before."""
    applier = Applier()
    applier.report(StatusUpdate(job_id="j", status="running", progress=100), JobCompleted(job_id="j", duration_ms=9))
    applier.now_ms += 1_000
    applier.report(StatusUpdate(job_id="j", status="running", progress=1))
    job = applier.state.jobs["j"]

    assert (None, None, 1, 1) == (job.ended_ms, job.duration_ms, job.progress, job.progress_max)
    assert applier.now_ms == job.started_ms == job.moved_ms


def test_lateness_is_judged_by_one_hosts_clock() -> None:
    """A report from before the end is late on the same host; another host's clock cannot say so."""
    for host, expected in (("a", COMPLETED), ("b", RUNNING)):
        applier = Applier()
        applier.report(JobCompleted(job_id="j", at=applier.now_ms, host="a"))
        applier.report(StatusUpdate(job_id="j", status="running", at=applier.now_ms - 1, host=host))

        assert expected == applier.state.jobs["j"].status


def test_a_job_counts_under_its_task_and_queue() -> None:
    """A job that changes its task or queue leaves the counters of the old one, with its duration."""
    applier = Applier()
    applier.report(JobCompleted(job_id="j", duration_ms=7, task="t"), Heartbeat(job_id="j", queue="q"))
    pairs = {key: (pair.statuses.get(COMPLETED, 0), pair.duration_sum_us) for key, pair in applier.state.pairs.items()}

    assert {("t", None): (0, 0), ("t", "q"): (1, 7_000)} == {key: value for key, value in pairs.items() if key[0]}


def test_counters_are_bounded() -> None:
    """Above the limits, further tasks and status words are counted together; totals stay right."""
    applier = Applier()
    many = max(PAIRS_MAX, STATUS_WORDS_MAX) + 10
    applier.report(*(StatusUpdate(job_id=str(n), status=f"s{n}", task=f"t{n}") for n in range(many)))
    applier.report(*(JobCompleted(job_id=str(n), duration_ms=1) for n in range(many)))
    state = applier.state

    assert len(state.pairs) <= PAIRS_MAX + 1
    assert len(state.counters.statuses) <= STATUS_WORDS_MAX + 1 + len(NAMED_STATUSES)
    assert set(TRANSITIONS) - {NEW, OTHER_WORD} == NAMED_STATUSES
    assert many == state.counters.statuses[COMPLETED] == sum(state.counters.statuses.values())
    assert many == sum(pair.statuses.get(COMPLETED, 0) for pair in state.pairs.values())
    assert all(count >= 0 for pair in state.pairs.values() for count in pair.statuses.values())


@pytest.mark.parametrize(
    ("sum_us", "count", "expected"),
    [
        (0, 0, 0),
        (5_000, 1, 5),
        (5_000, 2, 2.5),
        (10_000, 3, 10 / 3),
        (2**53 * 1000 + 1000, 1, 2**53 + 1),
        (1, 1, 0.001),
    ],
)
def test_the_mean_is_correctly_rounded(sum_us: int, count: int, expected: float) -> None:
    """An integer where it is one, else the nearest float."""
    assert (expected, type(expected)) == (mean_ms(sum_us, count), type(mean_ms(sum_us, count)))


def test_no_count_ever_falls_below_zero() -> None:
    """Whatever order three reports come in."""
    for reports in itertools.product(REPORTS.values(), repeat=3):
        applier = Applier()
        applier.report(*reports)

        assert all(count >= 0 for count in applier.state.counters.statuses.values()), reports
        assert 1 == sum(applier.state.counters.statuses.values())
