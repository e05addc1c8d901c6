"""One connection: uvicorn's protocol on httptools, with bounds against clients that are slow, endless or too many."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from asyncio import AbstractEventLoop, Transport
from typing import Any, Final

from typing_extensions import override
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from jobsight.transports.http.access import LOCAL_USER
from jobsight.transports.http.exchange import Scope
from jobsight.transports.http.hot import HotPaths, HotRequest

HEAD_BYTES_MAX: Final = 64 * 1024
"""Request line and headers together."""

SWEEP_SECONDS: Final = 1.0
"""How often connections are looked at."""

_PEER_CREDENTIALS: Final = struct.Struct("3i")


class Bounds:
    """
    What connections may do.

    Args:
        connections: Open at once.
        header_seconds: Within which a request's head has to be whole.
        idle_seconds: After which a connection on which nothing moves is closed.
        is_control: A Unix socket that only its owner can open.
    """

    def __init__(
        self, *, connections: int, header_seconds: float, idle_seconds: float, is_control: bool = False
    ) -> None:
        self.connections = connections
        self.header_seconds = header_seconds
        self.idle_seconds = idle_seconds
        self.is_control = is_control


class BoundedConfig(Config):
    """uvicorn's configuration, the bounds of its connections, and what is answered below ASGI."""

    bounds: Bounds
    hot: HotPaths


class _Openings:
    """The first lines of replies by their status, made anew when the date changes, which is once a second."""

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._known: dict[int, bytes] = {}

    def of(self, status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Status line, and the headers that every reply has."""
        if headers is not self._headers:
            self._headers = headers
            self._known.clear()
        opening = self._known.get(status)
        if opening is None:
            lines = [b"%b: %b\r\n" % header for header in headers]
            opening = self._known[status] = STATUS_LINE[status] + b"".join(lines)
        return opening


_openings: Final = _Openings()


class Connection(HttpToolsProtocol):
    """A connection that keeps to the bounds of its server."""

    config: BoundedConfig

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._bounds = self.config.bounds
        self._local_user: str | None = None
        self.hot_scope: Scope = {}
        self._is_in_head = True
        self._head_bytes = 0
        self._head_since = self._moved = self.loop.time()

    @override
    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._bounds.connections:
            self._refuse(503, b"Service Unavailable", b"too many connections")
        elif self._bounds.is_control:
            self._local_user = _user_of(transport)
            self.hot_scope[LOCAL_USER] = self._local_user
        self.hot_scope["client"], self.hot_scope["scheme"] = self.client, self.scheme

    @override
    def data_received(self, data: bytes) -> None:
        self._moved = self.loop.time()
        super().data_received(data)
        if self._is_in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(431, b"Request Header Fields Too Large", b"the head of the request is too large")

    @override
    def on_message_begin(self) -> None:
        # The scope waits until it is known that somebody wants it.
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._is_in_head = True
        self._head_bytes = 0
        self._head_since = self._moved

    @override
    def on_headers_complete(self) -> None:
        self._is_in_head = False
        before = self._current()
        if before is None or before.response_complete:
            method, headers = self.parser.get_method(), dict(self.headers)
            way = self.config.hot.way_of(method, self.url, headers)
            if way is not None:
                keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
                self.cycle = HotRequest(self, way, method, self.url, headers, keep_alive)  # type: ignore[assignment]
                return
        self._open_scope()
        super().on_headers_complete()

    def _open_scope(self) -> None:
        url, headers, is_expecting = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, is_expecting
        self.headers += headers
        if self._local_user is not None:
            self.scope[LOCAL_USER] = self._local_user  # type: ignore[typeddict-unknown-key]

    @override
    def on_body(self, body: bytes) -> None:
        cycle = self._current()
        if isinstance(cycle, HotRequest):
            cycle.body += body
        else:
            super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        cycle = self._current()
        if isinstance(cycle, HotRequest):
            cycle.more_body = False
            self.config.hot.take(cycle)
        else:
            super().on_message_complete()

    def end_hot(self, request: HotRequest, status: int, answer: bytes) -> None:
        """Answer a request of a hot path, and begin the next one that waits on this connection."""
        request.response_complete = True
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.transport.write(_openings.of(status, self.server_state.default_headers) + answer)
        if not request.keep_alive:
            self.transport.close()
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    @override
    def eof_received(self) -> bool | None:  # type: ignore[override]
        """A client that has sent its whole request may close its side and still gets its answer."""
        cycle = self._current()
        if cycle is None or cycle.more_body or cycle.response_complete:
            return None
        cycle.keep_alive = False
        return True

    @override
    def pause_writing(self) -> None:
        self._moved = self.loop.time()
        super().pause_writing()

    @override
    def resume_writing(self) -> None:
        self._moved = self.loop.time()
        super().resume_writing()

    def sweep(self, now: float) -> None:
        """Close the connection where the client keeps it open for too long without doing its part."""
        if self.transport.is_closing():
            return
        bounds = self._bounds
        is_idle = now - self._moved > bounds.idle_seconds
        cycle = self._current()
        if cycle is not None and not cycle.response_complete:
            waits_for_client = self.flow.write_paused or (cycle.more_body and not self.flow.read_paused)
            if is_idle and waits_for_client:
                self.transport.abort()
        elif is_idle:
            self.transport.close()
        elif (
            self._is_in_head and (self._head_bytes or cycle is None) and now - self._head_since > bounds.header_seconds
        ):
            self._refuse(408, b"Request Timeout", b"the head of the request did not come in time")

    def _current(self) -> RequestResponseCycle | HotRequest | None:
        """The last request; None before the first."""
        return self.cycle

    def _refuse(self, status: int, reason: bytes, text: bytes) -> None:
        """Answer without a request, and close."""
        body = text + b"\n"
        head = b"HTTP/1.1 %d %s\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n"
        retry = b"retry-after: 1\r\n" if status == 503 else b""
        self.transport.write(head % (status, reason, len(body)) + retry + b"\r\n" + body)
        self.transport.close()


def _user_of(transport: Transport) -> str:
    """The name of the user at the other end of a Unix socket; where the system does not tell, its owner's."""
    user_id = os.getuid()
    if hasattr(socket, "SO_PEERCRED"):
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as peer:
            credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
        user_id = _PEER_CREDENTIALS.unpack(credentials)[1]
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)
