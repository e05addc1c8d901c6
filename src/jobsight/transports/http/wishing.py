"""What a changing request brings, and what becomes of it: its body as a struct, refusals in words, events stored and shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec
from starlette.requests import Request

from jobsight.core.events import InternalEvent
from jobsight.errors import ConflictError, NotFoundError, UsageError
from jobsight.protocol.refusals import Code
from jobsight.transports.http.exchange import HttpRefusal
from jobsight.transports.http.recorder import Recorder
from jobsight.transports.http.token_api import record

BODY_BYTES_MAX = 1024 * 1024

Wish = TypeVar("Wish")


async def wish_of(request: Request, kind: type[Wish]) -> Wish:
    """
    The body of a request as the struct that says what may stand in it; an empty one is an empty object.

    Raises:
        HttpRefusal: It is none, a field is unknown or of a wrong form (400), or it is too large (413).
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            raise HttpRefusal(413, Code.MALFORMED_REQUEST, f"body: expected at most {BODY_BYTES_MAX} bytes")
    try:
        return msgspec.json.decode(body.strip() or b"{}", type=kind)
    except msgspec.ValidationError as error:
        words, _, place = str(error).partition(" - at `$.")
        text = f"body.{place.rstrip('`')}" if place else "body"
        raise HttpRefusal(400, Code.MALFORMED_REQUEST, f"{text}: {words[0].lower()}{words[1:]}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HttpRefusal(400, Code.MALFORMED_REQUEST, f"body: expected JSON ({error})") from error


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what cannot be done into the refusal of a request. Raises HttpRefusal."""
    try:
        yield
    except UsageError as error:
        raise HttpRefusal(400, Code.MALFORMED_REQUEST, str(error)) from error
    except NotFoundError as error:
        raise HttpRefusal(404, Code.KEY_DOES_NOT_EXIST, str(error)) from error
    except ConflictError as error:
        raise HttpRefusal(409, Code.PRECONDITION_FAILED, str(error)) from error


async def carry_out(writer: Recorder, events: Sequence[InternalEvent]) -> None:
    """Store events, where there are any; see `record`."""
    if events:
        await record(writer, list(events))
