"""Why somebody was told, and why nobody was: the facts by name, for `explain` and `why-not`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct

from jobsight.core.alert import ACKNOWLEDGED, FIRING, PENDING, RESOLVED, RULE_JOB_FAILED, Alert, fingerprint_of
from jobsight.core.check import RUNS_LEARNED_MIN, Check, start_deadline_ms
from jobsight.core.decision import Reason
from jobsight.core.inhibition import inhibitor_of
from jobsight.core.job import RETRYING
from jobsight.core.notifying import decision_for
from jobsight.core.outbox import Delivery, DeliveryState
from jobsight.core.rules import ALERT_RULES, FAILURE_RATE, MISSED, OVERDUE, OVERLAP, STALLED, TOO_FAST, TOO_LONG
from jobsight.core.silences import Silence, silence_of
from jobsight.core.spans import moment_text, span_text
from jobsight.core.state import State


class FactName(StrEnum):
    """What a fact is about."""

    RULE = "rule"
    INPUT = "input"
    FIRST_ERROR = "first_error"
    FOUND = "found"
    COUNT = "count"
    STATE = "state"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    NO_CHANNEL = "no_channel"
    DECISION = "decision"
    NOW = "now"
    DELIVERY = "delivery"
    TRY = "try"
    NO_CHECK = "no_check"
    NO_ALERT = "no_alert"
    BELOW_THRESHOLD = "below_threshold"
    NEXT_SLOT = "next_slot"
    LAST_START = "last_start"
    LAST_SUCCESS = "last_success"
    RUNNING = "running"
    RETRYING = "retrying"
    LAST_ALERT = "last_alert"
    LEARNING = "learning"


REASON_WORDS: Final[Mapping[str, str]] = {
    Reason.BELOW_THRESHOLD: "not told: it has not failed often enough in a row yet",
    Reason.RECOVERED: "told that it is over",
    Reason.RECOVERED_UNTOLD: "not told that it is over, having been told nothing of it",
    Reason.SUPPRESSED_BY_SILENCE: "not told: it was silenced",
    Reason.SUPPRESSED_BY_INHIBITION: "not told: a task on which it depends was broken",
    Reason.ACKNOWLEDGEMENT: "told that somebody takes care",
    Reason.ACKNOWLEDGED: "not told: somebody takes care",
    Reason.FLAPPING: "not told: its problem comes and goes, which was told; again once it was stable for 30 minutes",
    Reason.FIRST_OF_GROUP: "told at once: the first of its group",
    Reason.GROUP_WINDOW_PASSED: "told with what its group has gathered",
    Reason.FOLLOWER_WAITS: "waits for its group, of which the channel was just told",
    Reason.WARNING_IS_TOLD_ONCE: "not told again: a warning is told once",
    Reason.REPEAT_INTERVAL_PASSED: "told again: nobody has acknowledged it",
    Reason.REPEAT_TOO_SOON: "not told again yet: it was told, and is repeated after 4 hours",
    Reason.STORM_SUMMARY: "told in the summary of a storm",
    Reason.HELD_BY_STORM: "held for a summary: the channel had too much within a minute",
    Reason.NOTICE: "told once, as a notice",
    Reason.DRILL: "told as a drill",
    Reason.ESCALATED: "told besides: nobody had acknowledged it within the time that its route says",
    Reason.RETRIED_BY_HAND: "sent again by hand, after it had been given up",
}
"""Every reason of a decision, as an operator reads it."""

_LIMITS: Final[Mapping[str, tuple[str, ...]]] = {
    RULE_JOB_FAILED: ("max_retries", "failure_threshold"),
    MISSED: ("schedule", "tz", "start_grace_ms", "early_margin_ms"),
    OVERDUE: ("heartbeat_ms",),
    TOO_LONG: ("max_runtime_ms", "finish_by_ms"),
    STALLED: ("stall_after_ms",),
    TOO_FAST: ("min_runtime_ms", "measures"),
    FAILURE_RATE: ("failure_rate_max",),
    OVERLAP: ("schedule", "tz"),
}
"""What of a check a rule looks at."""


class SeenJob(Struct, frozen=True, kw_only=True):
    """A job of a task as it stands."""

    job_id: str
    status: str
    retries: int | None = None
    max_retries: int | None = None
    error: str | None = None
    updated_ms: int = 0


class Fact(Struct, frozen=True, kw_only=True):
    """One fact: its name, what it says in words, and the moment that it is about, if any (ms UTC)."""

    name: FactName
    text: str
    at_ms: int | None = None


def explain(state: State, alert: Alert, deliveries: Iterable[Delivery], at_ms: int) -> list[Fact]:
    """
    Everything about one alert: what was found, how it stands, who was told and who was not, and why.

    Args:
        state: As of now.
        alert: Open or resolved.
        deliveries: Its notifications, from the outbox and the record, in their order.
        at_ms: Now, ms UTC.
    """
    facts = [
        Fact(name=FactName.RULE, text=f"{alert.rule} ({alert.severity})", at_ms=alert.opened_ms),
        *_inputs(state, alert),
        Fact(name=FactName.FOUND, text=alert.text or alert.last_error, at_ms=_found_ms(alert)),
    ]
    if alert.first_error not in ("", alert.last_error):
        facts.append(Fact(name=FactName.FIRST_ERROR, text=f"at first: {alert.first_error}", at_ms=alert.opened_ms))
    times = "once" if alert.count == 1 else f"{alert.count} times"
    facts += [
        Fact(name=FactName.COUNT, text=f"found {times} in this episode"),
        Fact(name=FactName.STATE, text=f"it is {alert.state}"),
    ]
    facts += [
        Fact(name=FactName.DECISION, text=f"{one.channel}: {REASON_WORDS[one.reason]}", at_ms=one.at_ms)
        for one in alert.decisions
    ]
    if alert.acknowledged_ms is not None:
        text = f"acknowledged by {alert.by}" + (f": {alert.comment}" if alert.comment else "")
        facts.append(Fact(name=FactName.ACKNOWLEDGED, text=text, at_ms=alert.acknowledged_ms))
    if alert.state == RESOLVED:
        facts.append(Fact(name=FactName.RESOLVED, text=_resolved_text(alert), at_ms=alert.resolved_ms))
    else:
        held = _held_back(state, alert, at_ms)
        facts += [fact for fact in held if fact.name is not FactName.STATE]  # it stands there already
    for delivery in deliveries:
        facts += [_delivery_fact(delivery), *_try_facts(delivery)]
    return facts


def _resolved_text(alert: Alert) -> str:
    return f"resolved: {(alert.reason or '').replace('_', ' ')}"


def _found_ms(alert: Alert) -> int | None:
    """When it was found the last time, ms UTC; None where what was done about it since is all that is known."""
    if alert.count == 1:
        return alert.opened_ms
    return alert.updated_ms if alert.state in (FIRING, PENDING) else None


def why_not(
    state: State, task: str, at_ms: int, *, jobs: Iterable[SeenJob] = (), last: Alert | None = None
) -> list[Fact]:
    """
    Why nobody was told about a task, or what was found at it after all.

    Args:
        state: As of now.
        task: Its name.
        at_ms: Now, ms UTC.
        jobs: Its latest jobs.
        last: Its latest alert that is over.
    """
    alerts = [state.open_by_fingerprint.get(fingerprint_of(rule, task, None, "")) for rule in ALERT_RULES]
    found = [alert for alert in alerts if alert is not None]
    check = state.checks.get(task)
    facts: list[Fact] = []
    for alert in found:
        facts.append(Fact(name=FactName.FOUND, text=f"{alert.rule}: {alert.text}", at_ms=alert.opened_ms))
        facts += _held_back(state, alert, at_ms)
    if not found:
        facts.append(Fact(name=FactName.NO_ALERT, text="nothing was found that is not over"))
        facts += [_retry_fact(job) for job in jobs if job.status == RETRYING]
        facts += _would_be_silenced(state, task, at_ms)
    if last is not None:
        text = f"its last alert was {last.rule}, {_resolved_text(last)}"
        facts.append(Fact(name=FactName.LAST_ALERT, text=text, at_ms=last.resolved_ms))
    if check is None:
        text = "nothing is expected of this task: only failures that are reported raise an alert"
        facts.append(Fact(name=FactName.NO_CHECK, text=text))
        return facts
    return facts + _check_facts(check, at_ms)


def _held_back(state: State, alert: Alert, at_ms: int) -> list[Fact]:
    facts: list[Fact] = []
    check = state.checks.get(alert.task or "")
    if alert.state == PENDING and check is not None:
        text = f"failure {alert.count} of {check.expected.failure_threshold}"
        facts.append(Fact(name=FactName.BELOW_THRESHOLD, text=text))
    if alert.state == ACKNOWLEDGED:
        facts.append(Fact(name=FactName.STATE, text=f"acknowledged by {alert.by}", at_ms=alert.acknowledged_ms))
    silence = silence_of(state.silences.values(), alert, at_ms)
    if silence is not None:
        text = _silence_text(silence)
        facts.append(Fact(name=FactName.SILENCED, text=text, at_ms=silence.ends_ms))
    inhibitor = inhibitor_of(state, alert)
    if inhibitor is not None:
        text = f"held back by {inhibitor.rule} of {inhibitor.task}, on which it depends"
        facts.append(Fact(name=FactName.INHIBITED, text=text, at_ms=inhibitor.opened_ms))
    if not state.routing.channels:
        facts.append(Fact(name=FactName.NO_CHANNEL, text="there is no channel that could be told"))
    elif alert.state == FIRING:
        facts += [
            Fact(
                name=FactName.NOW, text=f"{channel}: {REASON_WORDS[decision_for(state, alert, channel, at_ms).reason]}"
            )
            for channel in state.routing.channels
        ]
    return facts


def _delivery_fact(delivery: Delivery) -> Fact:
    tries = "1 try" if delivery.tries == 1 else f"{delivery.tries} tries"
    text = f"{delivery.kind} to {delivery.channel}: {delivery.state} after {tries} ({REASON_WORDS[delivery.reason]})"
    is_waiting = delivery.state == DeliveryState.WAITING
    at_ms = delivery.created_ms if is_waiting else delivery.done_ms
    return Fact(name=FactName.DELIVERY, text=text, at_ms=at_ms)


def _try_facts(delivery: Delivery) -> list[Fact]:
    return [
        Fact(name=FactName.TRY, text=f"{delivery.channel}: {one.outcome}: {one.detail}", at_ms=one.at_ms)
        for one in delivery.history
    ]


def _inputs(state: State, alert: Alert) -> list[Fact]:
    """What the rule looked at: the job, and what is expected of its task as of now."""
    facts = []
    if alert.last_job_id:
        facts.append(Fact(name=FactName.INPUT, text=f"job {alert.last_job_id}"))
    check = state.checks.get(alert.task or "")
    if check is not None:
        values = {name: getattr(check.expected, name) for name in _LIMITS.get(alert.rule, ())}
        words = [_limit_text(name, value) for name, value in values.items() if value not in (None, {})]
        if words:
            facts.append(Fact(name=FactName.INPUT, text=f"{', '.join(words)} (set by {check.author or 'a report'})"))
    elif alert.rule == RULE_JOB_FAILED:
        limit = "no retry limit" if state.retries_max is None else f"the retry limit {state.retries_max}"
        text = f"{alert.last_retries} retries were told; the node has {limit}"
        facts.append(Fact(name=FactName.INPUT, text=text))
    return facts


def _limit_text(name: str, value: Any) -> str:
    if name.endswith("_ms"):
        return f"{name.removesuffix('_ms')} {span_text(value)}"
    if isinstance(value, Mapping):
        return f"{name} of {', '.join(value)}"
    return f"{name} {value}"


def _silence_text(silence: Silence) -> str:
    text = f"silenced until {moment_text(silence.ends_ms)} by {silence.author}"
    return f"{text}: {silence.comment}" if silence.comment else text


def _would_be_silenced(state: State, task: str, at_ms: int) -> list[Fact]:
    """A silence that holds for whatever may be found at a task now."""
    check = state.checks.get(task)
    would_be = Alert(alert_id="", fingerprint="", rule=RULE_JOB_FAILED, task=task, queue=None)
    if check is not None:
        would_be.severity, would_be.labels = check.expected.severity, check.expected.labels
    silence = silence_of(state.silences.values(), would_be, at_ms)
    return [] if silence is None else [Fact(name=FactName.SILENCED, text=_silence_text(silence), at_ms=silence.ends_ms)]


def _retry_fact(job: SeenJob) -> Fact:
    limit = "" if job.max_retries is None else f" of {job.max_retries}"
    text = f"job {job.job_id} failed and is tried again: retry {job.retries or 0}{limit}"
    return Fact(name=FactName.RETRYING, text=f"{text}: {job.error}" if job.error else text, at_ms=job.updated_ms)


def _check_facts(check: Check, at_ms: int) -> list[Fact]:
    facts: list[Fact] = []
    if check.slot_ms is not None:
        text = f"a start is waited for until {span_text(check.expected.start_grace_ms)} after its time"
        facts.append(Fact(name=FactName.NEXT_SLOT, text=text, at_ms=start_deadline_ms(check, check.slot_ms)))
    if check.last_start_ms is not None:
        ago = span_text(max(0, at_ms - check.last_start_ms))
        facts.append(Fact(name=FactName.LAST_START, text=f"it last started {ago} ago", at_ms=check.last_start_ms))
    if check.last_success_ms is not None:
        ago = span_text(max(0, at_ms - check.last_success_ms))
        facts.append(
            Fact(name=FactName.LAST_SUCCESS, text=f"it last ended well {ago} ago", at_ms=check.last_success_ms)
        )
    if check.runs:
        facts.append(Fact(name=FactName.RUNNING, text=f"{len(check.runs)} of its jobs run"))
    known = sum(run.is_success and run.duration_ms is not None for run in check.ended)
    if known < RUNS_LEARNED_MIN:
        facts.append(Fact(name=FactName.LEARNING, text=f"learning {known}/{RUNS_LEARNED_MIN}"))
    return facts
