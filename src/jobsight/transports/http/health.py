"""`/healthz`: the process answers. `/readyz`: it can take reports."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from jobsight.transports.http.routes import Endpoint


def health_endpoints(why_not_ready: Callable[[], str | None]) -> list[Endpoint]:
    """
    The two routes for whoever starts and watches this process; neither needs a token.

    Args:
        why_not_ready: In words, why no reports can be taken now; None while they can.
    """

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        reason = why_not_ready()
        return PlainTextResponse("ready\n") if reason is None else PlainTextResponse(f"{reason}\n", 503)

    return [
        Endpoint(method="GET", path="/healthz", needs=None, handle=healthz),
        Endpoint(method="GET", path="/readyz", needs=None, handle=readyz),
    ]
