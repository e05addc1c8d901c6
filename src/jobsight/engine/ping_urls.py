"""Making ping URLs, and showing them without their secrets."""

from __future__ import annotations

import re
import secrets
import uuid
from typing import Any, Final

from msgspec import Struct

from jobsight.core.events import PingUrlCreated
from jobsight.core.masking import MASK
from jobsight.core.ping_urls import PingUrl
from jobsight.core.state import State
from jobsight.engine.tokens import ID_CHARACTERS
from jobsight.errors import UsageError

PING_URLS_PATH: Final = "/api/v1/ping-urls"
"""Under which a service makes, lists and revokes them."""

PING_URLS_MAX: Final = 200_000
"""Ping URLs that may ever be made; they stay listed after they were revoked."""

KEY_BYTES: Final = 16

UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{20,64}", re.ASCII)
_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"


class NewPingUrl(Struct, frozen=True, kw_only=True):
    """A ping URL at its birth: its path, and what the log gets."""

    path: str
    event: PingUrlCreated


def new_ping_url(state: State, task: str | None, *, secret: str | None, note: str, author: str) -> NewPingUrl:
    """
    Make a ping URL.

    Args:
        state: Knows those that exist.
        task: Whose jobs its pings are; None for a ping key.
        secret: A UUID (of a task) or a ping key that is in use elsewhere already; None makes one.
        note: What it is for.
        author: Who asks for it.

    Raises:
        UsageError: The secret is of a wrong form, or in use; or there are too many.
    """
    if secret is None:
        secret = str(uuid.uuid4()) if task is not None else secrets.token_urlsafe(KEY_BYTES)
    if task is not None:
        secret = secret.lower()
        if UUID.fullmatch(secret) is None:
            raise UsageError("secret: expected a UUID, as the ping URL of a check has")
    elif _KEY.fullmatch(secret) is None or UUID.fullmatch(secret.lower()) is not None:
        raise UsageError("secret: expected a ping key: 20 to 64 letters, digits, - or _, and no UUID")
    if secret in state.ping_secrets:
        raise UsageError("secret: this one is in use here already")
    if len(state.ping_urls) >= PING_URLS_MAX:
        raise UsageError(f"there are {PING_URLS_MAX} ping URLs already")
    ping_id = "".join(secrets.choice(_ALPHABET) for _ in range(ID_CHARACTERS))
    event = PingUrlCreated(ping_id=ping_id, secret=secret, task=task, note=note, author=author)
    return NewPingUrl(path=path_of(secret, task), event=event)


def path_of(secret: str, task: str | None) -> str:
    """The path of a ping URL, to be put behind the monitor's address."""
    return f"/ping/{secret}" if task is not None else f"/ping/{secret}/<task>"


def describe_ping_url(url: PingUrl, last_ping_ms: int | None) -> dict[str, Any]:
    """A ping URL as lists show it."""
    return {
        "ping_id": url.ping_id,
        "kind": "task" if url.task is not None else "key",
        "task": url.task,
        "path": path_of(f"{url.secret[:4]}{MASK}", url.task),
        "state": "active" if url.revoked_ms is None else "revoked",
        "note": url.note,
        "created_ms": url.created_ms,
        "revoked_ms": url.revoked_ms,
        "last_ping_ms": last_ping_ms,
        "author": url.author,
    }
