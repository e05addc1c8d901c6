"""Alerts in the state: who opens one, who counts on it, who closes it."""

from __future__ import annotations

import pytest
from core_state import Applier

from jobsight.core.alert import (
    ACKNOWLEDGED,
    ALERT_TRANSITIONS,
    FIRING,
    NONE,
    PENDING,
    RESOLVED,
    AlertKind,
    error_kind,
    fingerprint_of,
)
from jobsight.core.events import Heartbeat, JobCancelled, JobCompleted, JobFailed, SettingsChanged, StatusUpdate
from jobsight.core.limits import TEXT_BYTES_KEPT


def failed(job_id: str = "j", error: str = "e", retries: int = 0, **more: object) -> JobFailed:
    """A failure of a job."""
    return JobFailed(job_id=job_id, error=error, retries=retries, **more)


def told(applier: Applier) -> list[tuple[str, int, int]]:
    """State, count and jobs that stand failed, of the open alerts."""
    return [(alert.state, alert.count, alert.jobs_failed) for alert in applier.alerts()]


def test_the_last_retry_alerts_and_the_first_does_not() -> None:
    """An operator is called once, when no retry is left; never before."""
    applier = Applier()

    first = applier.report(failed(retries=1, max_retries=3))
    before = told(applier)
    last = applier.report(failed(retries=3, max_retries=3))

    assert ({0: 3}, [], []) == (first.retrying, first.alerts, before)
    assert ({}, [(FIRING, 1, 1)]) == (last.retrying, told(applier))
    assert ["e"] == [alert.last_error for alert in last.alerts]


@pytest.mark.parametrize(
    ("of_report", "of_job", "of_node", "limit"),
    [(2, 9, 9, 2), (None, 2, 9, 2), (None, None, 2, 2), (None, None, None, None), (0, 9, 9, 0), (None, 0, 9, 0)],
)
def test_the_nearest_retry_limit_decides(
    of_report: int | None, of_job: int | None, of_node: int | None, limit: int | None
) -> None:
    """The report's limit, else the job's, else the node's; with none known, every failure is final."""
    for retries in range(4):
        applier = Applier()
        applier.tell(SettingsChanged(max_retries=of_node, author="test"))
        applier.report(Heartbeat(job_id="j", max_retries=of_job))

        applied = applier.report(failed(retries=retries, max_retries=of_report))

        is_left = limit is not None and retries < limit
        assert ({0: limit} if is_left else {}) == applied.retrying
        assert ("retrying" if is_left else "failed") == applier.state.jobs["j"].status
        assert is_left == (not applier.alerts())


def test_failures_of_one_task_count_on_one_alert() -> None:
    """Further failures of a task raise the count and replace the last error; the first one stays."""
    applier = Applier()
    applier.report(failed("a", "first", task="t"), failed("b", "second", task="t", retries=4), failed("a", "third"))

    (alert,) = applier.alerts()

    assert (3, 2, "t", None) == (alert.count, alert.jobs_failed, alert.task, alert.resolved_ms)
    assert ("first", "third", "a", "a", 0) == (
        alert.first_error,
        alert.last_error,
        alert.first_job_id,
        alert.last_job_id,
        alert.last_retries,
    )


def test_the_next_success_of_the_task_closes_its_alert() -> None:
    """Any job's success closes the alert of its task, and of no other."""
    applier = Applier()
    applier.report(failed("a", task="t"), failed("b", task="u"))
    applier.now_ms += 1_000
    applied = applier.report(JobCompleted(job_id="c", task="t"))

    assert [(RESOLVED, "succeeded", applier.now_ms)] == [
        (alert.state, alert.reason, alert.resolved_ms) for alert in applied.alerts
    ]
    assert ["u"] == [alert.task for alert in applier.alerts()]


def test_a_status_word_closes_an_alert_too() -> None:
    """`update_status` with `completed` is a success as well; with `failed` it opens nothing by itself."""
    applier = Applier()
    applier.report(failed("a", task="t"))
    applier.report(StatusUpdate(job_id="a", status="completed"), StatusUpdate(job_id="a", status="failed"))

    assert [] == applier.alerts()


