"""Who has changed what: one entry for each action of an operator. Made from the events, so nobody can leave it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from jobsight.core.events import (
    AlertAcknowledged,
    AlertResolved,
    ChannelTested,
    CheckRemoved,
    CheckSet,
    DeliveryRetried,
    DrillStarted,
    InternalEvent,
    MaintenanceSet,
    PingUrlCreated,
    PingUrlRevoked,
    RoutingSet,
    SettingsChanged,
    SilenceEnded,
    SilenceSet,
    TokenCreated,
    TokenRevoked,
    UserRemoved,
    UserSet,
)

CLOCK: Final = "clock"
"""Who ends a silence whose time has come: nobody, so that stands in no audit."""

_SUBJECTS: Final[Mapping[type, str]] = {
    AlertAcknowledged: "alert_id",
    AlertResolved: "alert_id",
    CheckSet: "task",
    CheckRemoved: "task",
    SilenceSet: "silence_id",
    SilenceEnded: "silence_id",
    MaintenanceSet: "maintenance_id",
    RoutingSet: "",
    DeliveryRetried: "delivery_id",
    DrillStarted: "drill_id",
    ChannelTested: "channel",
    SettingsChanged: "",
    TokenCreated: "token_id",
    TokenRevoked: "token_id",
    PingUrlCreated: "ping_id",
    PingUrlRevoked: "ping_id",
    UserSet: "name",
    UserRemoved: "name",
}
"""Events that are somebody's doing, and the field that says what it was done to."""

_LEFT_OUT: Final = frozenset({"type", "author", "by", "sha256", "secret", "notice", "password_ref"})
"""Fields that say nothing more, or nothing that is anybody's business."""


class AuditEntry(Struct, frozen=True, kw_only=True):
    """
    One action.

    Attributes:
        number: Place of the event in the log.
        at_ms: When it was accepted, ms UTC.
        author: Who was let in; for an alert, the name that was given with it as well.
        action: The type of the event.
        subject: What it was done to: a task, an alert_id, a channel; empty for the monitor as a whole.
        detail: The rest of the event.
    """

    number: int
    at_ms: int
    author: str
    action: str
    subject: str
    detail: Mapping[str, Any]


def audit_of(event: InternalEvent, place: int, at_ms: int) -> AuditEntry | None:
    """The entry of an event; None for one that is nobody's doing."""
    name = _SUBJECTS.get(type(event))
    if name is None or _is_made_by_the_clock(event):
        return None
    fields: dict[str, Any] = msgspec.to_builtins(event)
    by, author = fields.get("by"), fields.get("author")
    return AuditEntry(
        number=place,
        at_ms=at_ms,
        author=f"{by} ({author})" if by and author and by != author else str(author or by),
        action=str(fields["type"]),
        subject=str(fields[name]) if name else "",
        detail={key: value for key, value in fields.items() if key not in _LEFT_OUT and key != name},
    )


def _is_made_by_the_clock(event: InternalEvent) -> bool:
    if isinstance(event, SilenceSet):
        return event.maintenance_id is not None
    return isinstance(event, SilenceEnded) and event.author == CLOCK
