"""`/` where the pages were left out of the build."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from jobsight.transports.http.routes import Endpoint

TEXT: Final = """\
This Jobsight was built without its pages.

Reports are taken and alerts are sent all the same, and every figure can be asked for:

    jobsight status
    jobsight jobs
    curl http://127.0.0.1:8787/api/v1/stats

To get the pages, build it with Node and npm on PATH, and without JOBSIGHT_SKIP_UI: in a clone, make pages.
"""


def unbuilt_endpoint() -> Endpoint:
    """The only page where there are none."""

    async def handle(request: Request) -> Response:
        return PlainTextResponse(TEXT)

    return Endpoint(method="GET", path="/", needs=None, handle=handle)
