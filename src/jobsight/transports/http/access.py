"""Who may do what: tokens, the openness of a fresh monitor on loopback, and where a browser may come from."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil
from typing import Final

from msgspec import Struct

from jobsight.core.tokens import TokenScope
from jobsight.engine.tokens import Denial, TokenRegistry, scope_of
from jobsight.protocol.refusals import Code
from jobsight.transports.http.exchange import Headers, HttpRefusal, Scope
from jobsight.transports.http.peers import Peers
from jobsight.transports.http.rate import RateLimit
from jobsight.transports.http.sessions import Sessions

LOCAL_USER: Final = "jobsight.local_user"
"""Where a connection of the control socket notes its user in the ASGI scope."""

API_PREFIX: Final = "/api/"
"""Below it are routes for programs: they carry a token, which no browser adds by itself."""

_BEARER: Final = b"bearer "


class Caller(Struct, frozen=True, kw_only=True, gc=False):
    """
    Who makes a request.

    Attributes:
        name: The sender of reports that name none.
        scope: What is allowed.
        author: Who is written down for what is changed.
        has_token: Whether the request carries a token, which no browser adds by itself.
        has_session: Whether it carries the cookie of somebody who has signed in.
    """

    name: str
    scope: TokenScope
    author: str
    has_token: bool = False
    has_session: bool = False


class Access:
    """
    Decides about requests.

    Args:
        tokens: Those that exist.
        sessions: Those that are open.
        peers: Who is at the other end.
        rate: Turns of each caller.
        is_open_to_all: Nobody needs a token while none exists (`--insecure-no-auth`).
        is_on_loopback: The service listens on loopback alone; then nobody there needs a token while none exists.
        clock_ms: Wall time, ms since the epoch, UTC.
    """

    def __init__(
        self,
        *,
        tokens: TokenRegistry,
        sessions: Sessions,
        peers: Peers,
        rate: RateLimit,
        is_open_to_all: bool,
        is_on_loopback: bool,
        clock_ms: Callable[[], int],
    ) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._peers = peers
        self._rate = rate
        self._is_open_to_all = is_open_to_all
        self._is_on_loopback = is_on_loopback
        self._clock_ms = clock_ms

    def identify(self, scope: Scope, headers: Headers) -> Caller:
        """
        Who makes this request.

        Raises:
            HttpRefusal: No token and no session, or one that opens nothing (401); too many requests (429).
        """
        caller = self._caller(scope, headers)
        wait_seconds = self._rate.wait_seconds(caller.name, time.monotonic())
        if wait_seconds:
            text = "too many requests; send more reports in each (application/x-ndjson), or raise requests_per_second"
            after = (b"retry-after", b"%d" % ceil(wait_seconds))
            raise HttpRefusal(429, Code.TEMPORARILY_UNAVAILABLE, text, headers=(after,))
        return caller

    def allow(self, caller: Caller, needed: TokenScope) -> None:
        """Raises HttpRefusal (403) where the caller's scope is below the one that is needed."""
        if caller.scope < needed:
            text = f"the scope of {caller.name} is {caller.scope.word}; this needs {needed.word}"
            raise HttpRefusal(403, Code.PRECONDITION_FAILED, text)

    def is_let_in(self, scope: Scope, headers: Headers) -> bool:
        """Whether a request comes from somebody who may look at pages."""
        try:
            return self._caller(scope, headers).scope >= TokenScope.READ
        except HttpRefusal:
            return False

    def check_change(self, scope: Scope, headers: Headers, caller: Caller | None, path: str) -> None:
        """
        Refuse a change that a page of somebody else asks a browser to make, or that a session makes where a token belongs.

        Raises:
            HttpRefusal: As `check_origin`; or a session, which is for pages, changes something through the API (403).
        """
        self.check_origin(scope, headers)
        if caller is not None and caller.has_session and path.startswith(API_PREFIX):
            text = "a session changes things through pages alone; call the API with Authorization: Bearer js_..."
            raise HttpRefusal(403, Code.PRECONDITION_FAILED, text)

    def check_origin(self, scope: Scope, headers: Headers) -> None:
        """
        Refuse a change that a page of somebody else asks a browser to make.

        Raises:
            HttpRefusal: The browser says that the page is from elsewhere (403).
        """
        site = headers.get(b"sec-fetch-site", b"none").strip().lower()
        origin = headers.get(b"origin")
        is_ours = site in (b"none", b"same-origin")
        if origin is not None:
            here = f"{self._peers.scheme_of(scope, headers)}://{headers.get(b'host', b'').decode('latin-1')}"
            is_ours = is_ours and origin.decode("latin-1").lower() == here.lower()
        if not is_ours:
            text = "a page from elsewhere may not change anything here; call the API with a token instead"
            raise HttpRefusal(403, Code.PRECONDITION_FAILED, text)

    def _caller(self, scope: Scope, headers: Headers) -> Caller:
        local_user = scope.get(LOCAL_USER)
        if local_user is not None:
            name = f"local:{local_user}"
            return Caller(name=name, scope=TokenScope.ADMIN, author=name)
        authorization = headers.get(b"authorization")
        if authorization is not None:
            return self._bearer(authorization)
        signed_in = self._signed_in(headers)
        if signed_in is not None:
            return signed_in
        address = self._peers.address_of(scope, headers)
        if self._sessions.is_guarded or not (self._is_open_to_all or self._is_on_loopback):
            raise _unauthorized("this needs a token: send the header Authorization: Bearer js_...")
        if not self._is_open_to_all:
            self._check_is_local(address, headers)
        name = f"http:{address}"
        return Caller(name=name, scope=TokenScope.ADMIN, author=name)

    def _signed_in(self, headers: Headers) -> Caller | None:
        found = self._sessions.find(headers)
        if found is None:
            return None
        session, allowed = found
        kind = "token" if session.password_ref is None else "user"
        author = f"{kind}:{session.name}"
        return Caller(name=session.name, scope=allowed, author=author, has_session=True)

    def _bearer(self, authorization: bytes) -> Caller:
        if authorization[: len(_BEARER)].lower() != _BEARER:
            raise _unauthorized("Authorization: expected Bearer and a token")
        found = self._tokens.find(authorization[len(_BEARER) :].strip().decode("latin-1"), self._clock_ms())
        if isinstance(found, Denial):
            raise _unauthorized(f"{found.value}; a new one is made by: jobsight token create")
        return Caller(name=found.token_id, scope=scope_of(found), author=f"token:{found.token_id}", has_token=True)

    def _check_is_local(self, address: str, headers: Headers) -> None:
        """Without tokens, only programs of this machine come in, and no page that has made its own name point here."""
        host = headers.get(b"host", b"localhost").decode("latin-1")
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        if not self._peers.is_loopback(address) or not self._peers.is_loopback(name):
            raise _unauthorized(
                "without a token only this machine itself is served, under a loopback address; "
                "make one: jobsight token create --scope admin"
            )


def _unauthorized(text: str) -> HttpRefusal:
    return HttpRefusal(401, Code.PRECONDITION_FAILED, text, headers=((b"www-authenticate", b"Bearer"),))
