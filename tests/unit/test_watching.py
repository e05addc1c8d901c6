"""What is expected of tasks: every rule, when it finds something, when not, and when that is over."""

from __future__ import annotations

from typing import Any

import pytest
from watched_state import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WatchedState

from jobsight.core.check import Bounds, Expectation, Origin
from jobsight.core.events import (
    CheckRemoved,
    DeadlinePassed,
    Heartbeat,
    JobCancelled,
    JobCompleted,
    JobFailed,
    MonitorBlind,
    StatusUpdate,
    UpdateWithCheck,
)


def running(job_id: str, task: str = "t", **more: Any) -> StatusUpdate:
    """A job runs."""
    return StatusUpdate(job_id=job_id, task=task, status="running", **more)


def done(job_id: str, duration_ms: int = 1_000, task: str = "t", **more: Any) -> JobCompleted:
    """A job has ended well."""
    return JobCompleted(job_id=job_id, task=task, duration_ms=duration_ms, **more)


def rules(watch: WatchedState) -> list[str]:
    """Rules of the open alerts."""
    return [rule for rule, _, _ in watch.open()]


def texts(watch: WatchedState) -> list[str]:
    """What the open alerts say."""
    return [alert.text for alert in watch.state.open_by_id.values()]


def reasons(watch: WatchedState) -> list[str | None]:
    """Why the alerts that were resolved were."""
    return [alert.reason for alert in {one.alert_id: one for one in watch.raised if one.reason}.values()]


def a_history(watch: WatchedState, durations: list[int], task: str = "t") -> None:
    """Runs of a task, one after the other."""
    for index, duration_ms in enumerate(durations):
        watch.report(running(f"old-{task}-{index}", task))
        watch.step(duration_ms)
        watch.report(done(f"old-{task}-{index}", duration_ms, task))
        watch.step(SECOND_MS)


# ------------------------------------------------------------------------------------------------------------- missed


def test_a_task_that_was_never_heard_of_is_missed() -> None:
    """A check alerts once its first slot and the grace have passed, at that moment and not before."""
    watch = WatchedState()
    watch.expect("t", schedule="every 1h", start_grace_ms=5 * MINUTE_MS)
    watch.step(HOUR_MS + 5 * MINUTE_MS - 1)
    before = rules(watch)
    watch.step(2 * SECOND_MS)

    assert ([], ["missed"]) == (before, rules(watch))
    assert ["a run is missing: none has started within 5m of its time (every 1h, UTC)"] == texts(watch)


