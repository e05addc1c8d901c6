"""What the description of the API says about one route."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from jobsight.transports.http import parameters

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
EVENT_STREAM: Final = "text/event-stream"
TEXT: Final = "text/plain"


class Operation(Struct, frozen=True, kw_only=True):
    """
    What the description says about a route.

    Attributes:
        summary: In one sentence.
        parameters: The struct of its query.
        body: The type of its body, where it has one; `bodies` the media types.
        answer: The type of its answer; None for text.
        kind: The answer's media type; `status` its status.
        errors: What it may refuse with, beside 401, 403 and 429.
    """

    summary: str
    parameters: type[Struct] = parameters.NoParameters
    body: Any = None
    bodies: tuple[str, ...] = (JSON,)
    answer: Any = None
    kind: str = JSON
    status: int = 200
    errors: tuple[int, ...] = ()
