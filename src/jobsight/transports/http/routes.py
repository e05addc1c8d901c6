"""The inventory of routes. What a route needs stands in it, so that one place can check it and tests can walk it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from msgspec import Struct
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobsight.core.tokens import TokenScope
from jobsight.protocol.refusals import Code, Refusal, refusal
from jobsight.protocol.replies import error_body, text_of
from jobsight.transports.http.access import Caller
from jobsight.transports.http.exchange import Headers, HttpRefusal, Scope
from jobsight.transports.http.local_paths import page_before
from jobsight.transports.http.plain_page import refusal_page

CALLER: Final = "jobsight.caller"
"""Where the dispatcher notes the caller in the ASGI scope."""

INVENTORY_PATH: Final = "/api/v1/inventory"
"""Under which an administrator sees what is served to whom."""

Handler = Callable[[Request], Awaitable[Response]]


class Gate(Protocol):
    """Says who may do what; see `access.Access`."""

    def allow(self, caller: Caller, needed: TokenScope) -> None:
        """Raises HttpRefusal (403) where the caller's scope is below the one that is needed."""
        ...

    def check_change(self, scope: Scope, headers: Headers, caller: Caller | None, path: str) -> None:
        """Raises HttpRefusal (403) where a change comes from where it may not come from."""
        ...


class Endpoint(Struct, frozen=True, kw_only=True):
    """
    One route. A page is declared like any other: the caller, the scope and the origin are checked before `handle` is called.

    Attributes:
        method, path: As Starlette writes them (`/api/v1/tokens/{token_id}`).
        needs: The least scope; None where no token is asked for.
        is_changing: It changes something, so a browser's origin is checked.
        handle: Answers it; None for a hot path, which the dispatcher answers itself.
    """

    method: str
    path: str
    needs: TokenScope | None
    is_changing: bool = False
    handle: Handler | None = None


def inventory_endpoint(endpoints: Sequence[Endpoint]) -> Endpoint:
    """The route that lists these routes and itself, with what each needs."""

    async def handle(request: Request) -> Response:
        return json_response({"routes": [_described(one) for one in (*endpoints, endpoint)]})

    endpoint = Endpoint(method="GET", path=INVENTORY_PATH, needs=TokenScope.ADMIN, handle=handle)
    return endpoint


def build_pages(endpoints: Sequence[Endpoint], access: Gate) -> Starlette:
    """The app behind the dispatcher: every route that is not a hot path."""
    routes = [
        Route(one.path, _guarded(one, one.handle, access), methods=[one.method])
        for one in endpoints
        if one.handle is not None
    ]
    return Starlette(routes=routes, exception_handlers={HttpRefusal: _refused, HTTPException: _not_served})


def caller_of(request: Request) -> Caller:
    """Who makes a request whose route needs a scope."""
    caller: Caller = request.scope[CALLER]
    return caller


def wants_page(headers: Headers) -> bool:
    """Whether a person asks through a browser, and not a program or a script of a page."""
    return b"text/html" in headers.get(b"accept", b"")


def json_response(value: object, status: int = 200) -> Response:
    """A value as JSON on one line."""
    return Response(text_of(value) + "\n", status, media_type="application/json", headers={"cache-control": "no-store"})


def _described(one: Endpoint) -> dict[str, object]:
    needs = None if one.needs is None else one.needs.word
    return {"method": one.method, "path": one.path, "needs": needs, "is_changing": one.is_changing}


def _guarded(endpoint: Endpoint, handle: Handler, access: Gate) -> Handler:
    async def guarded(request: Request) -> Response:
        if endpoint.needs is not None:
            access.allow(caller_of(request), endpoint.needs)
        if endpoint.is_changing:
            access.check_change(request.scope, dict(request.scope["headers"]), request.scope.get(CALLER), endpoint.path)
        return await handle(request)

    return guarded


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HttpRefusal)
    return _error(request, error.status, error.refusal, {k.decode(): v.decode() for k, v in error.headers})


async def _not_served(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = Code.KEY_DOES_NOT_EXIST if error.status_code == 404 else Code.MALFORMED_REQUEST
    texts = {404: "there is nothing under this path", 405: f"this path does not take {request.method}"}
    text = texts.get(error.status_code, error.detail)
    return _error(request, error.status_code, refusal(code, text), dict(error.headers or {}))


def _error(request: Request, status: int, why: Refusal, headers: dict[str, str]) -> Response:
    if wants_page(dict(request.scope["headers"])):
        before = page_before(dict(request.scope["headers"])) if request.method == "POST" else "/"
        page = refusal_page(status, why.text, before)
        page.headers.update(headers)
        return page
    return Response(error_body(why) + "\n", status, media_type="application/json", headers=headers)
