"""`/api/v1/alerts/{alert_id}/receipt` and `/api/v1/tasks/{task}/why-not`: why somebody was told, and why nobody was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.limits import NAME_CHARACTERS_MAX
from jobsight.core.receipts import receipt_of, why_not_of
from jobsight.core.state import State
from jobsight.core.tokens import TokenScope
from jobsight.engine.receipts import known_deliveries, open_alert, seen_jobs, stored_deliveries
from jobsight.protocol.refusals import Code, shown
from jobsight.transports.http import parameters
from jobsight.transports.http.asking import Asking
from jobsight.transports.http.exchange import HttpRefusal
from jobsight.transports.http.routes import Endpoint, json_response

RECEIPT: Final = "/api/v1/alerts/{alert_id}/receipt"
WHY_NOT: Final = "/api/v1/tasks/{task:path}/why-not"


def receipt_endpoints(state: State, asking: Asking, clock_ms: Callable[[], int]) -> list[Endpoint]:
    """
    The routes.

    Args:
        state: The writer's; read on the loop's thread only.
        asking: Reads the view.
        clock_ms: Wall time, ms since the epoch, UTC.
    """

    async def receipt(request: Request) -> Response:
        parameters.read(request.query_params.multi_items(), parameters.NoParameters)
        name = request.path_params["alert_id"]
        alert = open_alert(state, name) or await asking.ask(lambda source: source.view.find_alert(name))
        if alert is None:
            text = f"alert_id: no alert is called {shown(name)}"
            raise HttpRefusal(404, Code.KEY_DOES_NOT_EXIST, text)
        stored = await asking.ask(lambda source: stored_deliveries(source.view, alert))
        return json_response(receipt_of(state, alert, known_deliveries(state, alert, stored), clock_ms()))

    async def why_not(request: Request) -> Response:
        parameters.read(request.query_params.multi_items(), parameters.NoParameters)
        task = request.path_params["task"]
        if not 1 <= len(task) <= NAME_CHARACTERS_MAX:
            text = f"task: expected a name of 1 to {NAME_CHARACTERS_MAX} characters"
            raise HttpRefusal(400, Code.MALFORMED_REQUEST, text)
        jobs, last = await asking.ask(lambda source: (seen_jobs(source.view, task), source.view.last_resolved(task)))
        return json_response(why_not_of(state, task, clock_ms(), jobs=jobs, last=last))

    return [
        Endpoint(method="GET", path=RECEIPT, needs=TokenScope.READ, handle=receipt),
        Endpoint(method="GET", path=WHY_NOT, needs=TokenScope.READ, handle=why_not),
    ]
