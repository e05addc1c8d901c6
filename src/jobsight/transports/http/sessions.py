"""
Sessions of browsers: who has signed in, until when. A session ends with the token or the password behind it.

They outlive the service: of each the hash of its secret is kept, never the secret, so that what is kept opens nothing.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from jobsight.core.state import State
from jobsight.core.tokens import SCOPES, Token, TokenScope
from jobsight.core.users import User
from jobsight.engine.users import is_guarded
from jobsight.errors import JobsightError
from jobsight.transports.http.exchange import Headers

COOKIE: Final = "jobsight_session"
"""The cookie's name; behind TLS with the prefix `__Host-`, which no other host and no plain connection can set."""

SESSION_MS: Final = 7 * 24 * 3_600_000
"""For how long a session is good after signing in."""

SESSIONS_MAX: Final = 10_000
"""Sessions at once; the oldest gives way."""

SESSION_BYTES: Final = 32


class Session(Struct, frozen=True, kw_only=True, gc=False):
    """
    Somebody who has signed in.

    Attributes:
        name: Of the operator, or the token's id.
        password_ref: Of the password that opened it; None where a token did.
        expires_ms: ms since the epoch, UTC.
    """

    name: str
    password_ref: str | None
    expires_ms: int


class SessionStore(Protocol):
    """Where sessions are kept from one start of the service to the next."""

    def write(self, content: bytes) -> None:
        """Keep them durably; JobsightError where they cannot be kept."""

    def read(self) -> bytes:
        """What was kept; empty for nothing."""


class Sessions:
    """
    The sessions that are open.

    Args:
        state: Knows tokens and operators as they are now.
        clock_ms: Wall time, ms since the epoch, UTC.
        store: Keeps them; without one they end with the service.
    """

    def __init__(self, state: State, clock_ms: Callable[[], int], store: SessionStore | None = None) -> None:
        self._state = state
        self._clock_ms = clock_ms
        self._store = store
        self._turn = asyncio.Lock()
        self._open: dict[bytes, Session] = {} if store is None else _decoded(store.read())

    @property
    def is_guarded(self) -> bool:
        """Whether anybody has a token or can sign in; nobody else comes in then."""
        return is_guarded(self._state)

    def open(self, opener: User | Token) -> str:
        """A new session of whoever has shown a password or a token; the cookie's value, of which only a hash is kept."""
        expires_ms = self._clock_ms() + SESSION_MS
        if isinstance(opener, User):
            session = Session(name=opener.name, password_ref=opener.password_ref, expires_ms=expires_ms)
        else:
            session = Session(name=opener.token_id, password_ref=None, expires_ms=expires_ms)
        if len(self._open) >= SESSIONS_MAX:
            del self._open[next(iter(self._open))]
        text = secrets.token_urlsafe(SESSION_BYTES)
        self._open[_key(text)] = session
        return text

    def find(self, headers: Headers) -> tuple[Session, TokenScope] | None:
        """The session that a request shows, with what it allows now; None where it shows none that is good."""
        text = cookie_of(headers)
        if text is None:
            return None
        key = _key(text)
        session = self._open.get(key)
        if session is None:
            return None
        scope = self._scope_of(session)
        if scope is None:
            del self._open[key]
            return None
        return session, scope

    def close(self, headers: Headers) -> None:
        """End the session that a request shows, if it shows one."""
        text = cookie_of(headers)
        if text is not None:
            self._open.pop(_key(text), None)

    async def keep(self) -> None:
        """Let what was opened and closed outlive the service. Where the disk refuses, sessions end with it, as without a store."""
        if self._store is None:
            return
        async with self._turn:
            now_ms = self._clock_ms()
            good = {key.hex(): one for key, one in self._open.items() if one.expires_ms > now_ms}
            with suppress(JobsightError):
                await asyncio.to_thread(self._store.write, msgspec.json.encode(good))

    def _scope_of(self, session: Session) -> TokenScope | None:
        now_ms = self._clock_ms()
        if session.expires_ms <= now_ms:
            return None
        if session.password_ref is not None:
            user = self._state.users.get(session.name)
            is_good = user is not None and user.password_ref == session.password_ref
            return SCOPES[user.scope] if user is not None and is_good else None
        token = self._state.tokens.get(session.name)
        if token is None or token.revoked_ms is not None or token.is_expired(now_ms):
            return None
        return SCOPES[token.scope]


def cookie_of(headers: Headers) -> str | None:
    """The value of the session's cookie, the one that no other host can have set before any other; None where there is none."""
    cookies = headers.get(b"cookie")
    if cookies is None:
        return None
    pairs = [part.strip().partition("=") for part in cookies.decode("latin-1").split(";")]
    known = {name: value for name, _, value in reversed(pairs)}
    return known.get(f"__Host-{COOKIE}", known.get(COOKIE))


def set_cookie(text: str, *, is_secure: bool) -> str:
    """The header's value that gives a browser its session; with an empty text, one that takes it away."""
    name = f"__Host-{COOKIE}" if is_secure else COOKIE
    age = SESSION_MS // 1000 if text else 0
    return f"{name}={text}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{'; Secure' if is_secure else ''}"


def _key(text: str) -> bytes:
    return sha256(text.encode("latin-1", "replace")).digest()


def _decoded(content: bytes) -> dict[bytes, Session]:
    """The sessions that were kept; none where that is damaged."""
    try:
        kept = msgspec.json.decode(content or b"{}", type=dict[str, Session])
        return {bytes.fromhex(key): session for key, session in kept.items()}
    except ValueError:
        return {}
