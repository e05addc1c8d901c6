"""Queries and envelopes, and the typed decoders for whole slices of lines. Reports are the structs of `core.events`."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from jobsight.core.events import (
    AnyReport,
    CancelledWithCheck,
    CompletedWithCheck,
    FailedWithCheck,
    Heartbeat,
    HeartbeatWithCheck,
    JobCancelled,
    JobCompleted,
    JobFailed,
    MsgId,
    Name,
    StatusUpdate,
    UpdateWithCheck,
    Whole,
)
from jobsight.protocol.limits import LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX


class Query(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag_field="type"):
    """What every query may carry. Queries are answered in their place and never stored."""

    msg_id: MsgId | None | UnsetType = UNSET


class Init(Query, frozen=True, kw_only=True, gc=False, tag="init"):
    """The opening of a Maelstrom session: the node learns its name; from here on envelopes are answered by envelopes."""

    node_id: str
    node_ids: list[str] | None = None


class GetStats(Query, frozen=True, kw_only=True, gc=False, tag="get_stats"):
    """Statistics over all jobs; with any further field, of some of them or in more detail. `since_ms` counts ends."""

    task: Name | None = None
    queue: Name | None = None
    status: str | None = None
    since_ms: Whole | None = None
    detail: bool | None = None

    @property
    def is_plain(self) -> bool:
        """Whether nothing but the four founding figures is asked for."""
        return (
            self.task is None
            and self.queue is None
            and self.status is None
            and self.since_ms is None
            and not self.detail
        )


class GetJob(Query, frozen=True, kw_only=True, gc=False, tag="get_job"):
    """One job, with its events where `history` is true."""

    job_id: str
    history: bool | None = None


class ListJobs(Query, frozen=True, kw_only=True, gc=False, tag="list_jobs"):
    """Jobs, newest first; `cursor` comes from the reply before."""

    status: str | None = None
    task: Name | None = None
    queue: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=LIST_LIMIT_MAX)] = LIST_LIMIT_DEFAULT
    cursor: str | None = None


class GetAlerts(Query, frozen=True, kw_only=True, gc=False, tag="get_alerts"):
    """Alerts, newest first; `state` is pending, firing, acknowledged or resolved, all without one."""

    state: str | None = None
    task: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=LIST_LIMIT_MAX)] = LIST_LIMIT_DEFAULT
    cursor: str | None = None


class AcknowledgeAlert(Query, frozen=True, kw_only=True, gc=False, tag="acknowledge_alert"):
    """Somebody takes care of an alert. Stored before it is answered, as an event of the monitor."""

    alert_id: str
    by: Name | None = None
    comment: str | None = None


AnyQuery = Init | GetStats | GetJob | ListJobs | GetAlerts | AcknowledgeAlert
Message = AnyReport | AnyQuery

REPORT_TYPES: Final = frozenset(
    {
        StatusUpdate,
        JobCompleted,
        JobFailed,
        Heartbeat,
        JobCancelled,
        UpdateWithCheck,
        CompletedWithCheck,
        FailedWithCheck,
        HeartbeatWithCheck,
        CancelledWithCheck,
    }
)


class Envelope(Struct, gc=False, forbid_unknown_fields=True):
    """A message with its addresses; Maelstrom's own `id` is read past."""

    body: Message
    dest: str
    src: str | None = None
    id: int | None = None


class HalfEnvelope(Struct, gc=False, forbid_unknown_fields=True):
    """A message that says to nobody that it is for him. Whatever it says of its sender, it is answered by a bare body."""

    body: Message
    src: str | None = None
    dest: None = None
    id: int | None = None


decoder_of_envelopes: Final = msgspec.json.Decoder(Envelope)
decoder_of_half_envelopes: Final = msgspec.json.Decoder(HalfEnvelope)
decoder_of_bodies: Final = msgspec.json.Decoder(Message)
