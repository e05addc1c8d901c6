"""Receipts: all that is on record of one alert, and the one-line answer to "why was nobody told?"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from jobsight.core.alert import Alert
from jobsight.core.explanations import REASON_WORDS, Fact, FactName, SeenJob, explain, why_not
from jobsight.core.outbox import Delivery
from jobsight.core.state import State

_HEADLINE: Final = (
    FactName.BELOW_THRESHOLD,
    FactName.RETRYING,
    FactName.SILENCED,
    FactName.INHIBITED,
    FactName.STATE,
    FactName.NO_CHANNEL,
    FactName.NO_CHECK,
)
"""The facts that answer the question, the first ones first."""


class TryRecord(Struct, frozen=True, kw_only=True):
    """One try of a delivery, see `core.outbox.Try`."""

    at_ms: int
    outcome: str
    detail: str


class DeliveryRecord(Struct, frozen=True, kw_only=True):
    """
    One notification about an alert, and what became of it.

    Attributes:
        state: waiting, delivered or dead.
        reason, why: Why it was decided on: the name of the reason, and its words.
        tries: Those on record, in their order.
    """

    delivery_id: str
    channel: str
    kind: str
    state: str
    dedup_key: str
    reason: str
    why: str
    created_ms: int
    done_ms: int | None
    tries: list[TryRecord]


class Receipt(Struct, frozen=True, kw_only=True):
    """
    All that is on record of one alert. Times in ms since the epoch, UTC.

    Attributes:
        acknowledged_by: Who took care, or resolved it; `comment` what was said with it.
        facts: In the order in which they are read: the rule, what it looked at, what it found, every decision, every try.
        deliveries: The notifications in their order, those of summaries in which it stood among them.
        as_of_ms: When this was put together.
    """

    alert_id: str
    rule: str
    task: str | None
    queue: str | None
    severity: str
    state: str
    text: str
    count: int
    opened_ms: int
    resolved_ms: int | None
    reason: str | None
    acknowledged_ms: int | None
    acknowledged_by: str | None
    comment: str
    facts: list[Fact]
    deliveries: list[DeliveryRecord]
    as_of_ms: int


class WhyNot(Struct, frozen=True, kw_only=True):
    """Why nobody was told about a task: `answer` in one line, then the facts that it rests on."""

    task: str
    is_firing: bool
    answer: str
    facts: list[Fact]
    as_of_ms: int


def receipt_of(state: State, alert: Alert, deliveries: Sequence[Delivery], at_ms: int) -> Receipt:
    """
    The receipt of an alert.

    Args:
        state: As of now.
        alert: Open or resolved.
        deliveries: Its notifications, from the outbox and the record, in their order.
        at_ms: Now, ms UTC.
    """
    return Receipt(
        alert_id=alert.alert_id,
        rule=alert.rule,
        task=alert.task,
        queue=alert.queue,
        severity=str(alert.severity),
        state=alert.state,
        text=alert.text or alert.last_error,
        count=alert.count,
        opened_ms=alert.opened_ms,
        resolved_ms=alert.resolved_ms,
        reason=alert.reason,
        acknowledged_ms=alert.acknowledged_ms,
        acknowledged_by=alert.by,
        comment=alert.comment,
        facts=explain(state, alert, deliveries, at_ms),
        deliveries=[_record(delivery) for delivery in deliveries],
        as_of_ms=at_ms,
    )


def why_not_of(
    state: State, task: str, at_ms: int, *, jobs: Sequence[SeenJob] = (), last: Alert | None = None
) -> WhyNot:
    """Why nobody was told about a task; for the arguments see `explanations.why_not`."""
    facts = why_not(state, task, at_ms, jobs=jobs, last=last)
    found = [fact for fact in facts if fact.name is FactName.FOUND]
    told = [fact for fact in facts if fact.name is FactName.NOW]
    reasons = [fact.text for name in _HEADLINE for fact in facts if fact.name is name]
    is_firing = bool(told)
    begin = "no alert"
    if is_firing:
        begin = f"an alert fires ({found[0].text})"
        held = [fact.text for fact in facts if fact.name in (FactName.SILENCED, FactName.INHIBITED)]
        reasons = held or [fact.text for fact in told]
    elif found and FactName.BELOW_THRESHOLD not in {fact.name for fact in facts}:
        begin = f"an alert is open ({found[0].text})"
    if not reasons:
        reasons = ["nothing was found that is not over"]
    return WhyNot(task=task, is_firing=is_firing, answer=f"{begin}: {'; '.join(reasons)}", facts=facts, as_of_ms=at_ms)


def _record(delivery: Delivery) -> DeliveryRecord:
    return DeliveryRecord(
        delivery_id=delivery.delivery_id,
        channel=delivery.channel,
        kind=str(delivery.kind),
        state=str(delivery.state),
        dedup_key=delivery.dedup_key,
        reason=str(delivery.reason),
        why=REASON_WORDS[delivery.reason],
        created_ms=delivery.created_ms,
        done_ms=delivery.done_ms,
        tries=[TryRecord(at_ms=one.at_ms, outcome=one.outcome, detail=one.detail) for one in delivery.history],
    )
