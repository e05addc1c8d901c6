"""What every channel is given, what it gives back, and what it promises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct, field

from jobsight.notifiers.harmless import cut, harmless
from jobsight.notifiers.limits import DEDUP_KEY_CHARACTERS_MAX, FIELD_CHARACTERS_MAX, SendLimits


class NotificationKind(StrEnum):
    """Why somebody is told."""

    TRIGGER = "trigger"
    REPEAT = "repeat"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    SUMMARY = "summary"
    TEST = "test"


class Links(Struct, frozen=True, kw_only=True):
    """
    Where a reader can go from a notification.

    Attributes:
        open: The alert's page. `task`, `job`: those of its task and of the job that failed last.
        acknowledge: Signed: no login, and a page that asks before it does anything.
        silence: Where the alert's page offers to silence it, to whoever may.
    """

    open: str | None = None
    acknowledge: str | None = None
    silence: str | None = None
    task: str | None = None
    job: str | None = None


class Member(Struct, frozen=True, kw_only=True):
    """One of the alerts, or groups of alerts, that a summary speaks of; `count` of them."""

    title: str
    severity: str = ""
    task: str | None = None
    queue: str | None = None
    alert_id: str | None = None
    count: int = 1


class Notification(Struct, frozen=True, kw_only=True):
    """
    What is needed at 3 a.m. Frozen: a repeated try sends the same.

    Attributes:
        dedup_key: `jobsight:<fingerprint>:<episode>`, the same from trigger to resolve.
        sequence: Tells the repeats (and summaries) of one dedup key apart, counted up; tries of one keep it.
        title: What is wrong, in one sentence, without severity and task: "Job failed after 3 retries: Connection timeout".
        text: The whole in plain words; empty to have it composed from the rest (`plain.plain_text`).
        at_ms: When this notification was made; all times are ms since the epoch, UTC.
        output_tail: The last lines that the job printed.
        failures_in_row, count: Of the task; of the episode.
        acknowledged_by, comment: Who takes care, and what was said with it.
        elsewhere: Other tasks or queues with an open alert about the same error; `elsewhere_count` of them in all.
        links: Signed ones are for the reader alone.
        members: Of a summary; `members_count` of them, when not all are listed.
    """

    kind: NotificationKind
    dedup_key: str
    title: str
    at_ms: int
    sequence: int = 0
    alert_id: str | None = None
    rule: str | None = None
    severity: str = "critical"
    text: str = ""
    task: str | None = None
    queue: str | None = None
    job_id: str | None = None
    error: str | None = None
    output_tail: str | None = None
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
    links: Links = Links()
    members: tuple[Member, ...] = ()
    members_count: int | None = None


class Receipt(Struct, frozen=True, kw_only=True):
    """
    The channel said yes.

    Attributes:
        detail: Its answer in a few words: "202", "250 OK".
        problem: What an operator should mend although it was delivered: a template that failed, one refused recipient.
    """

    detail: str
    problem: str | None = None


class Notifier(Protocol):
    """
    A channel.

    Attributes:
        name: As the configuration calls it.
        repost_every_ms: A far side that forgets wants an open alert told again this often; None for all others.
        repost_resolved_ms: So long the resolve is told again, at the same pace.
    """

    name: str
    repost_every_ms: int | None
    repost_resolved_ms: int

    async def send(self, notification: Notification, *, now_ms: int) -> Receipt:
        """
        Deliver within `SEND_MS_MAX`.

        Args:
            now_ms: The time of this try, ms UTC.

        Raises:
            DeliveryError: It was not taken, with when to try again. The only error; it holds no secret.
        """
        ...

    async def close(self) -> None:
        """Give back every socket, process and thread. Nothing can be sent afterwards."""
        ...


class Making(Struct, frozen=True, kw_only=True):
    """
    What a channel is made with, beside its settings.

    Attributes:
        name: As the configuration calls it.
        environment: The process's variables; a command gets a few of them, references are resolved with them.
        source: Who speaks: the URL or the name of this monitor.
        is_guarded: The settings came from the UI: https only, public addresses only, nothing read from this host.
        limits: How long a send may take.
    """

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    source: str = "jobsight"
    is_guarded: bool = False
    limits: SendLimits = SendLimits()


_KEY_CHARACTERS: Final = re.compile(r"[^A-Za-z0-9:._-]")


def delivery_key(notification: Notification) -> str:
    """The key of one notification, the same for each of its tries: dedup key, kind and sequence."""
    return f"{notification.dedup_key}:{notification.kind}:{notification.sequence}"


def cleaned(notification: Notification) -> Notification:
    """
    The notification as a channel may send it: every text harmless and bounded, so that no channel can forget one.

    Its dedup key, which stands in headers too, keeps letters, digits and `:._-` only.
    """
    plain = _cleaned(msgspec.to_builtins(notification))
    key = _KEY_CHARACTERS.sub("-", notification.dedup_key)[:DEDUP_KEY_CHARACTERS_MAX]
    return msgspec.convert({**plain, "dedup_key": key}, Notification)


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return cut(harmless(value), FIELD_CHARACTERS_MAX)
        case dict():
            return {_cleaned(key): _cleaned(item) for key, item in value.items()}
        case list() | tuple():
            return [_cleaned(item) for item in value]
        case _:
            return value
