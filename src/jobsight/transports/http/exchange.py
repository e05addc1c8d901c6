"""One request and its reply on bare ASGI: the pieces that every handler needs, and that the hot paths need to be fast."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from jobsight.protocol.refusals import Code, Refusal, refusal
from jobsight.protocol.replies import error_body

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = dict[bytes, bytes]
"""The last value of each header, by its name in lower case."""

JSON: Final = b"application/json"
NDJSON: Final = b"application/x-ndjson"
RETRY_SECONDS: Final = 1
"""What a client that was refused for want of room or turn is told to wait."""

STATUS: Final = {
    Code.TEMPORARILY_UNAVAILABLE: 503,
    Code.MALFORMED_REQUEST: 400,
    Code.NOT_SUPPORTED: 400,
    Code.CRASH: 500,
    Code.KEY_DOES_NOT_EXIST: 404,
    Code.KEY_ALREADY_EXISTS: 409,
    Code.PRECONDITION_FAILED: 409,
}
"""Error code of a reply -> HTTP status."""


class HttpRefusal(Exception):
    """
    A request that is answered with an error.

    Args:
        status: The HTTP status.
        code: The protocol's code for it.
        text: What was expected, what came, what to do.
        headers: Further ones of the reply.
    """

    def __init__(self, status: int, code: Code, text: str, *, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.refusal: Refusal = refusal(code, text)
        self.headers = headers


class Disconnected(Exception):
    """The client went away, or said nothing for too long, before its request was whole."""


async def reply(
    send: Send, status: int, body: bytes, *, kind: bytes = JSON, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Send a whole reply."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", kind), (b"content-length", b"%d" % len(body)), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, why: HttpRefusal) -> None:
    """Send an error in the protocol's words."""
    await reply(send, why.status, error_body(why.refusal).encode() + b"\n", headers=why.headers)


def too_large(bytes_max: int) -> HttpRefusal:
    """The refusal of a body that is larger than it may be."""
    text = f"body: expected at most {bytes_max} bytes; send more reports as a stream of lines, application/x-ndjson"
    return HttpRefusal(413, Code.MALFORMED_REQUEST, text)
