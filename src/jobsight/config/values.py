"""How each kind of value is written. A reader takes what TOML or the environment holds, and says what it expected."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlsplit

from jobsight.config.settings import Address
from jobsight.protocol.refusals import shown

Reader = Callable[[object], object]
"""From a value as it is written to the value that is meant. Raises ValueError with what was expected."""

DURATION_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

_DURATION: Final = re.compile(r"(\d{1,9})([smhd])")
_KEEP_MS_MIN: Final = 3_600_000
_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})


def address(value: object) -> Address:
    """`HOST:PORT`, `[IPV6]:PORT`, or a port alone on 127.0.0.1."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        _expected("HOST:PORT", value)
    host, _, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if not port.isdecimal() or int(port) > 65_535 or (":" in host and not is_bracketed):
        _expected("HOST:PORT, for example 127.0.0.1:8787 or [::1]:8787", value)
    return Address(host.strip("[]") or "127.0.0.1", int(port))


def path(value: object) -> Path:
    """The path of a file or a folder; `~` is the home folder."""
    if not isinstance(value, str) or not value:
        _expected("a path", value)
    return Path(value).expanduser()


def flag(value: object) -> bool:
    """true or false."""
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in _TRUE | _FALSE:
        _expected("true or false", value)
    return word in _TRUE


def whole(low: int, high: int) -> Reader:
    """A whole number within bounds."""

    def read(value: object) -> int:
        if isinstance(value, str) and value.strip().lstrip("-").isdecimal():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            _expected(f"a whole number from {low} to {high}", value)
        return value

    return read


def duration_ms(value: object) -> int:
    """A number and its unit: `90s`, `15m`, `24h`, `7d`. Milliseconds."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        _expected("a duration such as 90s, 15m, 24h or 7d", value)
    return int(match[1]) * DURATION_UNITS_MS[match[2]]


def keep_ms(value: object) -> int:
    """How long something is kept, at least an hour; `0` is for ever. Milliseconds."""
    if not isinstance(value, bool) and value in (0, "0"):
        return 0
    kept_ms = duration_ms(value)
    if kept_ms < _KEEP_MS_MIN:
        _expected("at least 1h, or 0 for ever", value)
    return kept_ms


def networks(value: object) -> tuple[str, ...]:
    """A list of addresses and networks (`10.0.0.0/8`)."""
    found = texts(value)
    for text in found:
        try:
            ip_network(text)
        except ValueError:
            _expected("a list of addresses and networks such as 10.0.0.0/8 (the host bits being zero)", text)
    return found


def texts(value: object) -> tuple[str, ...]:
    """A list of texts; in the environment they are separated by commas."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        _expected("a list of texts", value)
    for one in value:
        if not isinstance(one, str) or not one:
            _expected("a list of texts", one)
    return tuple(value)


def urls(value: object) -> tuple[str, ...]:
    """A list of URLs."""
    found = texts(value)
    for number, text in enumerate(found, 1):
        if not urlsplit(text).scheme:
            which = "" if len(found) == 1 else f"; number {number} is none"
            raise ValueError(f"expected a list of URLs such as mailto:me@example.org or https://...{which}")
    return found


def web_url(value: object) -> str:
    """An http or https URL without user, query and fragment; a slash at its end is left out."""
    text = value.strip().rstrip("/") if isinstance(value, str) else ""
    parts = urlsplit(text)
    is_plain = not (parts.query or parts.fragment or "@" in parts.netloc) and text.isascii() and text.isprintable()
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain or set(" <>\"'|") & set(text):
        _expected("a URL such as https://jobs.example.org", value)
    return text


def secret_url(value: object) -> str:
    """An http or https URL of which nothing is shown."""
    text = value.strip() if isinstance(value, str) else ""
    if urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname or " " in text:
        raise ValueError("expected a URL such as https://hc-ping.example.org/...")
    return text


def _expected(what: str, value: object) -> NoReturn:
    raise ValueError(f"expected {what}, got {shown(list(value) if isinstance(value, tuple) else value)}")
