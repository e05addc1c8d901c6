"""`/api/v1/checks`: what is expected of each task. Every change is an event with its author."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.limits import NAME_CHARACTERS_MAX
from jobsight.core.tokens import TokenScope
from jobsight.engine.operating import alerting_tasks, check_removed, check_set, describe_check, standing_of
from jobsight.errors import NotFoundError, UsageError
from jobsight.transports.http.operator_answers import CheckWish
from jobsight.transports.http.paging import name_of, text_of
from jobsight.transports.http.parameters import ChecksParameters, read
from jobsight.transports.http.recorder import Recorder
from jobsight.transports.http.routes import Endpoint, caller_of, json_response
from jobsight.transports.http.wishing import carry_out, refusing, wish_of

PATH = "/api/v1/checks"


def check_endpoints(writer: Recorder) -> list[Endpoint]:
    """The routes; `writer` takes the events, and its state knows the checks."""
    state = writer.state

    def answer(task: str, status: int = 200) -> Response:
        check = state.checks.get(task)
        if check is None:
            raise NotFoundError(f"nothing is expected of the task {task!r}")
        return json_response({**describe_check(state, check), "as_of_seq": state.applied_seq}, status)

    async def index(request: Request) -> Response:
        wanted = read(request.query_params.multi_items(), ChecksParameters)
        after = None if wanted.cursor is None else name_of(wanted.cursor)
        alerting = alerting_tasks(state)
        found = sorted(
            task
            for task, check in state.checks.items()
            if wanted.task in (None, task)
            and wanted.origin in (None, str(check.origin))
            and wanted.state in (None, standing_of(check, alerting))
        )
        page = [task for task in found if after is None or task > after][: wanted.limit]
        is_last = not page or page[-1] == found[-1]
        return json_response(
            {
                "checks": [describe_check(state, state.checks[task]) for task in page],
                "cursor": None if is_last else text_of(page[-1]),
                "count": len(found),
                "as_of_seq": state.applied_seq,
            }
        )

    async def show(request: Request) -> Response:
        with refusing():
            return answer(request.path_params["task"])

    async def put(request: Request) -> Response:
        wish = await wish_of(request, CheckWish)
        task = request.path_params["task"]
        with refusing():
            if not 0 < len(task) <= NAME_CHARACTERS_MAX:
                raise UsageError(f"task: expected 1 to {NAME_CHARACTERS_MAX} characters")
            is_new = task not in state.checks
            event = check_set(state, task, msgspec.to_builtins(wish), caller_of(request).author)
            await carry_out(writer, [event])
            return answer(task, 201 if is_new else 200)

    async def delete(request: Request) -> Response:
        task = request.path_params["task"]
        with refusing():
            await carry_out(writer, [check_removed(state, task, caller_of(request).author)])
        return json_response({"task": task, "state": "removed"})

    read_scope, operate, one = TokenScope.READ, TokenScope.OPERATE, PATH + "/{task:path}"
    return [
        Endpoint(method="GET", path=PATH, needs=read_scope, handle=index),
        Endpoint(method="GET", path=one, needs=read_scope, handle=show),
        Endpoint(method="PUT", path=one, needs=operate, is_changing=True, handle=put),
        Endpoint(method="DELETE", path=one, needs=operate, is_changing=True, handle=delete),
    ]
