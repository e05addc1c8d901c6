"""The operators' API without a service: a command asks it in its own process, on a folder that nobody holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import httpx
from typing_extensions import override

from jobsight.core.tokens import TokenScope
from jobsight.transports.http.access import Caller
from jobsight.transports.http.exchange import Headers, Scope
from jobsight.transports.http.routes import CALLER, Endpoint, build_pages

BASE_URL: Final = "http://localhost"


class OpenGate:
    """Who may open the folder may do everything in it."""

    def allow(self, caller: Caller, needed: TokenScope) -> None:
        """Yes."""

    def check_change(self, scope: Scope, headers: Headers, caller: Caller | None, path: str) -> None:
        """Yes: no browser is involved."""


class InProcess(httpx.BaseTransport):
    """
    Hands requests to routes of this very process.

    Args:
        endpoints: The routes.
        author: Who is written down for what is changed.
    """

    def __init__(self, endpoints: Sequence[Endpoint], author: str) -> None:
        self._pages = build_pages(endpoints, OpenGate())
        self._caller = Caller(name=author, scope=TokenScope.ADMIN, author=author)
        self._runner = asyncio.Runner()

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._runner.run(self._answer(request))

    @override
    def close(self) -> None:
        self._runner.close()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        path, _, query = request.url.raw_path.partition(b"?")
        scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": request.url.path,
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 0),
            CALLER: self._caller,
        }
        body = request.read()
        status, headers, parts = 500, [], []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], message["headers"]
            else:
                parts.append(message.get("body", b""))

        await self._pages(scope, receive, send)
        return httpx.Response(status, headers=headers, content=b"".join(parts))
