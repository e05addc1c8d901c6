"""What a changing request brings, and what becomes of it: its body as a struct, refusals in words, events stored and shown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec
from starlette.requests import Request

from jobsight.core.events import InternalEvent
from jobsight.errors import ConflictError, NotFoundError, UsageError
from jobsight.protocol.refusals import Code
from jobsight.protocol.session import Outcome
from jobsight.transports.http.bodies import bounded_body
from jobsight.transports.http.exchange import STATUS, HttpRefusal
from jobsight.transports.http.faults import place_and_words
from jobsight.transports.http.recorder import Recorder

BODY_BYTES_MAX = 1024 * 1024

Wish = TypeVar("Wish", bound=msgspec.Struct)


async def wish_of(request: Request, kind: type[Wish]) -> Wish:
    """
    The body of a request as the struct that says what may stand in it; an empty one is an empty object.

    Raises:
        HttpRefusal: It is none, a field is unknown or of a wrong form (400), or it is too large (413).
    """
    body = await bounded_body(request, BODY_BYTES_MAX)
    try:
        return msgspec.json.decode(body.strip() or b"{}", type=kind)
    except msgspec.ValidationError as error:
        place, words = place_and_words(error, [field.encode_name for field in msgspec.structs.fields(kind)])
        raise HttpRefusal(400, Code.MALFORMED_REQUEST, f"body{'.' if place else ''}{place}: {words}") from error
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


async def record(writer: Recorder, events: list[InternalEvent]) -> None:
    """
    Store events of the monitor, and return once they hold and the view has them: whoever has caused them finds them in the
    next list and on the next page.

    Raises:
        HttpRefusal: They were not stored (503), or that is not known (500).
    """
    stored: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def deliver(outcome: Outcome) -> None:
        if not stored.done():
            stored.set_result(outcome)

    writer.submit_events(events, deliver)
    failure = (await stored).failure
    if failure is not None:
        raise HttpRefusal(STATUS[failure.code], failure.code, failure.text)
    writer.flush()


async def carry_out(writer: Recorder, events: Sequence[InternalEvent]) -> None:
    """Store events, where there are any; see `record`."""
    if events:
        await record(writer, list(events))
