"""
What each field of a message may hold, as a table of rules, for the lines that the typed decoders do not take.

The bounds are those of the structs; a property test holds both roads to the same answers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from jobsight.core import limits
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
    StatusUpdate,
    UpdateWithCheck,
)
from jobsight.core.times import epoch_ms
from jobsight.protocol.limits import LIST_LIMIT_MAX
from jobsight.protocol.messages import AcknowledgeAlert, GetAlerts, GetJob, GetStats, Init, ListJobs, Message
from jobsight.protocol.refusals import shown

Rule = Callable[[object], str | None]
"""Answers what was expected (with a path below the field, where it is not the field itself), or None for a good value."""


class Fields(Struct, frozen=True, kw_only=True):
    """The fields of one message type: which struct it becomes (and which with a `check`), what is required, and a rule for each."""

    type: type[Message]
    required: tuple[str, ...]
    rules: Mapping[str, Rule]
    keeps_null: frozenset[str] = frozenset()
    with_check: Callable[..., AnyReport] | None = None


def _number(low: float, high: float, what: str) -> Rule:
    def check(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            return f"expected {what}"
        return None

    return check


def _whole(low: int, high: int, what: str) -> Rule:
    def check(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            return f"expected {what}"
        return None

    return check


def _text(characters_max: int | None = None, characters_min: int = 0) -> Rule:
    size = "a string" if characters_max is None else f"a string of {characters_min} to {characters_max} characters"

    def check(value: object) -> str | None:
        if not isinstance(value, str) or len(value) < characters_min:
            return f"expected {size}"
        return None if characters_max is None or len(value) <= characters_max else f"expected {size}"

    return check


def _flag(value: object) -> str | None:
    return None if isinstance(value, bool) else "expected true or false"


def _object(value: object) -> str | None:
    """What is in it is read where it is used."""
    return None if isinstance(value, dict) else "expected an object"


def _strings(value: object) -> str | None:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return None
    return "expected a list of strings"


def job_id_fault(value: object) -> str | None:
    """What is wrong with a job id; None for a good one: 1 to 256 bytes of UTF-8, not blank, without control characters."""
    if not isinstance(value, str) or not value or len(value.encode("utf-8", "surrogatepass")) > limits.JOB_ID_BYTES_MAX:
        return f"expected a string of 1 to {limits.JOB_ID_BYTES_MAX} bytes"
    if value.isspace():
        return "expected a string that is not blank"
    if not value.isprintable() and any(unicodedata.category(one) == "Cc" for one in value):
        return "expected a string without control characters"
    return None


def time_fault(value: object) -> str | None:
    """What is wrong with a worker's own time; None for milliseconds since the epoch or RFC 3339 text with a zone."""
    what = "expected RFC 3339 text with a zone, or milliseconds since the epoch"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return what
    if isinstance(value, str):
        try:
            epoch_ms(value)
        except (ValueError, OverflowError):
            return what
        return None
    return None if limits.EPOCH_MS_MIN <= value <= limits.MEASURE_MAX else what


def labels_fault(value: object) -> str | None:
    """What is wrong with labels; None for an object of at most 16 strings, keys to 64 bytes, values to 256 bytes."""
    if not isinstance(value, dict):
        return "expected an object of strings"
    if len(value) > limits.LABELS_MAX:
        return f"expected at most {limits.LABELS_MAX} labels, got {len(value)}"
    for key, text in value.items():
        if not isinstance(text, str):
            return f".{_named(key)}: expected a string, got {shown(text)[:32]}"
        if len(key.encode()) > limits.LABEL_KEY_BYTES_MAX or len(text.encode()) > limits.LABEL_VALUE_BYTES_MAX:
            return (
                f"expected keys to {limits.LABEL_KEY_BYTES_MAX} bytes "
                f"and values to {limits.LABEL_VALUE_BYTES_MAX} bytes"
            )
    return None


def _named(name: str) -> str:
    """A key of the input in an error text; with the value beside it, it keeps within what may be repeated."""
    return name[:24] if name.isprintable() else "(a name with control characters)"


def _usage(value: object) -> str | None:
    if not isinstance(value, dict):
        return "expected an object of numbers"
    if len(value) > limits.MEASURES_MAX:
        return f"expected at most {limits.MEASURES_MAX} measures, got {len(value)}"
    for name, one in value.items():
        if one is not None and _MEASURE(one) is not None:
            return f".{_named(name)}: expected a number from 0 to 2^53-1, got {shown(one)[:32]}"
    return None