@pytest.mark.parametrize(("offset_ms", "is_met"), [(-61_000, False), (-60_000, True), (0, True), (300_000, True)])
def test_a_start_counts_for_its_slot_from_the_margin_to_the_grace(offset_ms: int, is_met: bool) -> None:
    """A little early is on time; much too early is another run."""
    watch = WatchedState()
    watch.expect("t", schedule="every 1h", start_grace_ms=5 * MINUTE_MS, early_margin_ms=MINUTE_MS)
    watch.step(HOUR_MS + offset_ms)
    watch.report(running("a"))
    watch.step(HOUR_MS // 2)

    assert ([] if is_met else ["missed"]) == rules(watch)


def test_one_run_is_for_one_slot() -> None:
    """Where the grace is longer than the interval, a single run does not stand for several slots."""
    watch = WatchedState()
    watch.expect("t", schedule="every 1m", start_grace_ms=5 * MINUTE_MS)
    watch.step(MINUTE_MS)
    for minute in range(4):
        watch.report(running(f"j-{minute}"), done(f"j-{minute}"))
        watch.step(MINUTE_MS)
    watch.step(5 * MINUTE_MS - SECOND_MS)
    before = rules(watch)
    watch.step(2 * SECOND_MS)

    assert ([], ["missed"]) == (before, rules(watch))


def test_a_start_just_before_the_judgement_of_the_slot_before_takes_nothing_from_it() -> None:
    """The run of the next slot and the deadline of this one may come in any order."""
    watch = WatchedState()
    watch.expect("t", schedule="every 5m", start_grace_ms=5 * MINUTE_MS)
    watch.step(5 * MINUTE_MS)
    for index in range(20):
        watch.report(running(f"j-{index}"), done(f"j-{index}"))
        watch.step(5 * MINUTE_MS)

    assert [] == rules(watch)


def test_missed_slots_are_counted_in_one_alert() -> None:
    """Three slots without a start are one problem that says three; the next start ends it."""
    watch = WatchedState()
    watch.expect("t", schedule="0 * * * *", start_grace_ms=MINUTE_MS)
    watch.step(3 * HOUR_MS + 2 * MINUTE_MS)
    text = texts(watch)
    watch.report(running("a"))

    assert 1 == len(text)
    assert text[0].startswith("3 runs in a row are missing")
    assert ([], ["ended"]) == (rules(watch), reasons(watch))
    assert 0 == watch.state.checks["t"].missed_in_row


def test_slots_that_pass_between_two_looks_are_all_counted() -> None:
    """A machine that hangs for 45 s hides none of four slots: that is too short to be blind."""
    watch = WatchedState()
    watch.expect("t", schedule="every 10s", start_grace_ms=SECOND_MS, early_margin_ms=0)
    watch.step(5 * SECOND_MS)
    watch.jump(45 * SECOND_MS)
    watch.step(0)

    assert 4 == watch.state.checks["t"].missed_in_row
    assert 1 == len([event for event in watch.deadlines if isinstance(event, DeadlinePassed)])


def test_a_late_report_takes_a_missed_slot_back() -> None:
    """The run was on time, only its report was not: the alert says so and is over."""
    watch = WatchedState()
    watch.expect("t", schedule="every 1h", start_grace_ms=5 * MINUTE_MS)
    began_ms = watch.now_ms
    watch.step(HOUR_MS + 46 * MINUTE_MS)
    (alert,) = watch.state.open_by_id.values()
    watch.report(running("a", at=began_ms + HOUR_MS + 5 * MINUTE_MS))

    assert ([], "retracted") == (rules(watch), alert.reason)
    assert "retracted: it ran on time, the report came 41m late" == alert.text
    assert () == watch.state.checks["t"].missed


def test_another_schedule_is_waited_for_anew() -> None:
    """Slots of the old one are expected no more; the same schedule with another grace goes on."""
    watch = WatchedState()
    watch.expect("t", schedule="every 10m", start_grace_ms=MINUTE_MS)
    watch.step(9 * MINUTE_MS)
    watch.expect("t", schedule="every 1h", start_grace_ms=MINUTE_MS)
    watch.step(59 * MINUTE_MS)

    assert [] == rules(watch)
    watch.step(3 * MINUTE_MS)
    assert ["missed"] == rules(watch)


def test_a_removed_check_expects_nothing_and_ends_what_it_found() -> None:
    """No rule finds anything at a task of which nothing is expected any more."""
    watch = WatchedState()
    watch.expect("t", schedule="every 10m", heartbeat_ms=MINUTE_MS)
    watch.report(running("a"))
    watch.step(20 * MINUTE_MS)
    before = rules(watch)
    watch.tell(CheckRemoved(task="t", author="ana"))
    watch.step(HOUR_MS)

    assert (["overdue", "missed"], []) == (before, rules(watch))


def test_overlapping_runs_of_a_schedule_are_reported() -> None:
    """As a warning, until one run is left; a task without a schedule may run as often at once as it likes."""
    watch = WatchedState()
    watch.expect("t", schedule="every 1h")
    watch.expect("u", max_runtime_ms=DAY_MS)
    watch.report(running("a", "u"), running("b", "u"), running("c"), done("told at its end"))
    watch.report(running("d"), running("e"))
    found = [(alert.rule, alert.task, str(alert.severity), alert.text) for alert in watch.state.open_by_id.values()]
    watch.report(done("c"))
    still = rules(watch)
    watch.report(done("d"))

    assert [("overlap", "t", "warning", "3 runs at once")] == found
    assert (["overlap"], []) == (still, rules(watch))


# -------------------------------------------------------------------------------------------- overdue, too_long, stalled


def test_a_silent_job_is_overdue_then_lost() -> None:
    """After its interval and the grace it is told, after three of these it is lost; one alert, not two."""
    watch = WatchedState()
    watch.expect("t", heartbeat_ms=2 * MINUTE_MS)
    watch.report(running("a"))
    watch.step(3 * MINUTE_MS)
    first = (rules(watch), watch.state.jobs["a"].status)
    watch.step(6 * MINUTE_MS)
    watch.flush()

    assert (["overdue"], "running") == first
    assert (1, 1) == (watch.state.counters.statuses["lost"], len(watch.open()))
    assert 1 == watch.state.checks["t"].failures_in_row


def test_a_word_ends_what_silence_began() -> None:
    """Also a mere repetition of the last report, and the alert is over within a second."""
    watch = WatchedState()
    watch.expect("t", heartbeat_ms=MINUTE_MS)
    watch.report(running("a", msg_id=1), running("b"))
    for _ in range(3):
        watch.step(90 * SECOND_MS)
        watch.report(running("a", msg_id=1))
        watch.step(SECOND_MS)

    assert [["b"]] == [alert.job_ids for alert in watch.state.open_by_id.values()] or [] == watch.open()
    assert "a" in watch.state.checks["t"].runs


def test_a_lost_job_that_speaks_again_runs_again() -> None:
    """`lost` is no end that a worker told."""
    watch = WatchedState()
    watch.expect("t", heartbeat_ms=MINUTE_MS)
    watch.report(running("a"))
    watch.step(10 * MINUTE_MS)
    lost = rules(watch)
    watch.report(Heartbeat(job_id="a"))

    assert (["overdue"], []) == (lost, rules(watch))
    assert "running" == watch.state.jobs["a"].status


def test_a_job_that_runs_too_long_is_told_while_it_runs() -> None:
    """At its limit, once; its end is the end of the alert."""
    watch = WatchedState()
    watch.expect("t", max_runtime_ms=10 * MINUTE_MS)
    watch.report(running("a"))
    watch.step(10 * MINUTE_MS - 1)
    before = rules(watch)
    watch.step(HOUR_MS)
    found = rules(watch)
    watch.report(JobCancelled(job_id="a"))

    assert ([], ["too_long"], []) == (before, found, rules(watch))
    assert 1 == sum(isinstance(event, DeadlinePassed) for event in watch.deadlines)


def test_a_job_must_end_within_a_time_of_its_slot() -> None:
    """However late it began: `finish_by` counts from the slot, `max_runtime` from the start."""
    watch = WatchedState()
    watch.expect("t", schedule="every 1h", start_grace_ms=20 * MINUTE_MS, finish_by_ms=30 * MINUTE_MS)
    watch.step(HOUR_MS + 15 * MINUTE_MS)
    watch.report(running("a"))
    watch.step(15 * MINUTE_MS)

    assert ["a job still runs 30m after its time"] == texts(watch)


def test_a_check_holds_for_jobs_that_run_already() -> None:
    """What is expected from now on is expected of them as well."""
    watch = WatchedState()
    watch.report(running("a"))
    watch.step(5 * MINUTE_MS)
    watch.expect("t", max_runtime_ms=6 * MINUTE_MS)
    watch.step(MINUTE_MS)

    assert ["too_long"] == rules(watch)


def test_a_new_limit_is_the_limit() -> None:
    """A deadline belongs to the check as it was: one that was changed meanwhile finds nothing."""
    watch = WatchedState()
    watch.expect("t", max_runtime_ms=6 * MINUTE_MS)
    watch.report(running("a"))
    watch.step(5 * MINUTE_MS)
    watch.expect("t", max_runtime_ms=HOUR_MS)
    watch.step(50 * MINUTE_MS)

    assert [] == rules(watch)


def a_deadline(watch: WatchedState, **fields: Any) -> DeadlinePassed:
    """That job `a` of task `t` ran too long."""
    check = watch.state.checks["t"]
    run = check.runs["a"]
    return DeadlinePassed(
        **{
            "subject_kind": "job",
            "subject": "a",
            "rule": "too_long",
            "deadline_ms": run.started_ms + MINUTE_MS,
            "basis_ms": run.started_ms,
            "revision": check.revision,
            **fields,
        }
    )


def test_a_deadline_counts_only_while_it_is_current() -> None:
    """Said twice it counts once; counted from another fact, or from the check as it was before, not at all."""
    watch = WatchedState()
    watch.expect("t", max_runtime_ms=DAY_MS)
    watch.report(running("a"))
    old = a_deadline(watch)
    watch.tell(a_deadline(watch, basis_ms=1), a_deadline(watch, revision=1), a_deadline(watch, subject="b"))
    ignored = rules(watch)
    watch.tell(a_deadline(watch), a_deadline(watch))
    counts = [alert.count for alert in watch.state.open_by_id.values()]
    watch.report(done("a"))
    watch.step(SECOND_MS)
    watch.report(running("a"))
    watch.tell(old)
    first_run = rules(watch)
    watch.expect("t", max_runtime_ms=HOUR_MS)
    watch.tell(a_deadline(watch, revision=old.revision))

    assert ([], [1], [], []) == (ignored, counts, first_run, rules(watch))


def test_progress_that_stands_still_is_stalled() -> None:
    """Words do not help, only progress does; and with a single value nobody knows how it goes on."""
    watch = WatchedState()
    watch.expect("t", stall_after_ms=5 * MINUTE_MS)
    watch.report(running("a", progress=10), running("b", progress=10))
    watch.step(MINUTE_MS)
    watch.report(running("a", progress=20))
    for _ in range(6):
        watch.step(MINUTE_MS)
        watch.report(running("a", progress=20), running("b", progress=10))
    found = texts(watch)
    watch.report(running("a", progress=21))
    watch.step(SECOND_MS)

    assert ["the progress of a job stands at 20 % for 5m"] == found
    assert [] == rules(watch)


# ------------------------------------------------------------------------------------------ learned: slow, too_fast, rate


def test_a_run_far_from_its_history_is_slow() -> None:
    """Below 20 known runs nothing is learned; then a run is slow at three times what is usual, as a warning."""
    watch = WatchedState()
    watch.expect("t")
    a_history(watch, [10 * MINUTE_MS] * 19)
    watch.report(running("a"))
    watch.step(5 * HOUR_MS)
    unlearned = rules(watch)
    watch.report(JobCancelled(job_id="a"))
    a_history(watch, [10 * MINUTE_MS], "t")
    watch.report(running("b"))
    watch.step(20 * MINUTE_MS - 1)
    before = rules(watch)
    watch.step(1)
    (alert,) = watch.state.open_by_id.values()
    watch.report(done("b", 21 * MINUTE_MS))

    assert ([], []) == (unlearned, before)
    assert ("slow", "warning") == (alert.rule, alert.severity)
    assert "a job runs for more than 20m, it mostly takes 10m" == alert.text
    assert "ended" == alert.reason


@pytest.mark.parametrize(
    ("fields", "usage", "duration_ms", "text"),
    [
        ({"min_runtime_ms": MINUTE_MS}, {}, 3_000, "a run was done after 3s, at least 1m is expected"),
        ({"measures": {"rows": Bounds(min=1)}}, {"rows": 0}, 3_000, "rows is 0, at least 1 is expected"),
        ({"measures": {"mb": Bounds(max=9.5)}}, {"mb": 10}, 3_000, "mb is 10, at most 9.5 is expected"),
    ],
)
def test_a_run_that_did_too_little_is_suspicious(
    fields: dict[str, Any], usage: dict[str, float], duration_ms: int, text: str
) -> None:
    """An empty backup is done at once and says that all went well; the next good run ends the warning."""
    watch = WatchedState()
    watch.expect("t", **fields)
    watch.report(done("a", duration_ms, resource_usage=usage))
    watch.step(SECOND_MS)
    found = texts(watch)
    watch.report(done("b", HOUR_MS))
    watch.step(SECOND_MS)

    assert ([text], []) == (found, rules(watch))


def test_a_run_far_below_its_history_is_too_fast() -> None:
    """Learned from 20 runs, and only where the difference is worth a word."""
    watch = WatchedState()
    watch.expect("t")
    a_history(watch, [10 * MINUTE_MS] * 20)
    watch.report(done("a", 4 * SECOND_MS))
    watch.step(SECOND_MS)

    assert ["a run was done after 4s, it mostly takes 10m"] == texts(watch)


def test_a_task_that_fails_too_often_is_in_trouble_as_a_whole() -> None:
    """When it is sure: the lower bound of the share decides for the alert, the upper one against it."""
    watch = WatchedState()
    watch.expect("t", failure_rate_max=0.1)
    for index in range(20):
        watch.report(JobFailed(job_id=f"f-{index}", task="t", error="no") if index % 2 else done(f"d-{index}"))
        watch.step(SECOND_MS)
    found = [alert.text for alert in watch.state.open_by_id.values() if alert.rule == "failure_rate"]
    for index in range(150):
        watch.report(done(f"e-{index}"))
        watch.step(SECOND_MS)

    assert ["10 of the last 20 runs have failed, at most 10% is expected"] == found
    assert [] == rules(watch)


# ------------------------------------------------------------------------------------------------------- we were blind


def test_what_lies_in_a_blind_time_is_unknown() -> None:
    """After a suspend of three hours: three slots unverified, one notice, no page; what stays silent is found."""
    watch = WatchedState()
    watch.route("mail")
    watch.expect("t", schedule="every 1h", start_grace_ms=5 * MINUTE_MS)
    watch.expect("u", heartbeat_ms=10 * MINUTE_MS, max_runtime_ms=HOUR_MS)
    watch.report(running("a", "u"))
    for _ in range(3):
        watch.step(10 * MINUTE_MS)
        watch.report(Heartbeat(job_id="a"))
    watch.jump(3 * HOUR_MS)
    watch.step(14 * MINUTE_MS)
    (notice,) = watch.state.outbox.values()
    quiet = rules(watch)
    watch.step(2 * MINUTE_MS)

    assert [MonitorBlind] == [type(event) for event in watch.deadlines if isinstance(event, MonitorBlind)]
    assert "monitor was blind for 3h, 3 slots unverified" == notice.notice.title
    assert ([], ["overdue"]) == (quiet, rules(watch))
    watch.step(HOUR_MS)
    assert "missed" in rules(watch)


def test_a_restart_of_half_a_minute_is_not_blind() -> None:
    """Deadlines stay where they were."""
    watch = WatchedState()
    watch.expect("t", heartbeat_ms=MINUTE_MS)
    watch.report(running("a"))
    watch.step(30 * SECOND_MS)
    watch.restart(30 * SECOND_MS)
    watch.step(30 * SECOND_MS)

    assert ["overdue"] == rules(watch)


def test_a_clock_that_is_set_undoes_nothing() -> None:
    """An hour back, 400 days ahead: what fired fires on, no duration is negative, and nobody is paged for it."""
    watch = WatchedState()
    watch.expect("t", schedule="0 * * * *", heartbeat_ms=MINUTE_MS)
    watch.report(running("a"))
    watch.step(95 * SECOND_MS)
    fired = watch.open()
    watch.jump(-HOUR_MS)
    watch.step(5 * SECOND_MS)
    after_back = watch.open()
    watch.report(done("a"))
    watch.jump(400 * DAY_MS)
    watch.step(10 * MINUTE_MS)

    assert fired == after_back == [("overdue", "t", "firing")]
    assert [] == watch.open()
    assert all(alert.resolved_ms is None or alert.count > 0 for alert in watch.raised)


# ------------------------------------------------------------------------------------------------------ without a check


def test_a_job_without_a_check_is_lost_quietly() -> None:
    """After a day of silence; nothing stays running for ever, and nobody is woken for it."""
    watch = WatchedState()
    watch.report(running("a"))
    watch.step(DAY_MS)

    assert ([], 1) == (watch.open(), watch.state.counters.statuses["lost"])


def test_a_day_without_the_monitor_loses_no_job() -> None:
    """Nobody could have been heard: the time does not count."""
    watch = WatchedState()
    watch.report(running("a"))
    watch.step(HOUR_MS)
    watch.jump(3 * DAY_MS)
    watch.step(22 * HOUR_MS)
    before = watch.state.jobs["a"].status
    watch.step(2 * HOUR_MS)

    assert ("running", 1) == (before, watch.state.counters.statuses["lost"])


def test_a_failure_told_by_a_word_alone_is_told_after_a_minute() -> None:
    """Unless something else is heard of the job; a word that is repeated puts it off, but not for ever."""
    watch = WatchedState()
    watch.report(StatusUpdate(job_id="a", status="failed"), StatusUpdate(job_id="b", status="failed"))
    watch.step(59 * SECOND_MS)
    watch.report(JobFailed(job_id="b", retries=0, max_retries=3))
    watch.step(2 * SECOND_MS)

    assert [("job_failed", None, "firing")] == watch.open()
    assert ["a"] == [alert.last_job_id for alert in watch.state.open_by_id.values()]
    assert {} == watch.state.unconfirmed


def test_a_word_that_is_repeated_puts_the_alert_off_by_a_minute() -> None:
    """Nothing else has followed for a minute: that counts from the last time it was said."""
    watch = WatchedState()
    watch.report(StatusUpdate(job_id="a", status="failed"))
    watch.step(30 * SECOND_MS)
    watch.report(StatusUpdate(job_id="a", status="failed"))
    watch.step(59 * SECOND_MS)
    before = rules(watch)
    watch.step(3 * SECOND_MS)

    assert ([], ["job_failed"]) == (before, rules(watch))


def test_a_report_may_say_what_is_expected_but_not_over_an_operator() -> None:
    """The first report defines the check, the next one may change it; what config or API say stands."""
    watch = WatchedState()
    watch.report(UpdateWithCheck(job_id="a", task="t", status="running", check=Expectation(max_runtime_ms=MINUTE_MS)))
    first = watch.state.checks["t"].expected.max_runtime_ms
    watch.report(UpdateWithCheck(job_id="a", task="t", status="running", check=Expectation(max_runtime_ms=HOUR_MS)))
    second = watch.state.checks["t"].expected.max_runtime_ms
    watch.expect("t", max_runtime_ms=5)
    watch.report(UpdateWithCheck(job_id="a", task="t", status="running", check=Expectation(max_runtime_ms=6)))

    assert (MINUTE_MS, HOUR_MS, 5) == (first, second, watch.state.checks["t"].expected.max_runtime_ms)
    assert Origin.API == watch.state.checks["t"].origin
