"""The one function that makes secrets unreadable, for every outlet: logs, pages, `config show`, error texts."""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"

_TOKEN: Final = re.compile(r"\b(js_[a-z]+_[a-z0-9]+_)[0-9a-zA-Z]+")
_PING: Final = re.compile(r"(/(?:ping|ack)/)[0-9a-zA-Z_-]+")
_URL: Final = re.compile(r"\b([a-z][a-z0-9+.-]*://)([^\s/?#\"']*@)?([^\s/?#\"']*)([^\s\"']*)", re.IGNORECASE)


def mask(text: str) -> str:
    """
    A text in which the secrets of tokens and of channel URLs cannot be read any more.

    Of a token its scope and id stay, of the path of a ping what follows the UUID or the ping key, of the path of a signed
    link nothing; of a URL its scheme
    and host: user, password, path and query may all be secrets.
    """
    if "/ping/" in text or "/ack/" in text:
        text = _PING.sub(rf"\1{MASK}", text)
    return _TOKEN.sub(rf"\1{MASK}", _URL.sub(_masked_url, text)) if "_" in text or "://" in text else text


def _masked_url(match: re.Match[str]) -> str:
    scheme, user, host, rest = match.groups()
    return f"{scheme}{MASK + '@' if user else ''}{host}{'/' + MASK if rest not in ('', '/') else rest}"
