"""Reports that the service makes itself, for somebody who looks at pages: they go the same road as every other report."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from jobsight.engine.writer import Writer
from jobsight.protocol.codec import Codec
from jobsight.protocol.session import Outcome
from jobsight.transports.http.exchange import STATUS, HttpRefusal

_encode: Final = msgspec.json.Encoder().encode


async def report(writer: Writer, source: str, bodies: Sequence[dict[str, Any]]) -> None:
    """
    Store some reports, and return once they hold.

    Args:
        writer: Takes them.
        source: Who sends them.
        bodies: As the protocol writes them.

    Raises:
        HttpRefusal: They were not stored (503), or that is not known (500).
    """
    if not bodies:
        return
    lines = b"".join(_encode({"src": source, "dest": "jobsight", "body": body}) + b"\n" for body in bodies)
    chunk = Codec().read([lines])
    stored: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def deliver(outcome: Outcome) -> None:
        if not stored.done():
            stored.set_result(outcome)

    writer.submit(chunk, deliver)
    failure = (await stored).failure
    if failure is not None:
        raise HttpRefusal(STATUS[failure.code], failure.code, failure.text)
