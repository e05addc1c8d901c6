"""What operators ask for over HTTP, and what they are answered, as structs. Times are milliseconds since the epoch, UTC."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from jobsight.core.events import Name

Comment = Annotated[str, Meta(max_length=256, description="Why.")]
Match = Annotated[
    list[Annotated[str, Meta(max_length=256)]],
    Meta(
        max_length=16,
        description="All have to match: `task=billing.*`, `severity!=warning`; task, queue, rule, severity, alert_id, or a label.",
    ),
]
Moment = Annotated[
    str, Meta(min_length=1, max_length=40, description="RFC 3339 with a zone, or milliseconds since the epoch.")
]


class CheckWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    What is expected of a task; lengths of time as text such as `90s`, `15m`, `1h30m`. What is left out is not expected.

    For the meaning of each field see the reference of checks.
    """

    schedule: str | None = None
    tz: str | None = None
    start_grace: str | None = None
    early_margin: str | None = None
    finish_by: str | None = None
    max_runtime: str | None = None
    heartbeat: str | None = None
    stall_after: str | None = None
    min_runtime: str | None = None
    measures: dict[str, dict[str, float]] | None = None
    max_retries: int | None = None
    failure_threshold: int | None = None
    recovery_threshold: int | None = None
    failure_rate_max: float | None = None
    severity: Literal["critical", "warning"] | None = None
    labels: dict[str, str] | None = None
    owner: str | None = None
    runbook_url: str | None = None
    depends_on: list[str] | None = None


class CheckAnswer(Struct, frozen=True, kw_only=True):
    """
    A check, and how it stands.

    Attributes:
        state: `alerting` while an alert of the task fires, `new` before it was heard of, else `ok`.
        origin: config, api or report.
        since_ms: From when on slots are expected.
        check: What is expected, as it can be set again.
        next_slot_ms: The slot that is waited for, or whose grace runs; `deadline_ms`: the end of that grace.
        learned_runs, learning_runs: Runs that are known, of those that are needed before anything is learned from them.
        alerts: Ids of the task's open alerts.
    """

    task: str
    state: str
    origin: str
    author: str
    since_ms: int
    check: CheckWish
    next_slot_ms: int | None
    deadline_ms: int | None
    last_start_ms: int | None
    last_end_ms: int | None
    last_success_ms: int | None
    missed_in_row: int
    failures_in_row: int
    active_runs: int
    learned_runs: int
    learning_runs: int
    alerts: list[str]


class CheckPage(Struct, frozen=True, kw_only=True):
    """Some checks, by task. `count` is how many match in all; `cursor` asks for the next page."""

    checks: list[CheckAnswer]
    cursor: str | None
    count: int
    as_of_seq: int


class HandWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What somebody has to say who acknowledges or resolves an alert.

    Attributes:
        by: A name; that of the token or of the local user where it is left out.
    """

    by: Name | None = None
    comment: Comment = ""


class ManyHandsWish(HandWish, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Many alerts at once.

    Attributes:
        state: Only those that stand there; all open ones where it is left out.
        dry_run: Only say how many there are.
    """

    match: Match
    state: Literal["pending", "firing", "acknowledged", "open"] = "open"
    dry_run: bool = False


class ManyAnswer(Struct, frozen=True, kw_only=True):
    """How many there are (or were), which (the first 100), and whether anything was done."""

    count: int
    ids: list[str]
    is_done: bool
    as_of_seq: int


class SilenceWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A silence. It has an end: `ends`, or `duration` from its beginning.

    Attributes:
        starts: Now, where it is left out.
        duration: Such as `2h`, `1h30m`, `7d`; at most 90 days.
        dry_run: Only say which open alerts it would silence.
    """

    match: Match
    starts: Moment | None = None
    ends: Moment | None = None
    duration: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    comment: Comment = ""
    dry_run: bool = False


class SilenceAnswer(Struct, frozen=True, kw_only=True):
    """
    A silence that has not ended.

    Attributes:
        state: `pending` before it begins, `active` from then on.
        maintenance: The window that has made it, if one has.
        alerts: Open alerts that match.
    """

    silence_id: str
    state: str
    match: list[str]
    starts_ms: int
    ends_ms: int
    author: str
    comment: str
    maintenance: str | None
    alerts: int


class Silences(Struct, frozen=True, kw_only=True):
    """The silences that have not ended, that which ends first first."""

    silences: list[SilenceAnswer]
    as_of_seq: int


class SilenceMade(Struct, frozen=True, kw_only=True):
    """A new silence, and the open alerts that match it; without an id where it was only tried."""

    silence_id: str | None
    count: int
    ids: list[str]


class WindowWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A maintenance window: what matches is told to nobody for `duration` after each slot of the schedule."""

    match: Match
    schedule: str
    duration: str
    tz: str | None = None
    comment: Comment = ""