_MEASURE: Final = _number(0, limits.MEASURE_MAX, "a number from 0 to 2^53-1")
_WHOLE: Final = _whole(0, limits.MEASURE_MAX, "a whole number from 0 to 2^53-1")
_NAME: Final = _text(limits.NAME_CHARACTERS_MAX, 1)
msg_id_fault: Final = _whole(-limits.MSG_ID_MAX - 1, limits.MSG_ID_MAX, "a whole number of 64 bits")

_EVERY_REPORT: Final[dict[str, Rule]] = {
    "job_id": job_id_fault,
    "task": _NAME,
    "queue": _NAME,
    "host": _NAME,
    "labels": labels_fault,
    "attempt": _WHOLE,
    "max_retries": _WHOLE,
    "at": time_fault,
    "message": _text(),
    "check": _object,
}


def _report(kind: type[AnyReport], with_check: type[AnyReport], **rules: Rule) -> Fields:
    required = ("job_id", "status") if "status" in rules else ("job_id",)
    keeps_null = frozenset(rules) - set(required)
    return Fields(
        type=kind,
        required=required,
        rules={**_EVERY_REPORT, **rules},
        keeps_null=keeps_null,
        with_check=with_check,
    )


MESSAGES: Final[Mapping[str, Fields]] = {
    "update_status": _report(
        StatusUpdate,
        UpdateWithCheck,
        status=_text(limits.STATUS_CHARACTERS_MAX, 1),
        progress=_number(0, 100, "a number from 0 to 100"),
    ),
    "job_completed": _report(JobCompleted, CompletedWithCheck, duration_ms=_MEASURE, resource_usage=_usage),
    "job_failed": _report(JobFailed, FailedWithCheck, error=_text(), retries=_WHOLE),
    "heartbeat": _report(Heartbeat, HeartbeatWithCheck),
    "job_cancelled": _report(JobCancelled, CancelledWithCheck, reason=_text()),
    "init": Fields(type=Init, required=("node_id",), rules={"node_id": _text(), "node_ids": _strings}),
    "get_stats": Fields(
        type=GetStats,
        required=(),
        rules={"task": _NAME, "queue": _NAME, "status": _text(), "since_ms": _WHOLE, "detail": _flag},
    ),
    "get_job": Fields(type=GetJob, required=("job_id",), rules={"job_id": job_id_fault, "history": _flag}),
    "list_jobs": Fields(
        type=ListJobs,
        required=(),
        rules={
            "status": _text(),
            "task": _NAME,
            "queue": _NAME,
            "limit": _whole(1, LIST_LIMIT_MAX, f"a whole number from 1 to {LIST_LIMIT_MAX}"),
            "cursor": _text(),
        },
    ),
    "get_alerts": Fields(
        type=GetAlerts,
        required=(),
        rules={
            "state": _text(),
            "task": _NAME,
            "limit": _whole(1, LIST_LIMIT_MAX, f"a whole number from 1 to {LIST_LIMIT_MAX}"),
            "cursor": _text(),
        },
    ),
    "acknowledge_alert": Fields(
        type=AcknowledgeAlert,
        required=("alert_id",),
        rules={"alert_id": _NAME, "by": _NAME, "comment": _text(limits.NAME_CHARACTERS_MAX)},
    ),
}
"""Every message type that a client may send."""


def read_fields(fields: Fields, body: Mapping[str, Any]) -> dict[str, Any] | tuple[str, str, object]:
    """
    The known fields of a body, checked.

    Returns:
        Arguments for the struct of the message; or, for the first bad field, its name, what was expected there, and its value.
    """
    values: dict[str, Any] = {}
    for name in fields.required:
        if body.get(name) is None:
            fault = fields.rules[name](None) or "expected a value"
            return (name, fault, "nothing" if name not in body else None)
    for name, rule in fields.rules.items():
        if name not in body:
            continue
        value = body[name]
        if value is None:
            if name in fields.keeps_null:
                values[name] = None
            continue
        wrong = rule(value)
        if wrong is not None:
            return (name, wrong, value)
        values[name] = value
    return values
