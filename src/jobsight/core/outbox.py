"""
The outbox: notifications that were decided on and wait for delivery.

Each is derived from the log, so it cannot be lost: the same events give the same notifications with the same ids. What
a notification says is frozen with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct, field

from jobsight.core.decision import Reason


class NoticeKind(StrEnum):
    """Why somebody is told; the words are those of the channels."""

    TRIGGER = "trigger"
    REPEAT = "repeat"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    SUMMARY = "summary"
    TEST = "test"


class NoticeMember(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of the alerts, or groups of alerts, that a summary speaks of; `count` of them."""

    title: str
    severity: str = ""
    task: str | None = None
    queue: str | None = None
    alert_id: str | None = None
    count: int = 1


class Notice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a notification says; the fields are those that a channel is given. Times in ms since the epoch, UTC."""

    title: str
    at_ms: int
    severity: str = "critical"
    alert_id: str | None = None
    rule: str | None = None
    text: str = ""
    task: str | None = None
    queue: str | None = None
    job_id: str | None = None
    error: str | None = None
    last_success_ms: int | None = None
    failures_in_row: int | None = None
    count: int | None = None
    opened_ms: int | None = None
    resolved_ms: int | None = None
    downtime_ms: int | None = None
    first_error: str | None = None
    last_error: str | None = None
    elsewhere: tuple[str, ...] = ()
    elsewhere_count: int = 0
    acknowledged_by: str | None = None
    comment: str = ""
    owner: str | None = None
    runbook_url: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    members: tuple[NoticeMember, ...] = ()
    members_count: int | None = None


class DeliveryState(StrEnum):
    """Where a delivery stands: it waits (perhaps for another try), was taken, was given up, or another one took its place."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"
    RETRIED = "retried"


class Try(Struct, frozen=True, array_like=True):
    """One try of a delivery: when it was over (ms UTC), what became of it (delivered, failed or dead), and in which words."""

    at_ms: int
    outcome: str
    detail: str


TRIES_KEPT: Final = 60
"""Tries of one delivery that its record holds; a delivery has fewer, unless it is tried again by hand."""


class Delivery(Struct, kw_only=True):
    """
    One notification to one channel.

    Attributes:
        number: Its place among all that were ever decided on, from 1; `delivery_id` is made from it.
        dedup_key: What the far side knows the problem by. Of one key and channel, a lower number goes first: a resolve
            never overtakes its trigger.
        sequence: Tells the repeats of one dedup key apart.
        alert_id: The alert; None for a summary of several.
        reason: Why it was decided on.
        tries, detail: As the last delivery result tells; `history`: as each of them told.
        retry_of: The delivery that was given up, in whose place this one goes out.
    """

    number: int
    delivery_id: str
    channel: str
    kind: NoticeKind
    dedup_key: str
    sequence: int
    alert_id: str | None
    reason: Reason
    created_ms: int
    notice: Notice
    state: DeliveryState = DeliveryState.WAITING
    tries: int = 0
    done_ms: int | None = None
    detail: str = ""
    history: list[Try] = field(default_factory=list)
    retry_of: str | None = None
    is_dirty: bool = False
