"""Server-sent events on bare ASGI: a response that goes on until the client leaves or the service stops."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from starlette.responses import Response
from typing_extensions import override

from jobsight.protocol.refusals import Code
from jobsight.transports.http.exchange import RETRY_SECONDS, HttpRefusal, Receive, Scope, Send

OPENING: Final = b"retry: 2000\n\n"
"""Sent at once, so that the client knows that it is connected, and how soon to come back."""

HEARTBEAT: Final = b":\n\n"

HEARTBEAT_S: Final = 15.0

BUFFER_EVENTS: Final = 1_000
"""Events that wait for one client; further ones are dropped, and it is said how many."""

_HEAD: Final = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    ],
}


class Follower:
    """A client that is shown events as they come: bounded, with a sign of life when there are none."""

    def __init__(self) -> None:
        self.dropped = 0
        self._is_over = False
        self._change = asyncio.Event()
        self._parts: deque[bytes] = deque()

    def add(self, part: bytes) -> None:
        """One more event, as it is sent."""
        if len(self._parts) >= BUFFER_EVENTS:
            self.dropped += 1
        else:
            self._parts.append(part)
            self._change.set()

    def drop(self, count: int) -> None:
        """So many events could not be shown."""
        self.dropped += count
        self._change.set()

    def end(self) -> None:
        """End the stream, once what waits is sent."""
        self._is_over = True
        self._change.set()

    async def next_part(self) -> bytes | None:
        """What is to be sent next, waited for; None at the end."""
        while not self._parts and not self.dropped:
            if self._is_over:
                return None
            self._change.clear()
            try:
                await asyncio.wait_for(self._change.wait(), HEARTBEAT_S)
            except TimeoutError:
                return HEARTBEAT
        parts = list(self._parts)
        self._parts.clear()
        if self.dropped:
            parts.append(b'event: dropped\ndata: {"count":%d}\n\n' % self.dropped)
            self.dropped = 0
        return b"".join(parts)


class EventStream(Response):
    """
    A stream of events.

    Args:
        next_part: The next bytes, waited for; None ends the stream.
        on_end: Called once, however it ends.
    """

    def __init__(self, next_part: Callable[[], Awaitable[bytes | None]], on_end: Callable[[], None]) -> None:
        super().__init__()
        self._next_part = next_part
        self._on_end = on_end

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self._send_all(send))
        try:
            # A client that sends more than its request says nothing that matters; one that leaves ends the stream.
            leaving = asyncio.ensure_future(_left(receive))
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
            if not sending.done():
                sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
        finally:
            self._on_end()

    async def _send_all(self, send: Send) -> None:
        await send(_HEAD)
        await send({"type": "http.response.body", "body": OPENING, "more_body": True})
        while (part := await self._next_part()) is not None:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def too_many(clients_max: int) -> HttpRefusal:
    """The refusal of one stream more than there may be."""
    after = (b"retry-after", b"%d" % RETRY_SECONDS)
    text = f"{clients_max} clients look on already; try again later"
    return HttpRefusal(503, Code.TEMPORARILY_UNAVAILABLE, text, headers=(after,))


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
