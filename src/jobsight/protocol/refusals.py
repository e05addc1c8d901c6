"""Errors on the wire: Maelstrom's codes, and texts that say what was expected and what came."""

from __future__ import annotations

import json
from enum import IntEnum

from msgspec import UNSET, Struct, UnsetType

from jobsight.protocol.limits import ECHO_CHARACTERS_MAX, ERROR_TEXT_CHARACTERS_MAX


class Code(IntEnum):
    """Maelstrom's error codes. 0 and 13 leave the outcome open; all others mean that nothing happened."""

    TIMEOUT = 0
    NODE_NOT_FOUND = 1
    NOT_SUPPORTED = 10
    TEMPORARILY_UNAVAILABLE = 11
    MALFORMED_REQUEST = 12
    CRASH = 13
    ABORT = 14
    KEY_DOES_NOT_EXIST = 20
    KEY_ALREADY_EXISTS = 21
    PRECONDITION_FAILED = 22


class Refusal(Struct, frozen=True, kw_only=True, gc=False):
    """
    Why a line was not processed.

    Attributes:
        code: What kind of refusal, for programs.
        text: What was expected and what came, for people; at most 300 characters, none of them control characters.
        in_reply_to: The request's `msg_id`, where it could be read.
        is_anonymous: Nothing of the line could be understood, so there is nobody to whom an envelope could be sent.
    """

    code: Code
    text: str
    in_reply_to: int | UnsetType = UNSET
    is_anonymous: bool = False


def refusal(code: Code, text: str, *, in_reply_to: int | UnsetType = UNSET, is_anonymous: bool = False) -> Refusal:
    """A refusal whose text keeps within its limits."""
    printable = (
        text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    )
    return Refusal(
        code=code,
        text=printable[:ERROR_TEXT_CHARACTERS_MAX],
        in_reply_to=in_reply_to,
        is_anonymous=is_anonymous,
    )


def shown(value: object) -> str:
    """A value of the input as an error text may repeat it: short, quoted, without control characters."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value[:ECHO_CHARACTERS_MAX] if isinstance(value, str) else value)
    if len(text) <= ECHO_CHARACTERS_MAX:
        return text
    return text[: ECHO_CHARACTERS_MAX - 2] + "…"
