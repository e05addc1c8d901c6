"""The body of a request, part by part as it comes in, unpacked where it is packed, and bounded either way."""

from __future__ import annotations

import zlib
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request

from jobsight.protocol.refusals import Code, shown
from jobsight.transports.http.exchange import Disconnected, Headers, HttpRefusal, Receive, too_large

PART_BYTES_MAX: Final = 256 * 1024
"""What is unpacked at once."""

FORM_BYTES_MAX: Final = 16 * 1024
"""The body of a form."""

FORM_FIELDS_MAX: Final = 20

_GZIP: Final = 31


async def bounded_body(request: Request, bytes_max: int) -> bytes:
    """The whole body of a request; HttpRefusal (413) where it is larger than `bytes_max`."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > bytes_max:
            raise HttpRefusal(413, Code.MALFORMED_REQUEST, f"body: expected at most {bytes_max} bytes")
    return body


async def form_body(request: Request) -> dict[str, str]:
    """
    The fields of a form, of each its last value.

    Raises:
        HttpRefusal: The body is no form (400), or longer than `FORM_BYTES_MAX` (413).
    """
    body = await bounded_body(request, FORM_BYTES_MAX)
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=FORM_FIELDS_MAX, keep_blank_values=True)
    except ValueError as error:
        raise HttpRefusal(400, Code.MALFORMED_REQUEST, "body: expected a form, x-www-form-urlencoded") from error
    return {name: values[-1] for name, values in fields.items()}


class Body:
    """
    A request's body.

    Args:
        receive: The request's ASGI channel.
        headers: They say whether the body is packed.
        inflated_bytes_max: What a packed body may unpack to.

    Raises:
        HttpRefusal: It is packed in a way that is not understood (415).
    """

    def __init__(self, receive: Receive, headers: Headers, *, inflated_bytes_max: int) -> None:
        self._receive = receive
        self._inflater: _Inflater | None = None
        self._has_arrived = False
        self.is_over = False
        encoding = headers.get(b"content-encoding")
        if encoding is not None and encoding != b"identity":
            if encoding.strip().lower() not in (b"gzip", b"x-gzip"):
                text = f"Content-Encoding: expected gzip or none, got {shown(encoding.decode('latin-1'))}"
                raise HttpRefusal(415, Code.MALFORMED_REQUEST, text)
            self._inflater = _Inflater(inflated_bytes_max)

    async def part(self) -> bytes:
        """
        The next part, perhaps empty; `is_over` says afterwards whether it was the last one.

        Raises:
            Disconnected: The body ended before it was whole.
            HttpRefusal: It cannot be unpacked (400), or unpacks to too much (413).
        """
        inflater = self._inflater
        if inflater is None:
            data = await self._arriving()
            self.is_over = self._has_arrived
            return data
        if not inflater.has_more:
            inflater.feed(await self._arriving())
        part = inflater.take()
        if self._has_arrived and not inflater.has_more:
            inflater.check_whole()
            self.is_over = True
        return part

    async def whole(self, bytes_max: int) -> bytes:
        """The whole body; HttpRefusal (413) where it is larger than `bytes_max`, and what `part` raises."""
        parts: list[bytes] = []
        size = 0
        while not self.is_over:
            part = await self.part()
            size += len(part)
            if size > bytes_max:
                raise too_large(bytes_max)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _arriving(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        self._has_arrived = not message.get("more_body", False)
        data: bytes = message.get("body", b"")
        return data


class _Inflater:
    """Unpacks gzip in bounded pieces; several members may follow each other."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._room = bytes_max
        self._member = zlib.decompressobj(_GZIP)
        self._packed = b""
        self._is_filled = False

    @property
    def has_more(self) -> bool:
        """Whether there is something to take before more is fed."""
        return bool(self._packed) or self._is_filled

    def feed(self, data: bytes) -> None:
        """What came in."""
        self._packed += data

    def take(self) -> bytes:
        """The next piece."""
        if self._member.eof and self._packed:
            self._member = zlib.decompressobj(_GZIP)
        try:
            piece = self._member.decompress(self._packed, PART_BYTES_MAX)
        except zlib.error as error:
            text = f"body: expected gzip, as Content-Encoding says; it cannot be unpacked ({error})"
            raise HttpRefusal(400, Code.MALFORMED_REQUEST, text) from error
        self._packed = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        self._is_filled = len(piece) == PART_BYTES_MAX
        self._room -= len(piece)
        if self._room < 0:
            text = f"body: expected at most {self._bytes_max} bytes when unpacked; send it in several requests"
            raise HttpRefusal(413, Code.MALFORMED_REQUEST, text)
        return piece

    def check_whole(self) -> None:
        """HttpRefusal (400) where the last member does not end."""
        if not self._member.eof:
            text = "body: expected gzip, as Content-Encoding says; it ends too early"
            raise HttpRefusal(400, Code.MALFORMED_REQUEST, text)
