"""Signing in and out: a session for a browser, opened with name and password, or with a token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from html import escape
from math import ceil
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from jobsight.core.tokens import SCOPES, Token, TokenScope
from jobsight.core.users import User
from jobsight.engine.tokens import Denial, TokenRegistry
from jobsight.engine.users import PASSWORD_CHARACTERS_MAX, Users
from jobsight.protocol.refusals import Code
from jobsight.transports.http.bodies import form_body
from jobsight.transports.http.exchange import Headers, HttpRefusal, Scope
from jobsight.transports.http.local_paths import LOGIN_PATH, LOGOUT_PATH, local_path, page_before
from jobsight.transports.http.peers import Peers
from jobsight.transports.http.plain_page import plain_page
from jobsight.transports.http.rate import RateLimit
from jobsight.transports.http.routes import Endpoint
from jobsight.transports.http.sessions import Sessions, set_cookie

TRIES_PER_MINUTE: Final = 10
"""Of one address, and of one name, as a steady rate and as a burst: a password cannot be guessed at that speed."""

WAITING_MAX: Final = 8
"""Sign-ins that may wait for their turn: passwords are checked one at a time."""

UNDONE: Final = "You were signed out, and what you have just sent was not done. Sign in, and do it again."

_FORM: Final = """{complaint}<form method="post" action="/login">
<input type="hidden" name="next" value="{next}">
<p><label>Name <input name="name" value="{name}" autocomplete="username" autofocus></label></p>
<p><label>Password <input name="password" type="password" autocomplete="current-password"></label></p>
<p>or</p>
<p><label>Access token <input name="token" type="password" autocomplete="off"></label></p>
<p><button>Sign in</button></p>
</form>"""


class Login:
    """
    The pages of signing in and out.

    Args:
        users, tokens: Who may.
        sessions: Where they are opened.
        peers: Who is at the other end.
        is_let_in: Whether a request would be let in as it is.
        clock_ms: Wall time, ms since the epoch, UTC.
    """

    def __init__(
        self,
        *,
        users: Users,
        tokens: TokenRegistry,
        sessions: Sessions,
        peers: Peers,
        is_let_in: Callable[[Scope, Headers], bool],
        clock_ms: Callable[[], int],
    ) -> None:
        self._users = users
        self._tokens = tokens
        self._sessions = sessions
        self._peers = peers
        self._is_let_in = is_let_in
        self._clock_ms = clock_ms
        self._addresses = RateLimit(TRIES_PER_MINUTE / 60, burst=TRIES_PER_MINUTE)
        self._names = RateLimit(TRIES_PER_MINUTE / 60, burst=TRIES_PER_MINUTE)
        self._turn = asyncio.Lock()
        self._waiting = 0

    def endpoints(self) -> list[Endpoint]:
        """The routes."""
        return [
            Endpoint(method="GET", path=LOGIN_PATH, needs=None, handle=self._show),
            Endpoint(method="POST", path=LOGIN_PATH, needs=None, is_changing=True, handle=self._sign_in),
            Endpoint(method="POST", path=LOGOUT_PATH, needs=None, is_changing=True, handle=self._sign_out),
        ]

    async def _show(self, request: Request) -> Response:
        target = local_path(request.query_params.get("next", ""))
        if self._is_let_in(request.scope, dict(request.scope["headers"])):
            return RedirectResponse(target, 303)
        return _page(target, complaint=UNDONE if "undone" in request.query_params else "")

    async def _sign_in(self, request: Request) -> Response:
        form = await form_body(request)
        target, name = local_path(form.get("next", "")), form.get("name", "").strip()
        wait_seconds = self._wait_seconds(request, name)
        if wait_seconds:
            page = _page(target, name, f"Too many tries. Try again in {ceil(wait_seconds)} s.", 429)
            page.headers["retry-after"] = str(ceil(wait_seconds))
            return page
        found = self._by_token(form["token"]) if form.get("token") else await self._by_password(name, form)
        if isinstance(found, str):
            return _page(target, name, found, 403)
        answer = RedirectResponse(target, 303)
        answer.headers["set-cookie"] = set_cookie(self._sessions.open(found), is_secure=self._is_secure(request))
        await self._sessions.keep()
        return answer

    async def _sign_out(self, request: Request) -> Response:
        self._sessions.close(dict(request.scope["headers"]))
        await self._sessions.keep()
        answer = RedirectResponse(LOGIN_PATH, 303)
        answer.headers["set-cookie"] = set_cookie("", is_secure=self._is_secure(request))
        return answer

    def _by_token(self, text: str) -> Token | str:
        found = self._tokens.find(text.strip(), self._clock_ms())
        if isinstance(found, Denial):
            return f"{found.value[0].upper()}{found.value[1:]}."
        if SCOPES[found.scope] < TokenScope.READ:
            return "This token may only report. Signing in takes one of scope read, operate or admin."
        return found

    async def _by_password(self, name: str, form: dict[str, str]) -> User | str:
        """Nobody learns here which names there are, neither from the words nor from the time it takes."""
        password = form.get("password", "")
        if len(password) > PASSWORD_CHARACTERS_MAX:
            return "Name or password is wrong."
        if self._waiting >= WAITING_MAX:
            raise HttpRefusal(503, Code.TEMPORARILY_UNAVAILABLE, "too many sign-ins at once; try again in a moment")
        self._waiting += 1
        try:
            async with self._turn:
                user = self._users.find(name)
                is_right = await asyncio.to_thread(self._users.is_password, user, password)
        finally:
            self._waiting -= 1
        return user if user is not None and is_right else "Name or password is wrong."

    def _wait_seconds(self, request: Request, name: str) -> float:
        now = time.monotonic()
        address = self._peers.address_of(request.scope, dict(request.scope["headers"]))
        waits = [self._addresses.wait_seconds(address, now)]
        if name and not waits[0]:
            waits.append(self._names.wait_seconds(name, now))
        return max(waits)

    def _is_secure(self, request: Request) -> bool:
        return self._peers.scheme_of(request.scope, dict(request.scope["headers"])) == "https"


def login_address(path: str, query: bytes) -> str:
    """Where somebody signs in who wanted to see this path."""
    wanted = quote(path) + (f"?{query.decode('latin-1')}" if query else "")
    return LOGIN_PATH if wanted == "/" else f"{LOGIN_PATH}?next={quote(local_path(wanted), safe='/')}"


def login_after_form(headers: Headers) -> str:
    """Where somebody signs in whose form came too late: it says so, and leads back to the page of the form."""
    return f"{LOGIN_PATH}?next={quote(page_before(headers), safe='/')}&undone=1"


def _page(target: str, name: str = "", complaint: str = "", status: int = 200) -> Response:
    told = f'<p role="alert">{escape(complaint)}</p>\n' if complaint else ""
    return plain_page("Sign in", _FORM.format(complaint=told, next=escape(target), name=escape(name)), status)
