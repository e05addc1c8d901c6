"""
What can stand in the log: reports of workers, and events of the monitor itself.

A report is decoded straight into the struct that `apply` reads, so an event costs one allocation on its way.
`UNSET` means that a founding field was absent, `None` that it was null; the reply keeps the difference.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from jobsight.core import limits

Whole = Annotated[int, Meta(ge=0, le=limits.MEASURE_MAX)]
Measure = Whole | Annotated[float, Meta(ge=0, le=float(limits.MEASURE_MAX))]
Percent = Annotated[int, Meta(ge=0, le=100)] | Annotated[float, Meta(ge=0, le=100)]
Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_CHARACTERS_MAX)]
JobId = Annotated[str, Meta(min_length=1, max_length=limits.JOB_ID_BYTES_MAX)]
MsgId = Annotated[int, Meta(ge=-limits.MSG_ID_MAX - 1, le=limits.MSG_ID_MAX)]
Time = (
    Annotated[int, Meta(ge=limits.EPOCH_MS_MIN, le=limits.MEASURE_MAX)]
    | Annotated[float, Meta(ge=limits.EPOCH_MS_MIN, le=float(limits.MEASURE_MAX))]
    | str
)
Usage = Annotated[dict[str, Measure | None], Meta(max_length=limits.MEASURES_MAX)]
Labels = Annotated[dict[str, str], Meta(max_length=limits.LABELS_MAX)]


class Report(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, tag_field="type"):
    """What every report may carry. `at` is the worker's own time: RFC 3339 or milliseconds since the epoch."""

    job_id: JobId
    msg_id: MsgId | None | UnsetType = UNSET
    task: Name | None = None
    queue: Name | None = None
    host: Name | None = None
    labels: Labels | None = None
    attempt: Whole | None = None
    max_retries: Whole | None = None
    at: Time | None = None
    message: str | None = None


class StatusUpdate(Report, frozen=True, kw_only=True, gc=False, tag="update_status"):
    """A job says where it stands; `progress` is a percentage from 0 to 100."""

    status: Annotated[str, Meta(min_length=1, max_length=limits.STATUS_CHARACTERS_MAX)]
    progress: Percent | None | UnsetType = UNSET


class JobCompleted(Report, frozen=True, kw_only=True, gc=False, tag="job_completed"):
    """A job has ended well, after `duration_ms`, having used `resource_usage`."""

    duration_ms: Measure | None | UnsetType = UNSET
    resource_usage: Usage | None | UnsetType = UNSET


class JobFailed(Report, frozen=True, kw_only=True, gc=False, tag="job_failed"):
    """A try of a job has failed; whether it was the last one is decided by the retry limit."""

    error: str | None | UnsetType = UNSET
    retries: Whole | None | UnsetType = UNSET


class Heartbeat(Report, frozen=True, kw_only=True, gc=False, tag="heartbeat"):
    """A running job says that it is alive."""


class JobCancelled(Report, frozen=True, kw_only=True, gc=False, tag="job_cancelled"):
    """A job was stopped on purpose."""

    reason: str | None | UnsetType = UNSET


class DeadlinePassed(Struct, frozen=True, kw_only=True, gc=False, tag_field="type", tag="deadline_passed"):
    """
    The monitor saw a deadline of a job pass. Ignored unless it is still the job's current deadline.

    `rule` names what was expected (`silence`: any word at all); `deadline_ms` is the moment that passed, UTC.
    """

    job_id: str
    rule: str
    deadline_ms: int


class SettingsChanged(Struct, frozen=True, kw_only=True, gc=False, tag_field="type", tag="settings_changed"):
    """
    A setting that `apply` reads was changed by `author`.

    `max_retries` is the node's retry limit, if any; for `silence_ms` see `limits.SILENCE_MS`.
    """

    max_retries: int | None
    silence_ms: int = limits.SILENCE_MS
    author: str


class TokenCreated(Struct, frozen=True, kw_only=True, gc=False, tag_field="type", tag="token_created"):
    """
    A token was created by `author`: its public id, the word of its scope, and the SHA-256 of its secret in hex.

    `expires_ms` is a moment, ms UTC; None for never.
    """

    token_id: str
    scope: str
    sha256: str
    note: str = ""
    expires_ms: int | None = None
    author: str


class TokenRevoked(Struct, frozen=True, kw_only=True, gc=False, tag_field="type", tag="token_revoked"):
    """A token was taken back by `author`; it is good for nothing from here on."""

    token_id: str
    author: str


AnyReport = StatusUpdate | JobCompleted | JobFailed | Heartbeat | JobCancelled
InternalEvent = DeadlinePassed | SettingsChanged | TokenCreated | TokenRevoked
Event = AnyReport | InternalEvent


class Batch(Struct, frozen=True, kw_only=True, gc=False):
    """
    Events that were stored together.

    Attributes:
        seq: Place of the batch in the log, from 1.
        accept_ms: When it was accepted, milliseconds since the epoch, UTC. Time is data: `apply` knows no other.
        sources: Who sent each event (`src`); None for a bare message or an event of the monitor.
        events: In order of arrival; an event's index in this list is its index in the log.
    """

    seq: int
    accept_ms: int
    sources: list[str | None]
    events: list[Event]
