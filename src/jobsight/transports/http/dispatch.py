"""The first thing behind a connection: identifies the caller, answers the hot paths itself, and hands on the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from jobsight.core.tokens import TokenScope
from jobsight.protocol.refusals import Code
from jobsight.transports.http.access import Access
from jobsight.transports.http.exchange import Disconnected, Headers, HttpRefusal, Receive, Scope, Send, refuse
from jobsight.transports.http.ingest import Ingest
from jobsight.transports.http.login import login_address, login_after_form
from jobsight.transports.http.page_headers import with_page_headers
from jobsight.transports.http.ping_paths import PREFIX as PING_PREFIX
from jobsight.transports.http.pings import Pings
from jobsight.transports.http.routes import CALLER, Endpoint, build_pages, wants_page

EVENTS: Final = Endpoint(method="POST", path="/api/v1/events", needs=TokenScope.INGEST, is_changing=True)
"""The hot path. A browser adds no token by itself, so with one its origin does not matter."""


_NOTHING: Final = "\x00"
"""No path begins so."""


class Dispatcher:
    """
    The ASGI application.

    Args:
        access: Decides who may do what.
        ingest: Answers `EVENTS`.
        pings: Answers every path below `/ping/`.
        count_refused: Told why a request was not taken, in a word.
        endpoints: Everything else, see `routes`.
        log_request: Told method, path, status and caller of each request; None tells nobody.
    """

    def __init__(
        self,
        *,
        access: Access,
        ingest: Ingest,
        pings: Pings,
        count_refused: Callable[[str], None],
        endpoints: Sequence[Endpoint],
        log_request: Callable[[str, str, int, str], None] | None = None,
    ) -> None:
        self.inventory: Final = (EVENTS, *endpoints)
        self._access = access
        self._ingest = ingest
        self._pings = pings
        self._count_refused = count_refused
        self._pages = build_pages(endpoints, access)
        self._free = frozenset(one.path for one in endpoints if one.needs is None)
        self._free_below = tuple(
            {one.path.partition("{")[0] for one in endpoints if one.needs is None and "{" in one.path}
        )
        self._log_request = log_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        if self._log_request is not None:
            send = self._logging(scope, send)
        headers: Headers = dict(scope["headers"])
        path = scope["path"]
        try:
            if path == EVENTS.path and scope["method"] == EVENTS.method:
                await self._take_events(scope, headers, receive, send)
                return
            if path.startswith(PING_PREFIX):
                await self._pings(scope, headers, receive, send)
                return
            if path not in self._free and not path.startswith(self._free_below or _NOTHING):
                scope[CALLER] = self._access.identify(scope, headers)
            if path == EVENTS.path:
                text = f"reports are sent here by POST, got {scope['method']}"
                raise HttpRefusal(405, Code.MALFORMED_REQUEST, text, headers=((b"allow", b"POST"),))
        except HttpRefusal as why:
            self._count_refused(f"http_{why.status}")
            is_hot = path == EVENTS.path or path.startswith(PING_PREFIX)
            await refuse(send if is_hot else with_page_headers(send), why if is_hot else _to_login(why, scope, headers))
            return
        except Disconnected:
            return
        await self._pages(scope, receive, with_page_headers(send))

    async def _take_events(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        caller = self._access.identify(scope, headers)
        if not caller.has_token:
            self._access.check_change(scope, headers, caller, EVENTS.path)
        await self._ingest(headers, receive, send, caller)

    def _logging(self, scope: Scope, send: Send) -> Send:
        """The same channel, with an ear on it."""
        log_request = self._log_request
        assert log_request is not None

        async def logging(message: Scope) -> None:
            if message["type"] == "http.response.start":
                caller = scope.get(CALLER)
                log_request(scope["method"], scope["path"], message["status"], caller.name if caller else "")
            await send(message)

        return logging


def _to_login(why: HttpRefusal, scope: Scope, headers: Headers) -> HttpRefusal:
    """Lead a person who is not signed in to where that is done; a program gets the refusal as it is."""
    if why.status != 401 or b"authorization" in headers:
        return why
    if b"hx-request" in headers:  # a part of a page: the whole page has to go there, and comes back to where it was
        shown = urlsplit(headers.get(b"hx-current-url", b"").decode("latin-1"))
        address = login_address(shown.path or "/", shown.query.encode("latin-1"))
        return HttpRefusal(401, Code.PRECONDITION_FAILED, str(why), headers=((b"hx-redirect", address.encode()),))
    if not wants_page(headers):
        return why
    is_reading = scope["method"] in ("GET", "HEAD")
    address = login_address(scope["path"], scope["query_string"]) if is_reading else login_after_form(headers)
    return HttpRefusal(303, Code.PRECONDITION_FAILED, str(why), headers=((b"location", address.encode()),))