def test_the_next_failure_opens_a_new_episode() -> None:
    """After a success the same problem has the same fingerprint and another identity."""
    applier = Applier()
    applier.report(failed("a", task="t"), JobCompleted(job_id="a"), failed("a"))

    old, new = applier.state.changes.alerts

    assert (RESOLVED, FIRING) == (old.state, new.state)
    assert old.fingerprint == new.fingerprint
    assert old.alert_id != new.alert_id
    assert (1, [new]) == (new.count, applier.alerts())


def test_without_a_task_an_alert_waits_for_the_last_of_its_jobs() -> None:
    """Failures without a task are grouped by queue and kind of error, and closed when none of the jobs stands failed."""
    applier = Applier()
    applier.report(
        failed("a", "timeout after 30 s", queue="q"),
        failed("b", "timeout after 45 s", queue="q"),
        failed("c", "timeout after 45 s"),
    )
    opened = told(applier)
    applier.report(JobCompleted(job_id="a"))
    halved = told(applier)
    applier.report(JobCompleted(job_id="b"))

    assert [(FIRING, 2, 2), (FIRING, 1, 1)] == opened
    assert [(FIRING, 2, 1), (FIRING, 1, 1)] == halved
    assert [(FIRING, 1, 1)] == told(applier)


def test_a_job_that_got_a_task_leaves_no_alert_open_behind_it() -> None:
    """A job that failed before it had a task closes its old alert with its success, and its task's as well."""
    applier = Applier()
    applier.report(failed("a", "kind one"), failed("b", "kind two", task="t"))
    applied = applier.report(JobCompleted(job_id="a", task="t"))

    assert 2 == len(applied.alerts)
    assert [] == applier.alerts()


def test_another_error_moves_a_job_to_another_alert() -> None:
    """A job stands on one alert at a time."""
    applier = Applier()
    applier.report(failed("a", "kind one"), failed("a", "kind two"))

    assert ["kind two"] == [alert.last_error for alert in applier.alerts()]


def test_neither_a_restart_nor_a_cancellation_closes_an_alert() -> None:
    """Only a success says that the problem is over."""
    applier = Applier()
    applier.report(failed("a", task="t"), StatusUpdate(job_id="a", status="running"), JobCancelled(job_id="a"))

    assert [(FIRING, 1, 1)] == told(applier)


def test_a_repeated_failure_counts_once() -> None:
    """Same sender, number and body: the count stays, and nobody is told again; but the job was heard."""
    applier = Applier()
    applier.report(failed("a", msg_id=1), source="w")
    applier.now_ms += 1_000
    again = applier.report(failed("a", msg_id=1), source="w")

    assert [] == again.alerts
    assert [(FIRING, 1, 1)] == told(applier)
    assert applier.now_ms == applier.state.jobs["a"].updated_ms


@pytest.mark.parametrize(
    ("source", "event"),
    [
        ("v", failed("a", msg_id=1)),
        (None, failed("a", msg_id=1)),
        ("w", failed("a", msg_id=2)),
        ("w", failed("a", msg_id=1, retries=1)),
    ],
)
def test_another_sender_number_or_body_is_no_repeat(source: str | None, event: JobFailed) -> None:
    """What differs in anything is a failure of its own."""
    applier = Applier()
    applier.report(failed("a", msg_id=1), source="w")
    applier.report(event, source=source)

    assert [(FIRING, 2, 1)] == told(applier)


@pytest.mark.parametrize(("first", "second"), [(40, 40.0), (0.0, -0.0)])
def test_a_number_that_is_written_differently_is_no_repeat(first: float, second: float) -> None:
    """Whether the last event is still in memory or only its digest makes no difference: what is written differently is new."""
    counts = []
    for is_forgotten in (False, True):
        applier = Applier()
        applier.report(JobCompleted(job_id="a", msg_id=1, duration_ms=first))
        if is_forgotten:
            forget_last_event(applier, "a")
        applier.report(JobCompleted(job_id="a", msg_id=1, duration_ms=second))
        counts.append(applier.state.jobs["a"].events)

    assert [2, 2] == counts


