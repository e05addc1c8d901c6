"""
What a node answers to any bytes, by the text of the protocol alone: lines, addresses, rules P1 to P24, errors.

It stands on `model.py`, which knows what becomes of good reports. Nothing of the node is imported.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple

from fuzz.json_text import Decimal, NotJson, Text, Whole, read, write
from model import Model

Body = dict[str, Any]

MALFORMED, UNSUPPORTED, UNKNOWN_KEY, PRECONDITION = 12, 10, 20, 22
LARGEST = 2**53 - 1
MINUS_ZERO = re.compile(rb"(?<=: )-0(?=[,}])")
"""The one number that need not come back as it was written."""

REPORTS = ("update_status", "job_completed", "job_failed", "heartbeat", "job_cancelled")
QUERIES = ("init", "get_stats", "get_job", "list_jobs", "get_alerts", "acknowledge_alert")


class Answer(NamedTuple):
    """
    One line of output.

    Attributes:
        text: The whole line; where it is an error or holds more than the model knows, what must stand in its body.
        receiver: Whom the envelope names; None for a bare body.
        asked: The line of input that led to it, for those who look for a fault.
    """

    text: str | Body
    receiver: str | None = None
    asked: bytes = b""

    def fits(self, line: bytes, node_id: str) -> bool:
        """Whether a line of output is this answer, of a node that is called so."""
        if isinstance(self.text, str):
            body = self.text
            whole = (
                body if self.receiver is None else write({"src": node_id, "dest": self.receiver, "body": Text(body)})
            )
            return MINUS_ZERO.sub(b"0", line) == MINUS_ZERO.sub(b"0", whole.encode()) + b"\n"
        found = json.loads(line)
        if self.receiver is not None:
            if (node_id, self.receiver) != (found.get("src"), found.get("dest")):
                return False
            found = found["body"]
        if found["type"] == "error" and not is_well_worded(found):
            return False
        is_answer_to = ("in_reply_to" in found) is ("in_reply_to" in self.text)
        return is_answer_to and all(name in found and found[name] == value for name, value in self.text.items())


def is_well_worded(error: Body) -> bool:
    """What holds for the text of every error: short, printable, and not empty."""
    text = error["text"]
    return 0 < len(text) <= 300 and not any(unicodedata.category(char) in ("Cc", "Cs") for char in text)


class Rejected(Exception):
    """A message is not taken."""

    def __init__(self, code: int, in_reply_to: int | None = None) -> None:
        self.body: Body = {"type": "error", "code": code} | (
            {} if in_reply_to is None else {"in_reply_to": in_reply_to}
        )


class Oracle:
    """
    One connection to a fresh node.

    Args:
        retries_max: The node's retry limit.
        now_ms: The node's clock, or when the node was started; ms UTC.
        default_source: Who has sent what does not say; over HTTP everybody has a name, and all replies are bare.
        model: What the node knows already, where this is not its first connection.
    """

    def __init__(
        self,
        *,
        now_ms: int,
        retries_max: int | None = None,
        default_source: str | None = None,
        model: Model | None = None,
    ) -> None:
        self.model = model or Model(retries_max)
        self.model.now_ms = now_ms
        self.default_source = default_source
        self.node_id: str | None = None
        self.is_enveloped = False
        self.fragment: list[bytes] = []
        self.is_at_start = True
        self.is_too_fine = False  # a duration below the microsecond was told; how it counts is not specified

    def feed(self, lines: bytes) -> list[Answer]:
        """The answers to whole lines."""
        if self.is_at_start and lines:
            lines = lines.removeprefix(b"\xef\xbb\xbf")
            self.is_at_start = False
        return [
            answer._replace(asked=line) for line in lines.split(b"\n") for answer in self.take(line.strip(b" \t\r"))
        ]

    def take(self, line: bytes) -> list[Answer]:
        """The answers to one line: mostly one, none where it is blank or goes on, two where it ends another."""
        if self.fragment:
            return self._continue(line)
        if not line:
            return []
        value = _value(line)
        if value is None and line.startswith(b"{"):
            depth = _Depth(line)
            if depth.open_objects > 0 and not depth.is_in_string and depth.deepest <= 32:
                self.fragment = [line]
                return []
        return self._answer(value)

    def _continue(self, line: bytes) -> list[Answer]:
        if line.startswith(b"{") and line.endswith(b"}"):
            value = _value(line)
            if value is not None and self._is_taken(value):
                self.fragment = []
                return [*self._nobody(), *self._answer(value)]
        self.fragment.append(line)
        whole = b" ".join(self.fragment)
        here, all_of_it = _Depth(line), _Depth(whole)
        if here.deepest > 32 or here.is_in_string:
            self.fragment = []
            return self._nobody()
        if all_of_it.open_objects <= 0:
            self.fragment = []
            return self._answer(_value(whole))
        return []

    def _nobody(self) -> list[Answer]:
        """Nothing can be understood, so nobody is known to whom an envelope could go."""
        return [] if self.is_enveloped else [Answer({"type": "error", "code": MALFORMED})]

    def _is_taken(self, value: Any) -> bool:
        try:
            _body_of(value)
        except Rejected:
            return False
        return True

    def _answer(self, value: Any) -> list[Answer]:
        if not isinstance(value, dict):
            return self._nobody()
        receiver = None
        if not _is_bare(value) and isinstance(value.get("dest"), str):
            receiver = value.get("src")
        try:
            body = _body_of(value)
            if body is None:
                return []
            source = None if _is_bare(value) else value.get("src")
            text = self._reply(body, source or self.default_source, is_bare=_is_bare(value))
        except Rejected as why:
            receiver = receiver if isinstance(receiver, str) else None
            return [Answer(why.body, receiver if self.is_enveloped else None)]
        return [Answer(text, receiver if self.is_enveloped else None)]

    def _reply(self, body: Body, source: str | None, *, is_bare: bool) -> str | Body:
        number = body.get("msg_id")
        tag = {} if number is None else {"in_reply_to": number}
        match body["type"]:
            case "init":
                if self.default_source is not None:
                    raise Rejected(UNSUPPORTED, number)
                if self.node_id not in (None, body["node_id"]):
                    raise Rejected(PRECONDITION, number)
                self.node_id = body["node_id"]
                self.is_enveloped |= not is_bare
                return write({"type": "init_ok"} | tag)
            case "get_job":
                job = self.model.jobs.get(body["job_id"])
                if job is None:
                    raise Rejected(UNKNOWN_KEY, number)
                known = {"job_id": body["job_id"], "status": job.status, "task": job.task, "queue": job.queue}
                return {"type": "job"} | tag | known
            case "list_jobs" | "get_alerts" if "cursor" in body or "state" in body:
                return tag  # what they mean is not modelled
            case "list_jobs":
                return {"type": "jobs"} | tag
            case "get_alerts":
                return {"type": "alerts"} | tag
            case "acknowledge_alert":
                raise Rejected(UNKNOWN_KEY, number)
            case "get_stats" if self.is_too_fine and body.keys() <= {"type", "msg_id", "detail"}:
                known = self.model.stats()
                del known["avg_duration_ms"]
                return {"type": "job_stats"} | tag | known
            case "get_stats" if not body.keys() <= {"type", "msg_id", "detail"} or body.get("detail"):
                return {"type": "job_stats"} | tag
            case _:
                duration = body.get("duration_ms")
                self.is_too_fine |= isinstance(duration, Decimal) and (Fraction(repr(duration)) * 1000).denominator != 1
                return write(self.model.receive(self._with_time(body), source))

    def _with_time(self, body: Body) -> Body:
        """The same, with its own time as a number; what lies far ahead is now."""
        if body.get("at") is None:
            return body
        at = _epoch_ms(body["at"]) if isinstance(body["at"], str) else body["at"]
        return body | {"at": self.model.now_ms if at > self.model.now_ms + 300_000 else at}


def _value(line: bytes) -> Any:
    """What a line holds; None for what is no JSON (null itself is no message either)."""
    try:
        return read(line)
    except NotJson:
        return None


class _Depth:
    """How the brackets of a line stand, minding strings."""

    def __init__(self, line: bytes) -> None:
        self.open_objects = self.deepest = 0
        self.is_in_string = False
        depth = 0
        is_escaped = False
        for char in line.decode("latin-1"):
            if is_escaped and char in '\\"':
                is_escaped = False
                continue
            is_escaped = char == "\\"
            if char == '"':
                self.is_in_string = not self.is_in_string
            elif not self.is_in_string and char in "{[":
                depth += 1
                self.open_objects += char == "{"
                self.deepest = max(self.deepest, depth)
            elif not self.is_in_string and char in "}]":
                depth -= 1
                self.open_objects -= char == "}"


# ------------------------------------------------------------------------------------------------ what a message may be


def _is_bare(message: Body) -> bool:
    return "body" not in message or isinstance(message.get("type"), str)


def _body_of(message: Any) -> Body | None:
    """The good message that a JSON value holds, with its known fields; None for somebody's reply."""
    if not isinstance(message, dict):
        raise Rejected(MALFORMED)
    if _is_bare(message):
        return _checked(message)
    body = message["body"]
    for name in ("src", "dest"):
        if message.get(name) is not None and not isinstance(message[name], str):
            raise Rejected(MALFORMED, _number_of(body) if isinstance(body, dict) else None)
    if not isinstance(body, dict):
        raise Rejected(MALFORMED)
    return _checked(body)


