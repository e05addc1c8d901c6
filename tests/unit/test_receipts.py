"""Receipts: why somebody was told, and why nobody was."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from watched_state import MINUTE_MS, SECOND_MS, WatchedState

from jobsight.core.alert import DECISIONS_KEPT, Alert
from jobsight.core.decision import Reason
from jobsight.core.events import AlertAcknowledged, DeliveryResult, JobCompleted, JobFailed, SilenceSet, StatusUpdate
from jobsight.core.explanations import REASON_WORDS, FactName, SeenJob
from jobsight.core.outbox import TRIES_KEPT
from jobsight.core.receipts import Receipt, receipt_of, why_not_of
from jobsight.core.routing import Matcher


def failed(job_id: str, task: str = "backup") -> JobFailed:
    """A job failed for good."""
    return JobFailed(job_id=job_id, task=task, error="disk full", retries=3)


def a_watch(*channels: str) -> WatchedState:
    """A monitor with channels."""
    watch = WatchedState()
    watch.route(*(channels or ("mail",)))
    return watch


def receipt(watch: WatchedState, alert: Alert) -> Receipt:
    """The receipt of an alert as of now."""
    return receipt_of(watch.state, alert, list(watch.state.outbox.values()), watch.now_ms)


def only_alert(watch: WatchedState) -> Alert:
    """The one that is open."""
    (alert,) = watch.state.open_by_id.values()
    return alert


def silence(watch: WatchedState, span_ms: int) -> None:
    """Ana silences the task from now on."""
    watch.tell(
        SilenceSet(
            silence_id="s",
            matchers=[Matcher(name="task", pattern="backup")],
            starts_ms=watch.now_ms,
            ends_ms=watch.now_ms + span_ms,
            author="ana",
            comment="new disks",
        )
    )


def test_every_reason_has_words() -> None:
    """No decision is a riddle to its reader, nor to the reader of the documentation."""
    page = (Path(__file__).resolve().parent.parent.parent / "docs" / "explanation" / "receipts.md").read_text()

    assert set(Reason) == set(REASON_WORDS)
    assert REASON_WORDS == dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.MULTILINE))


def test_a_receipt_tells_every_try_of_every_notification() -> None:
    """Each try with its moment and the channel's words, then what came of it; and who took care."""
    watch = a_watch()
    watch.report(failed("a"))
    watch.step(3 * SECOND_MS)
    watch.tell(DeliveryResult(delivery_id="d1", outcome="failed", tries=1, detail="it answered 503"))
    watch.step(5 * SECOND_MS)
    watch.tell(DeliveryResult(delivery_id="d1", outcome="delivered", tries=2, detail="202"))
    watch.tell(AlertAcknowledged(alert_id=only_alert(watch).alert_id, by="ana", comment="on it"))
    found = receipt(watch, only_alert(watch))
    tries = [(one.outcome, one.detail) for one in found.deliveries[0].tries]
    seconds = [(one.at_ms - found.opened_ms) // 1000 for one in found.deliveries[0].tries]
    words = [fact.text for fact in found.facts]

    assert [("failed", "it answered 503"), ("delivered", "202")] == tries
    assert [3, 8] == seconds
    assert ("ana", "on it", "acknowledged") == (found.acknowledged_by, found.comment, found.state)
    assert "trigger to mail: delivered after 2 tries (told at once: the first of its group)" in words
    assert "acknowledged by ana: on it" in words


def test_tries_stay_bounded() -> None:
    """A channel that is down for a day does not grow the record of its delivery without end."""
    watch = a_watch()
    watch.report(failed("a"))
    for number in range(TRIES_KEPT + 10):
        watch.tell(DeliveryResult(delivery_id="d1", outcome="failed", tries=number + 1, detail="503"))
    (delivery,) = watch.state.outbox.values()

    assert (TRIES_KEPT, TRIES_KEPT + 10) == (len(delivery.history), delivery.tries)


def test_a_receipt_tells_every_decision_and_its_reason() -> None:
    """Below the threshold, told, silenced, over: each stands there once, in its order, for each channel."""
    watch = a_watch("mail", "pager")
    watch.expect("backup", failure_threshold=2)
    watch.report(failed("a"))
    watch.report(failed("b"))
    alert = only_alert(watch)
    watch.report(failed("c"))
    watch.report(failed("d"))
    silence(watch, MINUTE_MS)
    watch.report(failed("e"))
    watch.report(JobCompleted(job_id="f", task="backup", duration_ms=1))
    reasons = [one.reason for one in alert.decisions if one.channel == "pager"]

    assert [
        Reason.BELOW_THRESHOLD,
        Reason.FIRST_OF_GROUP,
        Reason.REPEAT_TOO_SOON,
        Reason.SUPPRESSED_BY_SILENCE,
        Reason.RECOVERED,
    ] == reasons
    assert 5 == sum(1 for fact in receipt(watch, alert).facts if fact.text.startswith("pager: "))


def test_decisions_stay_bounded() -> None:
    """An alert that is silenced and told in turn keeps its latest decisions, and those survive the view."""
    watch = a_watch()
    watch.report(failed("a"))
    for number in range(DECISIONS_KEPT):
        silence(watch, SECOND_MS)
        watch.report(failed(f"b{number}"))
        watch.step(2 * SECOND_MS)
        watch.report(failed(f"c{number}"))
    alert = only_alert(watch)
    watch.restart(SECOND_MS)

    assert DECISIONS_KEPT == len(alert.decisions)
    assert msgspec.to_builtins(alert.decisions) == msgspec.to_builtins(only_alert(watch).decisions)


def test_a_receipt_names_what_the_rule_looked_at() -> None:
    """The limits of the check, who set them, and the job."""
    watch = a_watch()
    watch.expect("backup", max_runtime_ms=10 * MINUTE_MS)
    watch.report(StatusUpdate(job_id="a", task="backup", status="running"))
    watch.step(11 * MINUTE_MS)
    inputs = [fact.text for fact in receipt(watch, only_alert(watch)).facts if fact.name is FactName.INPUT]

    assert ["job a", "max_runtime 10m (set by test)"] == inputs


def test_why_nobody_was_told_is_said_in_one_line() -> None:
    """The first line answers: below the threshold, and silenced until when, by whom, and why."""
    watch = a_watch()
    watch.expect("backup", failure_threshold=2)
    watch.report(failed("a"))
    silence(watch, 10 * MINUTE_MS)
    found = why_not_of(watch.state, "backup", watch.now_ms)

    assert "no alert: failure 1 of 2; silenced until 2026-03-01 00:10Z by ana: new disks" == found.answer
    assert not found.is_firing


def test_a_retry_that_is_left_is_why_nobody_was_told() -> None:
    """A job that failed and is tried again is named with its retries, its limit and its error."""
    watch = a_watch()
    retrying = SeenJob(job_id="j", status="retrying", retries=1, max_retries=3, error="timeout")
    found = why_not_of(watch.state, "etl", watch.now_ms, jobs=[retrying])

    assert found.answer.startswith("no alert: job j failed and is tried again: retry 1 of 3: timeout; ")


def test_what_was_told_after_all_is_said() -> None:
    """Who asks about a task whose alert fires learns so at once, and whether a silence holds it back."""
    watch = a_watch()
    watch.report(failed("a"))
    told = why_not_of(watch.state, "backup", watch.now_ms)
    silence(watch, 10 * MINUTE_MS)
    silenced = why_not_of(watch.state, "backup", watch.now_ms)

    begin = "an alert fires (job_failed: Job failed after 3 retries: disk full): "
    assert f"{begin}mail: {REASON_WORDS[Reason.REPEAT_TOO_SOON]}" == told.answer
    assert f"{begin}silenced until 2026-03-01 00:10Z by ana: new disks" == silenced.answer
    assert (True, True) == (told.is_firing, silenced.is_firing)
