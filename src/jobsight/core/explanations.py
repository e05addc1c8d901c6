"""Why somebody was told, and why nobody was: the facts by name, for `explain` and `why-not`."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from jobsight.core.alert import ACKNOWLEDGED, FIRING, PENDING, RESOLVED, Alert, fingerprint_of
from jobsight.core.check import RUNS_LEARNED_MIN, Check, start_deadline_ms
from jobsight.core.notifying import decision_for, inhibitor_of
from jobsight.core.outbox import Delivery, DeliveryState
from jobsight.core.rules import ALERT_RULES
from jobsight.core.silences import silence_of
from jobsight.core.spans import span_text
from jobsight.core.state import State


class FactName(StrEnum):
    """What a fact is about."""

    RULE = "rule"
    FOUND = "found"
    COUNT = "count"
    STATE = "state"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    NO_CHANNEL = "no_channel"
    DECISION = "decision"
    DELIVERY = "delivery"
    NO_CHECK = "no_check"
    NO_ALERT = "no_alert"
    BELOW_THRESHOLD = "below_threshold"
    NEXT_SLOT = "next_slot"
    LAST_START = "last_start"
    LAST_SUCCESS = "last_success"
    RUNNING = "running"
    LEARNING = "learning"


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
        Fact(name=FactName.FOUND, text=alert.text or alert.last_error, at_ms=alert.updated_ms),
        Fact(name=FactName.COUNT, text=f"found {alert.count} times in this episode"),
        Fact(name=FactName.STATE, text=f"it is {alert.state}"),
    ]
    if alert.acknowledged_ms is not None:
        text = f"acknowledged by {alert.by}" + (f": {alert.comment}" if alert.comment else "")
        facts.append(Fact(name=FactName.ACKNOWLEDGED, text=text, at_ms=alert.acknowledged_ms))
    if alert.state == RESOLVED:
        facts.append(Fact(name=FactName.RESOLVED, text=f"resolved: {alert.reason}", at_ms=alert.resolved_ms))
    else:
        facts += _held_back(state, alert, at_ms)
    facts += [_delivery_fact(delivery) for delivery in deliveries]
    return facts


def why_not(state: State, task: str, at_ms: int) -> list[Fact]:
    """
    Why nobody was told about a task, or what was found at it after all.

    Args:
        state: As of now.
        task: Its name.
        at_ms: Now, ms UTC.
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
    if check is None:
        text = "nothing is expected of this task: only failures that are reported raise an alert"
        facts.append(Fact(name=FactName.NO_CHECK, text=text))
        return facts
    return facts + _check_facts(check, at_ms)


def _held_back(state: State, alert: Alert, at_ms: int) -> list[Fact]:
    facts: list[Fact] = []
    check = state.checks.get(alert.task or "")
    if alert.state == PENDING and check is not None:
        text = f"failure {alert.count} of {check.expected.failure_threshold} that are needed"
        facts.append(Fact(name=FactName.BELOW_THRESHOLD, text=text))
    if alert.state == ACKNOWLEDGED:
        facts.append(Fact(name=FactName.STATE, text=f"acknowledged by {alert.by}", at_ms=alert.acknowledged_ms))
    silence = silence_of(state.silences.values(), alert, at_ms)
    if silence is not None:
        text = f"silenced by {silence.author}" + (f": {silence.comment}" if silence.comment else "")
        facts.append(Fact(name=FactName.SILENCED, text=text, at_ms=silence.ends_ms))
    inhibitor = inhibitor_of(state, alert)
    if inhibitor is not None:
        text = f"held back by {inhibitor.rule} of {inhibitor.task}, on which it depends"
        facts.append(Fact(name=FactName.INHIBITED, text=text, at_ms=inhibitor.opened_ms))
    if not state.routing.channels:
        facts.append(Fact(name=FactName.NO_CHANNEL, text="there is no channel that could be told"))
    elif alert.state == FIRING:
        facts += [
            Fact(name=FactName.DECISION, text=f"{channel}: {decision_for(state, alert, channel, at_ms).reason}")
            for channel in state.routing.channels
        ]
    return facts


def _delivery_fact(delivery: Delivery) -> Fact:
    outcome = f"{delivery.kind} to {delivery.channel}: {delivery.state}, {delivery.tries} tries"
    detail = f" ({delivery.detail})" if delivery.detail else ""
    is_waiting = delivery.state == DeliveryState.WAITING
    at_ms = delivery.created_ms if is_waiting else delivery.done_ms
    return Fact(name=FactName.DELIVERY, text=f"{outcome}{detail}, because {delivery.reason}", at_ms=at_ms)


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
