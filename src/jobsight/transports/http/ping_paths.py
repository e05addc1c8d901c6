"""The paths and parameters of pings, read as Healthchecks reads them."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl

from msgspec import Struct

from jobsight.engine.ping_urls import UUID

PREFIX: Final = "/ping/"
EXIT_STATUS_MAX: Final = 255

_ACTIONS: Final = frozenset({"start", "fail", "log"})
_SLUG: Final = re.compile(r"[a-z0-9_-]{1,256}", re.ASCII)
_RID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
_WORD: Final = re.compile(r"[^a-z0-9_-]+", re.ASCII)


class PingRefusal(Exception):
    """A ping that is not taken; `text` in the very words that clients know."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Ping(Struct, frozen=True, kw_only=True, gc=False):
    """
    What a ping says by its address.

    Attributes:
        secret: The UUID or the ping key.
        slug: Which task, with a ping key; None with a UUID.
        action: `success`, `fail`, `start` or `log`.
        exit_status: Where it was told.
        rid: Ties start and end of one run together.
        is_creating: An unknown slug may become a task.
        options: What else stands in the query.
    """

    secret: str
    slug: str | None
    action: str
    exit_status: int | None
    rid: str | None
    is_creating: bool
    options: dict[str, str]


def read_ping(path: str, query: bytes) -> Ping:
    """
    Read a ping's address.

    Args:
        path: Unquoted, from `PREFIX` on; a slash at its end does not matter.
        query: As it came.

    Raises:
        PingRefusal: It is none.
    """
    words = path[len(PREFIX) :].removesuffix("/").split("/")
    secret, slug = words[0].lower(), None
    if UUID.fullmatch(secret) is None:
        if len(words) < 2:
            raise PingRefusal(404, "not found")
        secret, slug = words[0], words[1]
        if _SLUG.fullmatch(slug) is None:
            raise PingRefusal(400, "invalid url format")
    rest = words[1 if slug is None else 2 :]
    if len(rest) > 1:
        raise PingRefusal(404, "not found")
    action, exit_status = _action_of(rest[0]) if rest else ("success", None)
    options = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)) if query else {}
    rid = options.pop("rid", None)
    if rid is not None and _RID.fullmatch(rid) is None:
        raise PingRefusal(400, "invalid uuid format")
    return Ping(
        secret=secret,
        slug=slug,
        action=action,
        exit_status=exit_status,
        rid=rid,
        is_creating=options.pop("create", "") == "1",
        options=options,
    )


def slug_of(task: str) -> str:
    """How a task is called in the address of a ping: lower case, and a dash for what may not stand there."""
    return _WORD.sub("-", task.lower()).strip("-")


def _action_of(word: str) -> tuple[str, int | None]:
    if word in _ACTIONS:
        return word, None
    if _DIGITS.fullmatch(word) is None:
        raise PingRefusal(404, "not found")
    exit_status = int(word)
    if exit_status > EXIT_STATUS_MAX:
        raise PingRefusal(400, "invalid url format")
    return ("fail" if exit_status else "success"), exit_status
