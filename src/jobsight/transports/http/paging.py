"""Where the next page of a list by name goes on, as text that means nothing to anybody else."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error

from jobsight.protocol.refusals import Code
from jobsight.transports.http.exchange import HttpRefusal


def text_of(name: str) -> str:
    """The cursor of what comes after a name."""
    return urlsafe_b64encode(b"after:" + name.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def name_of(cursor: str) -> str:
    """The name after which a page begins. Raises HttpRefusal (400) for a cursor that no page has given."""
    try:
        kind, _, name = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
    except (Error, ValueError):
        kind, name = "", ""
    if kind != "after":
        raise bad_cursor()
    return name


def number_of(cursor: str | None) -> int | None:
    """The number before which a page begins; None for the first page. Raises as `name_of`."""
    if cursor is None:
        return None
    name = name_of(cursor)
    if not (name.isascii() and name.isdigit()):
        raise bad_cursor()
    return int(name)


def bad_cursor() -> HttpRefusal:
    """The refusal of a cursor that no page has given."""
    text = "cursor: expected one that a page before has given; leave it out for the first page"
    return HttpRefusal(400, Code.MALFORMED_REQUEST, text)
