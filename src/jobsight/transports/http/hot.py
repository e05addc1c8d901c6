"""
The hot paths below ASGI: single reports and pings, answered without a task, a scope or a queue for each of them.

A connection hands over a request once it is whole. What comes in within one turn of the loop is read and submitted
together, and answered with one write each. Whatever is not plain (a stream, a packed body, a query) goes the way
of all other requests; a test holds the answers of both ways to each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from jobsight.protocol.limits import SLICE_BYTES
from jobsight.transports.http.exchange import JSON, Headers, Scope

HOT_BODY_BYTES_MAX: Final = SLICE_BYTES
"""A larger body takes so long by itself that the way does not matter."""

_COLD: Final = frozenset({b"expect", b"transfer-encoding", b"content-encoding", b"upgrade"})


class Carrier(Protocol):
    """What is needed of a connection to answer on it."""

    hot_scope: Scope
    """As much of an ASGI scope as is needed to say who is at the other end."""

    def end_hot(self, request: HotRequest, status: int, answer: bytes) -> None:
        """Send the answer, and go on with what comes next on the connection."""


class _Silent:
    """Stands where uvicorn tells a waiting task that something came; here nobody waits."""

    def set(self) -> None:
        """Nothing."""


class HotRequest:
    """
    A request on a hot path. To the connection it is what a cycle of uvicorn is: the request that is being answered.

    Args:
        connection: On which it came.
        way: Whose it is.
        method: In capitals.
        url: As it came.
        headers: By their names in lower case.
        keep_alive: The connection stays open afterwards.
    """

    __slots__ = (
        "body",
        "connection",
        "disconnected",
        "headers",
        "keep_alive",
        "message_event",
        "method",
        "more_body",
        "response_complete",
        "url",
        "way",
    )

    def __init__(
        self, connection: Carrier, way: HotWay, method: bytes, url: bytes, headers: Headers, keep_alive: bool
    ) -> None:
        self.connection = connection
        self.way = way
        self.method = method
        self.url = url
        self.headers = headers
        self.keep_alive = keep_alive
        self.body = b""
        self.more_body = True
        self.response_complete = False
        self.disconnected = False
        self.message_event = _SILENT


_SILENT: Final = _Silent()


class HotWay(Protocol):
    """Answers the requests of one path."""

    def wants(self, method: bytes, url: bytes, headers: Headers) -> bool:
        """Whether a request is plain enough."""

    def answer(self, requests: list[HotRequest]) -> None:
        """Answer whole requests that came in together, in any order, now or later, each by `HotPaths.reply`."""


class HotPaths:
    """
    The hot paths of a service.

    Args:
        log_request: Told method, path, status and caller of each request; None tells nobody.
    """

    def __init__(self, log_request: Callable[[str, str, int, str], None] | None) -> None:
        self._log_request = log_request
        self._ways: list[tuple[bytes, HotWay]] = []
        self._waiting: dict[HotWay, list[HotRequest]] = {}

    def add(self, prefix: str, way: HotWay) -> None:
        """Let a way answer what begins with a path."""
        self._ways.append((prefix.encode(), way))

    def way_of(self, method: bytes, url: bytes, headers: Headers) -> HotWay | None:
        """Who answers a request; None where it goes the way of all others."""
        for prefix, way in self._ways:
            if url.startswith(prefix):
                is_plain = _COLD.isdisjoint(headers) and b"%" not in url
                length = headers.get(b"content-length", b"0")
                is_small = len(length) <= 6 and int(length) <= HOT_BODY_BYTES_MAX
                return way if is_plain and is_small and way.wants(method, url, headers) else None
        return None

    def take(self, request: HotRequest) -> None:
        """A request that is whole. It is answered together with all others of this turn of the loop."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._answer)
        self._waiting.setdefault(request.way, []).append(request)

    def reply(
        self,
        request: HotRequest,
        status: int,
        body: bytes,
        *,
        kind: bytes = JSON,
        headers: bytes = b"",
        caller: str = "",
    ) -> None:
        """
        Answer a request.

        Args:
            headers: Further ones, each with the end of its line.
            caller: For whoever is told.
        """
        shown = b"" if request.method == b"HEAD" else body
        head = b"content-type: %b\r\ncontent-length: %d\r\n%b" % (kind, len(body), headers)
        end = b"\r\n" if request.keep_alive else b"connection: close\r\n\r\n"
        request.connection.end_hot(request, status, head + end + shown)
        if self._log_request is not None:
            path = request.url.partition(b"?")[0].decode("latin-1")
            self._log_request(request.method.decode(), path, status, caller)

    def _answer(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for way, requests in waiting.items():
            way.answer(requests)