class WindowAnswer(Struct, frozen=True, kw_only=True):
    """
    A maintenance window.

    Attributes:
        window: As it can be set again.
        starts_ms: When it begins next, or has begun where `state` is `active`; null for never again.
    """

    name: str
    state: str
    origin: str
    author: str
    window: WindowWish
    starts_ms: int | None
    ends_ms: int | None


class Windows(Struct, frozen=True, kw_only=True):
    """The maintenance windows, by name."""

    maintenance: list[WindowAnswer]
    as_of_seq: int


class ChannelAnswer(Struct, frozen=True, kw_only=True):
    """
    A channel.

    Attributes:
        type, target: What kind it is, and where it leads, without secrets; null where no service runs.
        state: `broken` while a notification that was given up is not followed by one that was delivered, `resting` while
            nothing is tried after many failures, else `ok`.
        waiting: Notifications that wait for it.
        last_ms, last_answer: What it last said, since the service started.
    """

    name: str
    type: str | None
    target: str | None
    state: str
    waiting: int
    last_ms: int | None
    last_answer: str | None


class Channels(Struct, frozen=True, kw_only=True):
    """The channels, in their order."""

    channels: list[ChannelAnswer]


class TestAnswer(Struct, frozen=True, kw_only=True):
    """What came of a test: whether the channel took it, and its answer in words."""

    channel: str
    is_delivered: bool
    detail: str


class DeliveryAnswer(Struct, frozen=True, kw_only=True):
    """
    One notification to one channel.

    Attributes:
        state: waiting, delivered, dead (given up), or retried (another one took its place).
        reason: Why it was decided on; `tries` and `detail` of the latest try.
        retry_of: The one in whose place it goes out.
    """

    delivery_id: str
    channel: str
    kind: str
    state: str
    alert_id: str | None
    dedup_key: str
    reason: str
    title: str
    created_ms: int
    done_ms: int | None
    tries: int
    detail: str
    retry_of: str | None


class DeliveryPage(Struct, frozen=True, kw_only=True):
    """Some notifications, the newest first; `cursor` asks for the next page."""

    deliveries: list[DeliveryAnswer]
    cursor: str | None
    as_of_seq: int


class RetryWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that was given up of one channel, as far as it is still of use to anybody."""

    channel: Name
    dry_run: bool = False


class Road(Struct, frozen=True, kw_only=True):
    """One way from an alert to a channel: the route, and in a drill what has become of it."""

    route: str
    channel: str
    state: str | None = None
    detail: str = ""


class RoutesAnswer(Struct, frozen=True, kw_only=True):
    """Who is told what: the channels, the tree as it is written, and every way through it."""

    channels: list[str]
    routes: dict[str, Any]
    roads: list[Road]


class WhomAnswer(Struct, frozen=True, kw_only=True):
    """The channels that would be told of an alert now, each with the group in which that would happen."""

    channels: dict[str, str]


class DrillAnswer(Struct, frozen=True, kw_only=True):
    """A drill: every way through the routes, and whether it has arrived. `is_over`: none is waited for any more."""

    drill_id: str
    is_over: bool
    roads: list[Road]


class DeclaredWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is declared, each table by name, as in the configuration file."""

    checks: dict[str, Any] = {}
    routes: dict[str, Any] = {}
    maintenance: dict[str, Any] = {}


class DeclaredStep(Struct, frozen=True, kw_only=True):
    """One thing that differs: add, change or remove; of a check, the routes or a window; with the fields that differ."""

    verb: str
    kind: str
    name: str
    lines: list[str]


class DeclaredAnswer(Struct, frozen=True, kw_only=True):
    """What had to change, and whether it was done."""

    steps: list[DeclaredStep]
    is_done: bool


class AlertAnswers(Struct, frozen=True, kw_only=True):
    """An alert with its check and its notifications."""

    alert: Any
    deliveries: list[DeliveryAnswer]
