"""
Replies, in the field order and spacing of the specification.

The founding replies are put together from templates: the strings in them that need escaping are found by looking, and
go through the JSON encoder. `bodies_of` is the hot path.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET

from jobsight.core.alert import alert_text
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
from jobsight.core.lifecycle import UNKNOWN_ERROR
from jobsight.protocol.numbers import WrittenNumbers
from jobsight.protocol.refusals import Refusal

_encode: Final = msgspec.json.Encoder().encode
_format: Final = msgspec.json.format

_WORDS_MAX: Final = 1_000


def text_of(value: object) -> str:
    """
    Any value as JSON on one line, spaced as the specification prints it: `", "` and `": "`.

    Half a character (a lone surrogate) has no bytes. None is taken in, but a log may hold one of before that was so: an
    answer then has a question mark in its place.
    """
    try:
        return _format(_encode(value), indent=0).decode()
    except UnicodeEncodeError:
        whole = msgspec.to_builtins(value, enc_hook=lambda raw: json.loads(bytes(raw)))
        return json.dumps(whole, ensure_ascii=False).encode(errors="replace").decode()


class _Words(dict[str, str]):
    """JSON of short strings that come again and again: status words, senders. Bounded."""

    def __missing__(self, word: str) -> str:
        if len(self) >= _WORDS_MAX:
            self.clear()
        text = self[word] = _encode(word).decode()
        return text


_words: Final = _Words()


def _quoted(text: str) -> str:
    """A job id as JSON. It holds no control characters, so only quotes and backslashes need the encoder."""
    if '"' in text or "\\" in text:
        return _encode(text).decode()
    return f'"{text}"'


def _head(kind: str, report: AnyReport) -> str:
    msg_id = report.msg_id
    if msg_id is UNSET or msg_id is None:
        return f'{{"type": "{kind}", "job_id": {_quoted(report.job_id)}'
    return f'{{"type": "{kind}", "in_reply_to": {msg_id}, "job_id": {_quoted(report.job_id)}'


def _field(name: str, value: object) -> str:
    """One more field, if it was there at all."""
    return "" if value is UNSET else f', "{name}": {text_of(value)}'


def _status_updated(report: StatusUpdate, limit: int | None, numbers: WrittenNumbers, index: int) -> str:
    progress = report.progress
    head = f'{_head("status_updated", report)}, "status": {_words[report.status]}'
    if progress is UNSET:
        return f"{head}}}"
    if type(progress) is float:
        return f'{head}, "progress": {numbers.text(index, "progress")}}}'
    return f'{head}, "progress": {"null" if progress is None else progress}}}'


def _job_completed(report: JobCompleted, limit: int | None, numbers: WrittenNumbers, index: int) -> str:
    duration, usage = report.duration_ms, report.resource_usage
    if type(duration) is float:
        known = f', "duration_ms": {numbers.text(index, "duration_ms")}'
    else:
        known = f', "duration_ms": {duration}' if type(duration) is int else _field("duration_ms", duration)
    used = "" if usage is UNSET else f', "resource_usage": {numbers.usage_text(index, usage)}'
    return f"{_head('job_completed', report)}{known}{used}}}"


def _job_failed(report: JobFailed, limit: int | None, numbers: WrittenNumbers, index: int) -> str:
    if limit is not None:
        told = f"{_field('error', report.error)}{_field('retries', report.retries)}"
        return f'{_head("failure_recorded", report)}{told}, "max_retries": {limit}}}'
    retries = 0 if report.retries is UNSET or report.retries is None else report.retries
    error = UNKNOWN_ERROR if report.error is UNSET or report.error is None else report.error
    return f'{_head("alert_sent", report)}, "alert": {_encode(alert_text(retries, error)).decode()}}}'


def _heartbeat(report: Heartbeat, limit: int | None, numbers: WrittenNumbers, index: int) -> str:
    return f"{_head('heartbeat_ok', report)}}}"


def _job_cancelled(report: JobCancelled, limit: int | None, numbers: WrittenNumbers, index: int) -> str:
    return f"{_head('job_cancelled', report)}{_field('reason', report.reason)}}}"


_Template = Callable[[AnyReport, int | None, WrittenNumbers, int], str]
_TEMPLATES: Final[Mapping[type, _Template]] = {
    StatusUpdate: cast("_Template", _status_updated),
    JobCompleted: cast("_Template", _job_completed),
    JobFailed: cast("_Template", _job_failed),
    Heartbeat: cast("_Template", _heartbeat),
    JobCancelled: cast("_Template", _job_cancelled),
    UpdateWithCheck: cast("_Template", _status_updated),
    CompletedWithCheck: cast("_Template", _job_completed),
    FailedWithCheck: cast("_Template", _job_failed),
    HeartbeatWithCheck: cast("_Template", _heartbeat),
    CancelledWithCheck: cast("_Template", _job_cancelled),
}


def bodies_of(reports: list[AnyReport], retrying: Mapping[int, int], base: int, payload: bytes) -> list[str]:
    """
    The reply bodies of stored reports, as JSON text.

    Args:
        reports: In order.
        retrying: Index in the batch -> retry limit, of the failures that raised no alert.
        base: Index in the batch of the first of these reports.
        payload: The lines of the reports: a number comes back as it was written there.
    """
    limit_of, word = retrying.get, _words.get
    numbers = WrittenNumbers(payload)
    # For speed alone: the commonest reply without a call. `_status_updated` words it alike.
    return [
        f'{{"type": "status_updated", "in_reply_to": {report.msg_id}, "job_id": "{job_id}", '
        f'"status": {word(report.status) or _words[report.status]}, "progress": {report.progress}}}'
        if type(report) is StatusUpdate
        and type(report.progress) is int
        and type(report.msg_id) is int
        and '"' not in (job_id := report.job_id)
        and "\\" not in job_id
        else _TEMPLATES[type(report)](report, limit_of(index), numbers, index - base)
        for index, report in enumerate(reports, base)
    ]


def error_body(why: Refusal) -> str:
    """The reply to a line that was refused."""
    answer: dict[str, Any] = {"type": "error"}
    if why.in_reply_to is not UNSET:
        answer["in_reply_to"] = why.in_reply_to
    answer["code"] = int(why.code)
    answer["text"] = why.text
    return text_of(answer)


def answer_body(kind: str, msg_id: object, fields: Mapping[str, Any] | msgspec.Struct) -> str:
    """The reply to a query: its type, what it answers, and its fields in order."""
    answer: dict[str, Any] = {"type": kind}
    if msg_id is not UNSET and msg_id is not None:
        answer["in_reply_to"] = msg_id
    if isinstance(fields, msgspec.Struct):
        fields = cast("dict[str, Any]", msgspec.to_builtins(fields))
    answer.update(fields)
    return text_of(answer)


def envelope(body: str, node_id: str, receiver: str) -> str:
    """A body with its addresses."""
    return f'{{"src": {_words[node_id]}, "dest": {_words[receiver]}, "body": {body}}}'
