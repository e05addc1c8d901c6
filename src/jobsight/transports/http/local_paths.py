"""Paths of this service that a browser names: where to go after signing in, and the page from which a form came."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from jobsight.transports.http.exchange import Headers
from jobsight.transports.http.pages.said import IN_ADDRESSES

LOGIN_PATH: Final = "/login"
LOGOUT_PATH: Final = "/logout"

PATH_CHARACTERS_MAX: Final = 2_000


def local_path(text: str) -> str:
    """A path of this service to go to; `/` for everything that might lead elsewhere."""
    parts = urlsplit(text)
    is_plain = text.isascii() and text.isprintable() and "\\" not in text and len(text) <= PATH_CHARACTERS_MAX
    if not is_plain or parts.scheme or parts.netloc or not text.startswith("/") or text.startswith("//"):
        return "/"
    return "/" if parts.path in (LOGIN_PATH, LOGOUT_PATH) else text


def page_before(headers: Headers) -> str:
    """The page from which a form came, as its browser says, without what an action told there before; else `/`."""
    try:
        shown = urlsplit(headers.get(b"referer", b"").decode("latin-1"))
    except ValueError:
        return "/"
    query = urlencode([(name, value) for name, value in parse_qsl(shown.query) if name not in IN_ADDRESSES])
    return local_path(f"{shown.path}?{query}" if query else shown.path)
