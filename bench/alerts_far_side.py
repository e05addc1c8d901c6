"""A webhook's far side in a thread of the bench: it notes the moment of the first byte of each request, and what it said."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


class FarSide:
    """What came in: the moment of its first byte (`time.perf_counter`), and the notification."""

    def __init__(self) -> None:
        self.port = 0
        self.received: list[tuple[float, dict[str, Any]]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        first = await reader.read(1)
        at = time.perf_counter()
        head = (first + await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        writer.write(ANSWER)
        await writer.drain()
        writer.close()
        self.received.append((at, json.loads(body)["data"]))

    def wait_for(self, count: int, seconds: float) -> int:
        """Wait until so many came, at most for so long; how many did."""
        ends = time.monotonic() + seconds
        while len(self.received) < count and time.monotonic() < ends:
            time.sleep(0.01)
        return len(self.received)


@contextmanager
def far_side() -> Iterator[FarSide]:
    """A far side on a free port, until the block ends."""
    loop, side = asyncio.new_event_loop(), FarSide()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def begin() -> asyncio.Server:
        server = await asyncio.start_server(side.serve, "127.0.0.1", 0, backlog=1_024)
        side.port = server.sockets[0].getsockname()[1]
        return server

    server = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    try:
        yield side
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