def forget_last_event(applier: Applier, job_id: str) -> None:
    """Keep of a job's last event what the view keeps of it."""
    from jobsight.core.apply import digests

    job = applier.state.jobs[job_id]
    assert job.last_event is not None
    (job.last_digest,) = digests([job.last_source], [job.last_event])
    job.last_event = None


def test_a_late_failure_is_on_record_and_needs_nobody() -> None:
    """A final failure from before the success is answered by an alert, which is superseded at once."""
    applier = Applier()
    now = applier.now_ms
    applier.report(JobCompleted(job_id="a", at=now, task="t"))
    applied = applier.report(failed("a", at=now - 5_000))

    assert {(RESOLVED, "superseded")} == {(alert.state, alert.reason) for alert in applied.alerts}
    assert [] == applier.alerts()
    assert "completed" == applier.state.jobs["a"].status


def test_what_varies_in_an_error_does_not_split_alerts() -> None:
    """Numbers, addresses and ids make no other kind of error; words do."""
    same = ["host 10.0.0.7 gone after 3 s", "host 10.0.0.12 gone after 45 s"]

    assert error_kind(same[0]) == error_kind(same[1])
    assert error_kind("0xdeadbeef") == error_kind("0x1")
    assert error_kind("1b4e28ba-2fa1-11d2-883f-0016d3cca427") == error_kind("00000000-0000-0000-0000-000000000000")
    assert error_kind("disk full") != error_kind("disk gone")


def test_a_fingerprint_is_the_same_on_every_machine() -> None:
    """It stands in logs and in other systems: it must never change."""
    assert "b36c9250c65eabb8" == fingerprint_of("job_failed", "backup", None, "e")
    assert fingerprint_of("job_failed", "backup", "q", "x") == fingerprint_of("job_failed", "backup", None, "e")
    assert fingerprint_of("job_failed", None, "q", "x") != fingerprint_of("job_failed", "q", None, "x")


def test_an_error_far_too_long_is_kept_cut_and_marked() -> None:
    """At most 16 KiB are kept; the cut says how long it was, and never splits a character."""
    for error in ("é" * 20_000, "x" * 20_000, "🚀" * 20_000):
        applier = Applier()
        applier.report(failed("a", error))
        kept = applier.state.jobs["a"].error or ""

        assert TEXT_BYTES_KEPT - 4 < len(kept.encode()) <= TEXT_BYTES_KEPT
        assert kept.endswith(f" … [cut, {len(error.encode())} bytes in all]")


def test_a_resolved_alert_never_fires_again() -> None:
    """Every state of the alert machine has a row; nothing leads out of `resolved`."""
    assert {NONE, PENDING, FIRING, ACKNOWLEDGED, RESOLVED} == set(ALERT_TRANSITIONS)
    assert {} == ALERT_TRANSITIONS[RESOLVED]
    assert FIRING == ALERT_TRANSITIONS[NONE][AlertKind.FAILED]


@pytest.mark.parametrize("kind", AlertKind)
def test_every_word_of_the_alert_machine_leads_to_a_state(kind: AlertKind) -> None:
    """What happens to an open alert is known in every open state, but for what cannot happen there; each word has a place."""
    rows = {state: row.get(kind) for state, row in ALERT_TRANSITIONS.items()}
    closing = {
        AlertKind.SUCCEEDED,
        AlertKind.SUPERSEDED,
        AlertKind.ENDED,
        AlertKind.RETRACTED,
        AlertKind.BY_HAND,
        AlertKind.EXPIRED,
    }
    expected = {
        **dict.fromkeys(closing, (None, RESOLVED, RESOLVED, RESOLVED)),
        AlertKind.FAILED: (FIRING, FIRING, FIRING, ACKNOWLEDGED),
        AlertKind.COUNTED: (PENDING, PENDING, FIRING, ACKNOWLEDGED),
        AlertKind.ACKNOWLEDGED: (None, ACKNOWLEDGED, ACKNOWLEDGED, ACKNOWLEDGED),
        AlertKind.LAPSED: (None, None, None, FIRING),
        AlertKind.NOTED: (RESOLVED, None, None, None),
    }

    assert expected[kind] == (rows[NONE], rows[PENDING], rows[FIRING], rows[ACKNOWLEDGED])
    assert rows[RESOLVED] is None
