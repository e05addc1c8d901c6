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
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from jobsight.transports.http.access import LOCAL_USER

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
    """uvicorn's configuration, and the bounds of its connections."""

    bounds: Bounds


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
        super().on_message_begin()
        if self._local_user is not None:
            self.scope[LOCAL_USER] = self._local_user  # type: ignore[typeddict-unknown-key]
        self._is_in_head = True
        self._head_bytes = 0
        self._head_since = self._moved

    @override
    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()

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

    def _current(self) -> RequestResponseCycle | None:
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
