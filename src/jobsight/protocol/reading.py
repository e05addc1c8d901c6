"""One line, whatever it holds: a message, or words about why it is none. The general road beside the typed decoders."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final, NoReturn

from msgspec import UNSET, Struct, UnsetType

from jobsight.core.events import AnyReport
from jobsight.protocol.expectations import read_expectation
from jobsight.protocol.limits import NESTING_MAX
from jobsight.protocol.messages import Message
from jobsight.protocol.refusals import Code, Refusal, refusal, shown
from jobsight.protocol.validation import MESSAGES, msg_id_fault, read_fields

_BRACKET: Final = re.compile(rb"[\[\]{}]")


class Form(Enum):
    """How a message is addressed: a bare body, an envelope without `dest`, or a whole one."""

    BODY = auto()
    HALF_ENVELOPE = auto()
    ENVELOPE = auto()


class Read(Struct, frozen=True, gc=False):
    """What a line holds, who sent it, and to whom; `message` is None for a line that wants no answer (somebody else's reply)."""

    source: str | None
    message: Message | Refusal | None
    form: Form = Form.HALF_ENVELOPE
    dest: str | None = None


def _malformed(text: str) -> Read:
    return Read(None, refusal(Code.MALFORMED_REQUEST, text, is_anonymous=True))


class Nesting(Struct, frozen=True, gc=False):
    """
    How the brackets of a line stand, minding strings.

    Attributes:
        open_objects: Objects that it opens and does not close; below 0 for a line that closes more.
        deepest: Objects and lists within each other, relative to its start.
        is_string_open: Whether it ends within a string.
    """

    open_objects: int
    deepest: int
    is_string_open: bool


def nesting_of(line: bytes) -> Nesting:
    """The brackets of a line, in time that grows with its length and no faster, whatever it holds."""
    parts = line.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
    outside = b"".join(parts[::2])
    depth = deepest = 0
    for bracket in _BRACKET.findall(outside):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return Nesting(outside.count(b"{") - outside.count(b"}"), deepest, is_string_open=len(parts) % 2 == 0)


def read_line(line: bytes) -> Read:
    """Read one line without its newline. Never raises: what is no message becomes a refusal."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return _malformed(f"line: expected UTF-8, got an invalid byte at position {error.start}")
    if line.count(b"[") + line.count(b"{") > NESTING_MAX and nesting_of(line).deepest > NESTING_MAX:
        return _malformed(f"line: expected at most {NESTING_MAX} levels of nesting")
    try:
        has_escapes = "\\u" in text
        message = json.loads(
            text, parse_constant=_no_constant, object_pairs_hook=_whole_characters if has_escapes else None
        )
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return _malformed(f"line: expected one JSON object, got more from position {error.pos} on")
        return _malformed(f"line: expected a JSON object, got malformed JSON at position {error.pos}")
    except UnicodeEncodeError:
        return _malformed("line: expected whole Unicode characters, got a lone surrogate escape")
    except (ValueError, RecursionError):
        return _malformed("line: expected a JSON object, got a number that JSON does not know or that is too long")
    if not isinstance(message, dict):
        return _malformed(f"line: expected a JSON object, got {shown(message)}")
    return _read_message(message)


def _whole_characters(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no character is halved; also not in a value that a later one of the same name replaces."""
    json.dumps(pairs, ensure_ascii=False).encode()
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _read_message(message: dict[str, Any]) -> Read:
    """Tell an envelope from a bare body."""
    if "body" not in message or isinstance(message.get("type"), str):
        return Read(None, _read_body(message), Form.BODY)
    for name in ("src", "dest"):
        value = message.get(name)
        if value is not None and not isinstance(value, str):
            body = message["body"]
            answer_to = _msg_id(body)[0] if isinstance(body, dict) else UNSET
            text = f"{name}: expected a string, got {shown(value)}"
            return Read(None, refusal(Code.MALFORMED_REQUEST, text, in_reply_to=answer_to))
    source, dest = message.get("src"), message.get("dest")
    form = Form.HALF_ENVELOPE if dest is None else Form.ENVELOPE
    body = message["body"]
    if not isinstance(body, dict):
        return Read(source, refusal(Code.MALFORMED_REQUEST, f"body: expected an object, got {shown(body)}"), form, dest)
    return Read(source, _read_body(body), form, dest)


def _msg_id(body: dict[str, Any]) -> tuple[int | UnsetType, str | None]:
    """A body's message number where it has a good one; else what is wrong with it. Null counts as absent."""
    value = body.get("msg_id")
    if value is None:
        return UNSET, None
    fault = msg_id_fault(value)
    return (UNSET, fault) if fault is not None else (value, None)


def _read_body(body: dict[str, Any]) -> Message | Refusal | None:
    if body.get("in_reply_to") is not None:
        return None
    msg_id, fault = _msg_id(body)
    if fault is not None:
        return refusal(Code.MALFORMED_REQUEST, f"body.msg_id: {fault}, got {shown(body['msg_id'])}")
    kind = body.get("type")
    if not isinstance(kind, str):
        came = shown(kind) if "type" in body else "nothing"
        return refusal(Code.MALFORMED_REQUEST, f"body.type: expected a string, got {came}", in_reply_to=msg_id)
    fields = MESSAGES.get(kind)
    if fields is None:
        text = f"body.type: expected one of {', '.join(MESSAGES)}; got {shown(kind)}"
        return refusal(Code.NOT_SUPPORTED, text, in_reply_to=msg_id)
    values = read_fields(fields, body)
    if isinstance(values, tuple):
        name, fault, value = values
        came = "nothing" if name not in body else shown(value)
        path, separator, rest = fault.partition(": ") if fault.startswith(".") else ("", ": ", fault)
        came_text = "" if ", got " in rest else f", got {came}"
        text = f"body.{name}{path}{separator}{rest}{came_text}"
        return refusal(Code.MALFORMED_REQUEST, text, in_reply_to=msg_id)
    if fields.with_check is not None and "check" in values:
        return _with_check(fields.with_check, body, values)
    return fields.type(msg_id=body.get("msg_id", UNSET), **values)


def _with_check(kind: Callable[..., AnyReport], body: dict[str, Any], values: dict[str, Any]) -> Message | Refusal:
    """A report that says what is expected of its task."""
    msg_id = _msg_id(body)[0]
    if values.get("task") is None:
        text = "body.task: expected the name of a task beside check, got nothing"
        return refusal(Code.MALFORMED_REQUEST, text, in_reply_to=msg_id)
    expected = read_expectation(values.pop("check"))
    if isinstance(expected, tuple):
        path, fault, value = expected
        came = "" if value is None else f", got {shown(value)}"
        return refusal(Code.MALFORMED_REQUEST, f"body.check{path}: {fault}{came}", in_reply_to=msg_id)
    return kind(msg_id=body.get("msg_id", UNSET), check=expected, **values)