def _number_of(body: Body) -> int | None:
    number = body.get("msg_id")
    return number if isinstance(number, Whole) and -(2**63) <= number < 2**63 else None


def _checked(body: Body) -> Body | None:
    if body.get("in_reply_to") is not None:
        return None
    number = _number_of(body)
    if body.get("msg_id") is not None and number is None:
        raise Rejected(MALFORMED)
    kind = body.get("type")
    if not isinstance(kind, str):
        raise Rejected(MALFORMED, number)
    if kind not in (*REPORTS, *QUERIES):
        raise Rejected(UNSUPPORTED, number)
    rules = RULES[kind]
    needed = {"update_status": ["job_id", "status"], "init": ["node_id"], "acknowledge_alert": ["alert_id"]}
    for name in needed.get(kind, ["job_id"] if "job_id" in rules else []):
        if body.get(name) is None:
            raise Rejected(MALFORMED, number)
    known: Body = {"type": kind} | ({} if number is None else {"msg_id": number})
    for name, is_good in rules.items():
        if name not in body:
            continue
        if body[name] is not None and not is_good(body[name]):
            raise Rejected(MALFORMED, number)
        if body[name] is not None or name in ECHOED:
            known[name] = body[name]
    return known


def _is_job_id(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 1 <= len(value.encode()) <= 256
        and not value.isspace()
        and not any(unicodedata.category(char) == "Cc" for char in value)
    )


