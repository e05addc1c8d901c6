"""`/api/v1/ping-urls`: making, listing, replacing and revoking ping URLs. Every change is an event with its author."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.events import PingUrlRevoked
from jobsight.core.ping_urls import PingUrl
from jobsight.core.tokens import TokenScope
from jobsight.engine.ping_urls import PING_URLS_PATH, describe_ping_url, new_ping_url
from jobsight.engine.writer import Writer
from jobsight.errors import NotFoundError
from jobsight.transports.http.answers import PingUrlWish
from jobsight.transports.http.routes import Endpoint, caller_of, json_response
from jobsight.transports.http.wishing import record, refusing, wish_of


def ping_url_endpoints(writer: Writer, last_ping_ms: Mapping[str, int]) -> list[Endpoint]:
    """The routes; `writer` takes the events, `last_ping_ms` knows which was used when."""
    state = writer.state

    def found(request: Request) -> PingUrl:
        ping_id = request.path_params["ping_id"]
        url = state.ping_urls.get(ping_id)
        with refusing():
            if url is None or url.revoked_ms is not None:
                raise NotFoundError(f"there is no ping URL {ping_id!r}; jobsight ping-url list shows what there is")
        return url

    async def make(request: Request, wish: PingUrlWish, old: PingUrl | None) -> Response:
        author = caller_of(request).author
        with refusing():
            made = new_ping_url(state, wish.task, secret=wish.secret, note=wish.note, author=author)
        revoked = [] if old is None else [PingUrlRevoked(ping_id=old.ping_id, author=author)]
        await record(writer, [*revoked, made.event])
        return json_response({"ping_id": made.event.ping_id, "path": made.path}, 201)

    async def create(request: Request) -> Response:
        return await make(request, await wish_of(request, PingUrlWish), None)

    async def rotate(request: Request) -> Response:
        old = found(request)
        return await make(request, PingUrlWish(task=old.task, note=old.note), old)

    async def index(request: Request) -> Response:
        urls = sorted(state.ping_urls.values(), key=lambda url: url.created_ms)
        return json_response({"ping_urls": [describe_ping_url(url, last_ping_ms.get(url.ping_id)) for url in urls]})

    async def revoke(request: Request) -> Response:
        url = found(request)
        await record(writer, [PingUrlRevoked(ping_id=url.ping_id, author=caller_of(request).author)])
        return json_response({"ping_id": url.ping_id, "state": "revoked"})

    needs, path = TokenScope.OPERATE, PING_URLS_PATH
    return [
        Endpoint(method="POST", path=path, needs=needs, is_changing=True, handle=create),
        Endpoint(method="GET", path=path, needs=needs, handle=index),
        Endpoint(method="POST", path=path + "/{ping_id}/rotate", needs=needs, is_changing=True, handle=rotate),
        Endpoint(method="DELETE", path=path + "/{ping_id}", needs=needs, is_changing=True, handle=revoke),
    ]
