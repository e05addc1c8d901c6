"""The parameters of queries, as structs: their types check what came, and the API's description is made from them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from jobsight.core.events import Name
from jobsight.core.limits import EPOCH_MS_MIN, MEASURE_MAX, STATUS_CHARACTERS_MAX
from jobsight.core.times import epoch_ms
from jobsight.protocol.limits import LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX
from jobsight.protocol.refusals import Code, shown
from jobsight.transports.http.exchange import HttpRefusal
from jobsight.transports.http.faults import nearest, place_and_words

Task = Annotated[Name, Meta(description="Only jobs of this task.")]
Queue = Annotated[Name, Meta(description="Only jobs of this queue.")]
Host = Annotated[Name, Meta(description="Only jobs that last ran on this host.")]
Status = Annotated[
    str,
    Meta(min_length=1, max_length=STATUS_CHARACTERS_MAX, description="Only jobs that stand in exactly this status."),
]
Moment = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=40,
        description="A moment: an age (`90s`, `15m`, `24h`, `7d`), RFC 3339 with a zone, or milliseconds since the epoch.",
    ),
]
Limit = Annotated[int, Meta(ge=1, le=LIST_LIMIT_MAX, description="Rows of a page.")]
Cursor = Annotated[str, Meta(min_length=1, max_length=512, description="From the page before; opaque.")]


class StatsParameters(Struct, frozen=True, kw_only=True):
    """Of `GET /api/v1/stats`."""

    task: Task | None = None
    queue: Queue | None = None
    status: Status | None = None
    since: Moment | None = None
    detail: Annotated[bool, Meta(description="Also percentiles, rates and resource usage.")] = False


class JobsParameters(Struct, frozen=True, kw_only=True):
    """Of `GET /api/v1/jobs`."""

    status: Status | None = None
    task: Task | None = None
    queue: Queue | None = None
    host: Host | None = None
    since: Moment | None = None
    limit: Limit = LIST_LIMIT_DEFAULT
    cursor: Cursor | None = None


class JobParameters(Struct, frozen=True, kw_only=True):
    """Of `GET /api/v1/jobs/{job_id}`."""

    history: Annotated[bool, Meta(description="Also its latest events, as they came.")] = False


class HistoryParameters(Struct, frozen=True, kw_only=True):
    """Of `GET /api/v1/jobs/{job_id}/history`."""

    limit: Limit = LIST_LIMIT_DEFAULT
    cursor: Cursor | None = None


class TasksParameters(Struct, frozen=True, kw_only=True):
    """Of `GET /api/v1/tasks`."""

    task: Task | None = None
    limit: Limit = LIST_LIMIT_DEFAULT
    cursor: Cursor | None = None


class SeriesParameters(Struct, frozen=True, kw_only=True):
    """Of `GET /api/v1/series`."""

    task: Task | None = None
    since: Moment = "1h"
    until: Moment | None = None
    histogram: Annotated[bool, Meta(description="Also how the durations of each point are distributed.")] = False


AlertState = Annotated[
    str,
    Meta(
        pattern="^(pending|firing|acknowledged|resolved|open)$",
        description="Only alerts that stand there; `open` for all that are not resolved.",
    ),
]
Rule = Annotated[str, Meta(min_length=1, max_length=64, description="Only alerts of this rule.")]
Severity = Annotated[str, Meta(pattern="^(critical|warning)$", description="Only alerts that are this bad.")]
Channel = Annotated[Name, Meta(description="Only what goes through this channel.")]


class ChecksParameters(Struct, frozen=True, kw_only=True):
    """Of `GET /api/v1/checks`."""

    task: Task | None = None
    origin: Annotated[str, Meta(pattern="^(config|api|report)$", description="Only checks of this origin.")] | None = (
        None
    )
    state: Annotated[str, Meta(pattern="^(new|ok|alerting)$", description="Only checks that stand so.")] | None = None
    limit: Limit = LIST_LIMIT_DEFAULT
    cursor: Cursor | None = None


class AlertStreamParameters(Struct, frozen=True, kw_only=True):
    """Of `GET /api/v1/alerts/stream`."""

    task: Task | None = None
    rule: Rule | None = None
    severity: Severity | None = None
    queue: Queue | None = None


class AlertsParameters(Struct, frozen=True, kw_only=True):
    """Of `GET /api/v1/alerts`."""

    state: AlertState | None = None
    task: Task | None = None
    rule: Rule | None = None
    severity: Severity | None = None
    queue: Queue | None = None
    since: Moment | None = None
    limit: Limit = LIST_LIMIT_DEFAULT
    cursor: Cursor | None = None


class DeliveriesParameters(Struct, frozen=True, kw_only=True):
    """Of `GET /api/v1/deliveries`."""

    state: (
        Annotated[
            str, Meta(pattern="^(waiting|delivered|dead|retried)$", description="Only notifications that stand there.")
        ]
        | None
    ) = None
    channel: Channel | None = None
    alert_id: Annotated[Name, Meta(description="Only what speaks of this alert alone.")] | None = None
    since: Moment | None = None
    limit: Limit = LIST_LIMIT_DEFAULT
    cursor: Cursor | None = None


class WhomParameters(Struct, frozen=True, kw_only=True):
    """Of `GET /api/v1/routes/whom`: an alert as it could come."""

    task: Annotated[Name, Meta(description="Of this task.")] | None = None
    queue: Annotated[Name, Meta(description="Of this queue.")] | None = None
    rule: Annotated[str, Meta(min_length=1, max_length=64, description="Of this rule.")] = "job_failed"
    severity: Annotated[str, Meta(pattern="^(critical|warning)$", description="This bad.")] = "critical"


class AuditParameters(Struct, frozen=True, kw_only=True):
    """Of `GET /api/v1/audit`."""

    author: Annotated[str, Meta(min_length=1, max_length=300, description="Only what this one has done.")] | None = None
    action: Annotated[str, Meta(min_length=1, max_length=64, description="Only this, such as `check_set`.")] | None = (
        None
    )
    subject: (
        Annotated[str, Meta(min_length=1, max_length=300, description="Only what was done to this: a task, an alert.")]
        | None
    ) = None
    since: Moment | None = None
    limit: Limit = LIST_LIMIT_DEFAULT
    cursor: Cursor | None = None


class DeclareParameters(Struct, frozen=True, kw_only=True):
    """Of `PUT /api/v1/config`."""

    dry_run: Annotated[bool, Meta(description="Only say what would change.")] = False


class TailParameters(Struct, frozen=True, kw_only=True):
    """Of `GET /api/v1/tail`."""

    task: Task | None = None
    status: Status | None = None


class NoParameters(Struct, frozen=True, kw_only=True):
    """Of whatever takes none."""


Parameters = TypeVar("Parameters", bound=Struct)

_AGE: Final = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_WORDS: Final = {"": True, "1": True, "true": True, "0": False, "false": False}


def read(pairs: Iterable[tuple[str, str]], kind: type[Parameters]) -> Parameters:
    """
    The parameters of a request.

    Args:
        pairs: Name and value of each, unquoted.
        kind: The struct that says which there are.

    Raises:
        HttpRefusal: One is unknown (the text names the nearest one), given twice where it is no tuple, or of a wrong form (400).
    """
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name not in types:
            raise _malformed(f"{shown(name)}: there is no such parameter; {nearest(name, list(types))}")
        if getattr(types[name], "__origin__", None) is tuple:
            given.setdefault(name, []).append(value)
            continue
        if name in given:
            raise _malformed(f"{name}: expected once, got it twice")
        given[name] = _switch(name, value) if _is_switch(types[name]) else value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        place, words = place_and_words(error, list(types))
        choices = _choices(types.get(place))
        if choices:
            words = f"expected one of {', '.join(choices)}, got {shown(given.get(place))}"
        raise _malformed(f"{place or 'query'}: {words}") from error


def _choices(kind: Any) -> tuple[str, ...]:
    """The words that a parameter may be, where it is one of a few; empty for any other."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(word for part in get_args(kind) for word in _choices(part))


def moment_ms(name: str, text: str, now_ms: int) -> int:
    """
    A moment as milliseconds since the epoch, UTC.

    Raises:
        HttpRefusal: It is none (400).
    """
    age = _AGE.fullmatch(text)
    if age is not None:
        return max(0, now_ms - int(age[1]) * _UNITS_MS[age[2]])
    try:
        if text.isascii() and text.isdigit():
            at_ms = int(text)
            if EPOCH_MS_MIN <= at_ms <= MEASURE_MAX:
                return at_ms
        else:
            return epoch_ms(text.replace(" ", "+"))
    except (ValueError, OverflowError):
        pass
    raise _malformed(
        f"{name}: expected an age (24h), RFC 3339 with a zone, or milliseconds since the epoch, got {shown(text)}"
    )


def _is_switch(kind: object) -> bool:
    return kind is bool or getattr(kind, "__origin__", None) is bool


def _switch(name: str, value: str) -> bool:
    found = _WORDS.get(value.lower())
    if found is None:
        raise _malformed(f"{name}: expected 1 or 0, got {shown(value)}")
    return found


def _malformed(text: str) -> HttpRefusal:
    return HttpRefusal(400, Code.MALFORMED_REQUEST, text)
