"""A channel's secrets: kept in a shell that never prints them, and taken out of every text that leaves the channel."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from jobsight.core.masking import MASK, mask

URL_PART_CHARACTERS_MIN: Final = 6
"""A shorter part of a path or query is no secret by itself: `/api`, `?v=2`."""


class Secret:
    """A value that only `reveal` shows: not `str`, not `repr`, not a format, a traceback or a JSON encoder."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return MASK

    def __eq__(self, other: object) -> bool:  # type: ignore[explicit-override]
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:  # type: ignore[explicit-override]
        return hash(self._value)


class Mask:
    """
    Takes the secrets of one channel out of texts.

    Each is found as it is, percent-encoded, in base64, and as JSON or Python write it. Of a URL the user, the password,
    the path, the query and every longer part of these are secrets too; the host is not.
    """

    def __init__(self, secrets: Iterable[Secret | None]) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret.reveal()) if form}
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered)), re.IGNORECASE) if ordered else None

    def hide(self, text: str) -> str:
        """The text without the channel's secrets, and without anything that looks like a token or a channel's URL."""
        return mask(self._pattern.sub(MASK, text) if self._pattern else text)

    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return "Mask()"


def _forms(value: str) -> Iterable[str]:
    for plain in (value, *(_url_parts(value) if "://" in value else ())):
        yield plain
        yield quote(plain, safe="", errors="replace")
        yield quote(plain, errors="replace")
        yield quote_plus(plain, errors="replace")
        yield json.dumps(plain)[1:-1]
        yield json.dumps(plain, ensure_ascii=False)[1:-1]
        yield repr(plain)[1:-1]
        yield b64encode(plain.encode("utf-8", "replace")).decode()


def _url_parts(url: str) -> Iterable[str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    user, separator, password = parts.netloc.rpartition("@")[0].partition(":")
    if separator:
        yield from (password, unquote(password), f"{unquote(user)}:{unquote(password)}")
    if len(user) >= URL_PART_CHARACTERS_MIN or (user and not separator):
        yield from (user, unquote(user))
    for whole in (parts.path, f"{parts.path}?{parts.query}", parts.query, parts.fragment):
        if len(whole) >= URL_PART_CHARACTERS_MIN:
            yield from (whole, unquote(whole))
    for part in (*parts.path.split("/"), *(value for _, value in parse_qsl(parts.query))):
        if len(part) >= URL_PART_CHARACTERS_MIN:
            yield from (part, unquote(part))