def _is_time(value: Any) -> bool:
    if isinstance(value, str):
        return _epoch_ms(value) is not None
    return isinstance(value, Whole | Decimal) and 10**11 <= value <= LARGEST


def _epoch_ms(text: str) -> int | None:
    """RFC 3339 with a zone, not before March 1973."""
    form = r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})([.][0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
    match = re.fullmatch(form, text)
    if match is None:
        return None
    day, time, fraction, zone = match.groups("")
    try:
        whole = datetime.fromisoformat(f"{day}T{time}{zone.upper()}").timestamp() * 1000
        return round(whole + float(fraction or 0) * 1000) if whole >= 10**11 else None
    except ValueError:
        return None


def _between(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Whole | Decimal) and low <= value <= high


def _text(longest: int | None = None, shortest: int = 0) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and shortest <= len(value) <= (longest or len(value))


def _is_whole(value: Any) -> bool:
    return isinstance(value, Whole) and 0 <= value <= LARGEST


def _is_usage(value: Any) -> bool:
    return isinstance(value, dict) and all(one is None or _between(0, LARGEST)(one) for one in value.values())


def _are_labels(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= 16
        and all(isinstance(one, str) and len(one.encode()) <= 256 for one in value.values())
        and all(len(key.encode()) <= 64 for key in value)
    )


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


ECHOED = {"progress", "duration_ms", "resource_usage", "error", "retries", "reason"}
"""A null in one of these comes back; anywhere else it counts as absent."""

_NAME = _text(256, 1)
_EVERY: dict[str, Callable[[Any], bool]] = {
    "job_id": _is_job_id,
    "task": _NAME,
    "queue": _NAME,
    "host": _NAME,
    "labels": _are_labels,
    "attempt": _is_whole,
    "max_retries": _is_whole,
    "at": _is_time,
    "message": _text(),
}
RULES: dict[str, dict[str, Callable[[Any], bool]]] = {
    "update_status": _EVERY | {"status": _text(64, 1), "progress": _between(0, 100)},
    "job_completed": _EVERY | {"duration_ms": _between(0, LARGEST), "resource_usage": _is_usage},
    "job_failed": _EVERY | {"error": _text(), "retries": _is_whole},
    "heartbeat": _EVERY,
    "job_cancelled": _EVERY | {"reason": _text()},
    "init": {"node_id": _text(), "node_ids": _are_texts},
    "get_stats": {"task": _NAME, "queue": _NAME, "status": _text(), "since_ms": _is_whole, "detail": _is_flag},
    "get_job": {"job_id": _is_job_id, "history": _is_flag},
    "list_jobs": {
        "status": _text(),
        "task": _NAME,
        "queue": _NAME,
        "limit": lambda value: _is_whole(value) and 1 <= value <= 500,
        "cursor": _text(),
    },
    "get_alerts": {
        "state": _text(),
        "task": _NAME,
        "limit": lambda value: _is_whole(value) and 1 <= value <= 500,
        "cursor": _text(),
    },
    "acknowledge_alert": {"alert_id": _NAME, "by": _NAME, "comment": _text(256)},
}
