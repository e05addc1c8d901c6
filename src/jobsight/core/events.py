"""
What can stand in the log: reports of workers, and events of the monitor itself.

A report is decoded straight into the struct that `apply` reads, so an event costs one allocation on its way.
`UNSET` means that a founding field was absent, `None` that it was null; the reply keeps the difference.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from jobsight.core import limits
from jobsight.core.check import Expectation, Origin
from jobsight.core.outbox import Notice, NoticeKind
from jobsight.core.routing import Matcher, Route

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


class Report(
    Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True, omit_defaults=True, tag_field="type"
):
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


class UpdateWithCheck(StatusUpdate, frozen=True, kw_only=True, gc=False, tag="update_status"):
    """A status update that says what is expected of its task. A type of its own: the others need not be asked for it."""

    check: Expectation


class CompletedWithCheck(JobCompleted, frozen=True, kw_only=True, gc=False, tag="job_completed"):
    """A completion that says what is expected of its task."""

    check: Expectation


class FailedWithCheck(JobFailed, frozen=True, kw_only=True, gc=False, tag="job_failed"):
    """A failure that says what is expected of its task."""

    check: Expectation


class HeartbeatWithCheck(Heartbeat, frozen=True, kw_only=True, gc=False, tag="heartbeat"):
    """A heartbeat that says what is expected of its task."""

    check: Expectation


class CancelledWithCheck(JobCancelled, frozen=True, kw_only=True, gc=False, tag="job_cancelled"):
    """A cancellation that says what is expected of its task."""

    check: Expectation


class Internal(Struct, frozen=True, kw_only=True, gc=False, tag_field="type"):
    """An event of the monitor itself, or of its operators; no client may send one as it is."""


class DeadlinePassed(Internal, frozen=True, kw_only=True, gc=False, tag="deadline_passed"):
    """
    The monitor saw a deadline pass. Ignored unless it is still the subject's current deadline.

    Attributes:
        subject_kind: job, check, alert or group; `subject` names one: a job_id, a task, an alert_id, a group's key.
        rule: What was expected (`silence`: any word at all).
        deadline_ms: The moment that passed, UTC.
        basis_ms: The fact from which the deadline was counted (last heard, started, the slot); once that has changed,
            the deadline is no longer current.
        revision: Of the check, where one decided.
        next_ms: Of a schedule: the slot to be waited for from here on; None for no further one.
        slots: Of a schedule: slots that have passed in a row with this one, this one first.
        text: What was found, in one sentence, where the rule has something to say.
    """

    subject_kind: str
    subject: str
    rule: str
    deadline_ms: int
    basis_ms: int | None = None
    revision: int | None = None
    next_ms: int | None = None
    slots: list[int] | None = None
    text: str = ""


class ConditionEnded(Internal, frozen=True, kw_only=True, gc=False, tag="condition_ended"):
    """What a rule had found at a job (or at a task as a whole) holds no more. `subject_kind`: job or check."""

    subject_kind: str
    subject: str
    rule: str


class RunsJudged(Internal, frozen=True, kw_only=True, gc=False, tag="runs_judged"):
    """The ended runs of a task, up to number `upto`, were looked at; `findings`: (rule, job_id, what, in one sentence)."""

    task: str
    upto: int
    findings: list[tuple[str, str, str]] = []


class SlotPlanned(Internal, frozen=True, kw_only=True, gc=False, tag="slot_planned"):
    """The first slot of a schedule, worked out when its check was set; None for a schedule that has no slot any more."""

    task: str
    revision: int
    slot_ms: int | None


class CheckSet(Internal, frozen=True, kw_only=True, gc=False, tag="check_set"):
    """What is expected of a task, from here on. `origin` is config or api."""

    task: str
    expected: Expectation
    origin: Origin
    author: str


class CheckRemoved(Internal, frozen=True, kw_only=True, gc=False, tag="check_removed"):
    """Nothing is expected of a task any more; its open conditions end."""

    task: str
    author: str


class MonitorBlind(Internal, frozen=True, kw_only=True, gc=False, tag="monitor_blind"):
    """
    Nothing could be seen from `from_ms` to `to_ms`, ms UTC: the monitor did not run, or its clock was set.

    `slots` of schedules lie within; where the clock was set back, `to_ms` lies before `from_ms`. `is_clock`: it ran all the
    time, and its clock was set.
    """

    from_ms: int
    to_ms: int
    slots: int = 0
    is_clock: bool = False


class MonitorTrouble(Internal, frozen=True, kw_only=True, gc=False, tag="monitor_trouble"):
    """Something is wrong with the monitor itself (`rule`: one of `self.*`, `text` in one sentence), or is so no more."""

    rule: str
    text: str = ""
    is_over: bool = False


class AlertAcknowledged(Internal, frozen=True, kw_only=True, gc=False, tag="alert_acknowledged"):
    """Somebody takes care of an alert. `author`: who was let in, where `by` is only a name that was given."""

    alert_id: str
    by: str
    comment: str = ""
    author: str | None = None


class AlertResolved(Internal, frozen=True, kw_only=True, gc=False, tag="alert_resolved"):
    """Somebody says that a problem is over. `author`: who was let in, where `by` is only a name that was given."""

    alert_id: str
    by: str
    comment: str = ""
    author: str | None = None


class SilenceSet(Internal, frozen=True, kw_only=True, gc=False, tag="silence_set"):
    """Alerts that match are not told between two moments, ms UTC. The same id again replaces the silence."""

    silence_id: str
    matchers: list[Matcher]
    starts_ms: int
    ends_ms: int
    author: str
    comment: str = ""
    maintenance_id: str | None = None


class SilenceEnded(Internal, frozen=True, kw_only=True, gc=False, tag="silence_ended"):
    """A silence is over, by hand or because its time has come."""

    silence_id: str
    author: str


class MaintenanceSet(Internal, frozen=True, kw_only=True, gc=False, tag="maintenance_set"):
    """A silence with a schedule: it begins with each slot and lasts `duration_ms`; None takes the window back."""

    maintenance_id: str
    matchers: list[Matcher]
    schedule: str
    tz: str = "UTC"
    duration_ms: int | None
    author: str
    comment: str = ""
    origin: Origin = Origin.API


class RoutingSet(Internal, frozen=True, kw_only=True, gc=False, tag="routing_set"):
    """Which channels there are, by name, and who is told what. No routes: everything goes to every channel."""

    channels: list[str]
    routes: list[Route] = []
    author: str


class DeliveryResult(Internal, frozen=True, kw_only=True, gc=False, tag="delivery_result"):
    """
    What became of a try of a notification.

    `outcome`: delivered, failed (to be tried again) or dead; `detail` in words, without secrets; `tries` so far.
    """

    delivery_id: str
    outcome: str
    tries: int = 1
    detail: str = ""


class DeliveryRetried(Internal, frozen=True, kw_only=True, gc=False, tag="delivery_retried"):
    """
    A notification that was given up goes out again, as a new delivery.

    What it says stands here in full: by now the given-up one has left the memory.
    """

    delivery_id: str
    channel: str
    kind: NoticeKind
    dedup_key: str
    alert_id: str | None
    notice: Notice
    author: str


class DrillStarted(Internal, frozen=True, kw_only=True, gc=False, tag="drill_started"):
    """Every channel of every route is told of a failure that is none, so that it is known whether it arrives."""

    drill_id: str
    author: str


class ChannelTested(Internal, frozen=True, kw_only=True, gc=False, tag="channel_tested"):
    """Somebody has sent a test through a channel; `detail` is its answer in words, without secrets."""

    channel: str
    is_delivered: bool
    detail: str
    author: str


class SettingsChanged(Internal, frozen=True, kw_only=True, gc=False, tag="settings_changed"):
    """
    A setting that `apply` reads was changed by `author`.

    `max_retries` is the node's retry limit, if any; for `silence_ms` see `limits.SILENCE_MS`, for `tasks_max`
    `limits.TASKS_MAX`.
    """

    max_retries: int | None
    silence_ms: int = limits.SILENCE_MS
    tasks_max: int = limits.TASKS_MAX
    author: str


class RetentionPassed(Internal, frozen=True, kw_only=True, gc=False, tag="retention_passed"):
    """
    Jobs that ended before a cutoff (ms UTC) are kept no longer; 0 for all of them. Cutoffs never move back.

    `completed_before_ms` is for jobs that ended completed, `other_before_ms` for those that ended otherwise. The ages of
    roll-ups are counted from the moment at which the event was accepted.
    """

    completed_before_ms: int
    other_before_ms: int
    author: str


class LogCheckpointed(Internal, frozen=True, kw_only=True, gc=False, tag="log_checkpointed"):
    """
    A copy of the view as of batch `seq` was made and verified; batches up to there may be deleted from now on.

    `view_hash` is the blake2b-256 of the copy in hex, `bytes` its size.
    """

    seq: int
    view_hash: str
    bytes: int


class TokenCreated(Internal, frozen=True, kw_only=True, gc=False, tag="token_created"):
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


class TokenRevoked(Internal, frozen=True, kw_only=True, gc=False, tag="token_revoked"):
    """A token was taken back by `author`; it is good for nothing from here on."""

    token_id: str
    author: str


class UserSet(Internal, frozen=True, kw_only=True, gc=False, tag="user_set"):
    """
    An operator may sign in from here on, or with another password: made or changed by `author`.

    `scope` is the word of the scope, `password_ref` names the secret that holds the password's hash.
    """

    name: str
    scope: str
    password_ref: str
    author: str


class UserRemoved(Internal, frozen=True, kw_only=True, gc=False, tag="user_removed"):
    """An operator was removed by `author`, and may not sign in any more."""

    name: str
    author: str


class PingUrlCreated(Internal, frozen=True, kw_only=True, gc=False, tag="ping_url_created"):
    """
    A ping URL was made by `author`; `secret` is the UUID or the ping key in its path.

    `task`: whose jobs its pings are; None for a ping key, whose URLs name the task themselves.
    """

    ping_id: str
    secret: str
    task: str | None = None
    note: str = ""
    author: str


class PingUrlRevoked(Internal, frozen=True, kw_only=True, gc=False, tag="ping_url_revoked"):
    """A ping URL was taken back by `author`."""

    ping_id: str
    author: str


AnyReport = StatusUpdate | JobCompleted | JobFailed | Heartbeat | JobCancelled
InternalEvent = (
    DeadlinePassed
    | ConditionEnded
    | RunsJudged
    | SlotPlanned
    | CheckSet
    | CheckRemoved
    | MonitorBlind
    | MonitorTrouble
    | AlertAcknowledged
    | AlertResolved
    | SilenceSet
    | SilenceEnded
    | MaintenanceSet
    | RoutingSet
    | DeliveryResult
    | DeliveryRetried
    | DrillStarted
    | ChannelTested
    | SettingsChanged
    | RetentionPassed
    | LogCheckpointed
    | TokenCreated
    | TokenRevoked
    | UserSet
    | UserRemoved
    | PingUrlCreated
    | PingUrlRevoked
)
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
