"""What queries over HTTP answer, as structs: `/openapi.json` is made from them. Times are milliseconds since the epoch, UTC."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from jobsight.core.events import Name
from jobsight.core.limits import EPOCH_MS_MIN
from jobsight.view.answers import JobAnswer, JobPage

__all__ = ["JobAnswer", "JobPage"]


class ErrorAnswer(Struct, frozen=True, kw_only=True, tag_field="type", tag="error"):
    """Why a request was refused: the wire's error code, and a text that says what was expected and what came."""

    code: int
    text: str


class MeasureAnswer(Struct, frozen=True, kw_only=True):
    """One measure of resource usage, in its own unit."""

    mean: float
    max: float


class StatsAnswer(Struct, frozen=True, kw_only=True):
    """
    How many jobs there are, where they stand, and how long they take.

    The first four count jobs by where they stand now; with `since` they count ends since that moment. What follows
    comes with `detail` alone. `avg_duration_ms` is the mean over the completions counted; `retained` jobs are still stored.
    """

    total: int
    completed: int
    failed: int
    avg_duration_ms: float
    by_status: dict[str, int] | UnsetType = UNSET
    p50_ms: float | None | UnsetType = UNSET
    p95_ms: float | None | UnsetType = UNSET
    p99_ms: float | None | UnsetType = UNSET
    max_ms: float | None | UnsetType = UNSET
    failure_rate: float | None | UnsetType = UNSET
    throughput_per_s: float | UnsetType = UNSET
    resource_usage: dict[str, MeasureAnswer] | UnsetType = UNSET
    retained: int | UnsetType = UNSET


class HistoryEvent(Struct, frozen=True, kw_only=True):
    """One event of a job: its place in the log, when it was accepted, and the message as it came."""

    seq: int
    index: int
    accept_ms: int
    message: Raw


class HistoryPage(Struct, frozen=True, kw_only=True):
    """Events of a job, oldest first within the page; `cursor` asks for those before, null when there are none."""

    job_id: str
    events: list[HistoryEvent]
    cursor: str | None


class JobDetail(JobAnswer, frozen=True, kw_only=True, gc=False):
    """The latest state of a job; `history` holds its latest events where it was asked for, oldest first."""

    history: list[HistoryEvent] | UnsetType = UNSET


class TaskAnswer(Struct, frozen=True, kw_only=True):
    """
    A task.

    Attributes:
        by_status: Status -> jobs that stand in it.
        last_end_ms, last_status: Its latest end, and the status there; null before the first.
        p50_ms, p95_ms, failure_rate: Over the jobs that ended since the page's `since_ms`; null without any.
    """

    task: str
    total: int
    by_status: dict[str, int]
    last_end_ms: int | None
    last_status: str | None
    last_success_ms: int | None
    p50_ms: float | None
    p95_ms: float | None
    failure_rate: float | None


class TaskPage(Struct, frozen=True, kw_only=True):
    """Some tasks, by name. `count` is how many there are in all; `cursor` asks for the next page."""

    tasks: list[TaskAnswer]
    cursor: str | None
    count: int
    since_ms: int
    as_of_seq: int


class PointAnswer(Struct, frozen=True, kw_only=True):
    """
    What ended within the `width_s` seconds from `at_ms` on.

    Attributes:
        ends: Terminal status -> ends.
        histogram: Pairs of a duration in ms and how many jobs took at most that long, and longer than the pair before.
    """

    at_ms: int
    ends: dict[str, int]
    avg_duration_ms: float
    p50_ms: float | None
    p95_ms: float | None
    histogram: list[tuple[float, int]] | UnsetType = UNSET


class SeriesAnswer(Struct, frozen=True, kw_only=True):
    """Points in time in which something ended, oldest first; there are no empty ones."""

    task: str | None
    width_s: int
    since_ms: int
    until_ms: int
    points: list[PointAnswer]
    as_of_seq: int


class TokenAnswer(Struct, frozen=True, kw_only=True):
    """A new token; its text is shown this once."""

    token: str
    token_id: str


class TokenWish(Struct, frozen=True, kw_only=True):
    """The token that somebody wants."""

    scope: Literal["ingest", "read", "operate", "admin"]
    note: Annotated[str, Meta(max_length=256)] = ""
    expires_ms: Annotated[int, Meta(ge=EPOCH_MS_MIN)] | None = None


class UserWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operator that somebody wants to let in."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    scope: Literal["read", "operate", "admin"]
    password: Annotated[str, Meta(min_length=8, max_length=1000)]


class PasswordWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The new password of an operator."""

    password: Annotated[str, Meta(min_length=8, max_length=1000)]


class UserAnswer(Struct, frozen=True, kw_only=True):
    """An operator, as lists show it."""

    name: str
    scope: str
    created_ms: int
    changed_ms: int
    author: str


class UsersAnswer(Struct, frozen=True, kw_only=True):
    """The operators there are, by name."""

    users: list[UserAnswer]


class PingUrlWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The ping URL that somebody wants.

    Attributes:
        task: Whose jobs its pings are; null for a ping key, whose URLs name the task themselves.
        secret: One that is in use elsewhere already: the UUID of a check, or a ping key; made when missing.
    """

    task: Name | None = None
    secret: Annotated[str, Meta(min_length=20, max_length=64)] | None = None
    note: Annotated[str, Meta(max_length=256)] = ""


class NewPingUrl(Struct, frozen=True, kw_only=True):
    """A new ping URL: its path, to be put behind the monitor's address."""

    ping_id: str
    path: str


class PingUrlAnswer(Struct, frozen=True, kw_only=True):
    """A ping URL as lists show it; the secret is masked."""

    ping_id: str
    kind: str
    task: str | None
    path: str
    state: str
    note: str
    created_ms: int
    revoked_ms: int | None
    last_ping_ms: int | None
    author: str


class PingUrls(Struct, frozen=True, kw_only=True):
    """The ping URLs there are, the oldest first."""

    ping_urls: list[PingUrlAnswer]


Anything = dict[str, Any]
"""An object whose fields are described elsewhere."""
