"""Where the next page goes on, as text that means nothing to anybody else."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from typing import Final

from jobsight.errors import UsageError

_SHAPE: Final = re.compile(rb"before:(\d{1,18})")


def cursor_of(number: int) -> str:
    """The cursor of the rows before a number."""
    return urlsafe_b64encode(b"before:%d" % number).decode().rstrip("=")


def before_number(cursor: str | None, default: int) -> int:
    """
    The number before which a page begins.

    Args:
        cursor: From the page before; None for the first page.
        default: The number for the first page.

    Raises:
        UsageError: It is none that `cursor_of` has made.
    """
    if cursor is None:
        return default
    try:
        shape = _SHAPE.fullmatch(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (Error, ValueError):
        shape = None
    if shape is None:
        raise UsageError("cursor: expected one that a page before has given; leave it out for the first page")
    return int(shape[1])
