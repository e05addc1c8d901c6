"""`/openapi.json`: the description of the API, made from the structs that it reads and answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from jobsight import __version__
from jobsight.core.events import Name
from jobsight.core.receipts import Receipt, WhyNot
from jobsight.core.tokens import TokenScope
from jobsight.protocol.messages import Message
from jobsight.transports.http import answers, parameters
from jobsight.transports.http.operations import EVENT_STREAM, JSON, NDJSON, TEXT, Operation
from jobsight.transports.http.operator_operations import OPERATORS
from jobsight.transports.http.routes import Endpoint

PATH: Final = "/openapi.json"
VERSION: Final = "3.1.0"

JobIdPath = Annotated[str, Meta(min_length=1, max_length=256, description="The job's id.")]
AlertIdPath = Annotated[str, Meta(min_length=1, max_length=64, description="The alert's id, or its fingerprint.")]
TaskPath = Annotated[Name, Meta(description="The task's name.")]
UserPath = Annotated[str, Meta(min_length=1, max_length=64, description="The operator's name.")]
TokenIdPath = Annotated[str, Meta(min_length=1, max_length=64, description="The token's id.")]


_QUERY: Final = (400, 503)
_PATH_PARAMETERS: Final[Mapping[str, Any]] = {
    "alert_id": AlertIdPath,
    "job_id": JobIdPath,
    "name": UserPath,
    "task": TaskPath,
    "token_id": TokenIdPath,
    "channel": Annotated[str, Meta(min_length=1, max_length=256, description="The channel's name.")],
}
_ERRORS: Final = {
    400: "The request is not as expected; the text says how.",
    401: "A token is needed, or this one opens nothing.",
    403: "The token's scope, or the page that asks, does not allow this.",
    404: "There is no such thing.",
    409: "It cannot be done as things stand.",
    413: "The body is too large.",
    415: "The body is of another kind than is understood.",
    429: "Too many requests; `Retry-After` says when to come again.",
    500: "Whether it was done is not known.",
    503: "It cannot be done now, and nothing was; `Retry-After` says when to come again.",
}

OPERATIONS: Final[Mapping[tuple[str, str], Operation]] = {
    ("POST", "/api/v1/events"): Operation(
        summary="Report: one message, or any number of them, one a line, answered line by line.",
        body=Message,
        bodies=(JSON, NDJSON),
        answer=answers.Anything,
        errors=(400, 404, 409, 413, 415, 500, 503),
    ),
    ("GET", "/api/v1/stats"): Operation(
        summary="How many jobs there are, where they stand, and how long they take.",
        parameters=parameters.StatsParameters,
        answer=answers.StatsAnswer,
        errors=_QUERY,
    ),
    ("GET", "/api/v1/jobs"): Operation(
        summary="Jobs, the newest first.",
        parameters=parameters.JobsParameters,
        answer=answers.JobPage,
        errors=_QUERY,
    ),
    ("GET", "/api/v1/jobs/{job_id}"): Operation(
        summary="One job.",
        parameters=parameters.JobParameters,
        answer=answers.JobDetail,
        errors=(*_QUERY, 404),
    ),
    ("GET", "/api/v1/jobs/{job_id}/history"): Operation(
        summary="The events of a job, the latest page first.",
        parameters=parameters.HistoryParameters,
        answer=answers.HistoryPage,
        errors=(*_QUERY, 404),
    ),
    ("GET", "/api/v1/tasks"): Operation(
        summary="Tasks, by name.", parameters=parameters.TasksParameters, answer=answers.TaskPage, errors=_QUERY
    ),
    ("GET", "/api/v1/series"): Operation(
        summary="What ended over time: counts, durations and their distribution, in at most 600 points.",
        parameters=parameters.SeriesParameters,
        answer=answers.SeriesAnswer,
        errors=_QUERY,
    ),
    ("GET", "/api/v1/alerts/{alert_id}/receipt"): Operation(
        summary="All that is on record of an alert: the rule, every decision with its reason, every delivery try.",
        answer=Receipt,
        errors=(*_QUERY, 404),
    ),
    ("GET", "/api/v1/tasks/{task}/why-not"): Operation(
        summary="Why nobody was told about a task, or what was found at it after all.",
        answer=WhyNot,
        errors=_QUERY,
    ),
    ("GET", "/api/v1/live"): Operation(
        summary="A frame a second, the same for all who look: counts, the latest bucket, durations, open alerts.",
        kind=EVENT_STREAM,
        errors=(400, 503),
    ),
    ("GET", "/api/v1/tail"): Operation(
        summary="Events as they come.", parameters=parameters.TailParameters, kind=EVENT_STREAM, errors=(400, 503)
    ),
    ("GET", "/api/v1/tokens"): Operation(summary="The tokens there are.", answer=answers.Anything),
    ("POST", "/api/v1/tokens"): Operation(
        summary="Make a token; its text is shown this once.",
        body=answers.TokenWish,
        answer=answers.TokenAnswer,
        status=201,
        errors=(400, 409, 413, 500, 503),
    ),
    ("DELETE", "/api/v1/tokens/{token_id}"): Operation(
        summary="Take a token back.", answer=answers.Anything, errors=(400, 404, 500, 503)
    ),
    ("GET", "/api/v1/users"): Operation(summary="The operators who may sign in.", answer=answers.UsersAnswer),
    ("POST", "/api/v1/users"): Operation(
        summary="Let an operator sign in.",
        body=answers.UserWish,
        answer=answers.Anything,
        status=201,
        errors=(400, 413, 500, 503),
    ),
    ("PUT", "/api/v1/users/{name}/password"): Operation(
        summary="Give an operator another password, and end the sessions of the one before.",
        body=answers.PasswordWish,
        answer=answers.Anything,
        errors=(400, 404, 413, 500, 503),
    ),
    ("DELETE", "/api/v1/users/{name}"): Operation(
        summary="Let an operator sign in no more, and end the sessions.",
        answer=answers.Anything,
        errors=(404, 500, 503),
    ),
    ("GET", "/api/v1/ping-urls"): Operation(summary="The ping URLs there are, masked.", answer=answers.PingUrls),
    ("POST", "/api/v1/ping-urls"): Operation(
        summary="Make a ping URL for a task, or a ping key for all of them.",
        body=answers.PingUrlWish,
        answer=answers.NewPingUrl,
        status=201,
        errors=(400, 409, 413, 500, 503),
    ),
    ("POST", "/api/v1/ping-urls/{ping_id}/rotate"): Operation(
        summary="Put a new ping URL in the place of an old one, which is good for nothing from then on.",
        answer=answers.NewPingUrl,
        status=201,
        errors=(404, 500, 503),
    ),
    ("DELETE", "/api/v1/ping-urls/{ping_id}"): Operation(
        summary="Take a ping URL back.", answer=answers.Anything, errors=(404, 500, 503)
    ),
    ("GET", "/metrics"): Operation(summary="Figures for Prometheus.", kind=TEXT),
    ("GET", "/healthz"): Operation(summary="The process answers.", kind=TEXT),
    ("GET", "/readyz"): Operation(summary="Reports can be taken.", kind=TEXT, errors=(503,)),
    **OPERATORS,
}
"""Method and path, as the description writes it, of every route -> what is said about it."""


def openapi_endpoint(inventory: Sequence[Endpoint]) -> Endpoint:
    """The route of the description of others."""
    described: list[bytes] = []

    async def handle(request: Request) -> Response:
        if not described:
            described.append(msgspec.json.encode(description(inventory)))
        return Response(described[0], media_type=JSON)

    return Endpoint(method="GET", path=PATH, needs=TokenScope.READ, handle=handle)


def description(inventory: Sequence[Endpoint]) -> dict[str, Any]:
    """The description of some routes, as OpenAPI wants it."""
    known = [(one, OPERATIONS[key]) for one in inventory if (key := (one.method, plain_path(one.path))) in OPERATIONS]
    kinds = [answers.ErrorAnswer]
    for _, operation in known:
        kinds += [kind for kind in (operation.body, operation.answer) if kind is not None]
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    schema_of = {str(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint, operation in known:
        path = plain_path(endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, path, operation, schema_of)
    return {
        "openapi": VERSION,
        "info": {
            "title": "Jobsight",
            "version": __version__,
            "summary": "A job monitor for operators.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def plain_path(path: str) -> str:
    """A path as OpenAPI writes it: parameters without their converters."""
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


def _operation(endpoint: Endpoint, path: str, operation: Operation, schema_of: Mapping[str, Any]) -> dict[str, Any]:
    refusals = set(operation.errors)
    told: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": re.sub(r"\W+", "_", f"{endpoint.method.lower()}{path}").strip("_"),
        "parameters": [*_path_parameters(path), *_query_parameters(operation.parameters)],
    }
    if endpoint.needs is not None:
        refusals |= {401, 403, 429}
        told["security"] = [{"token": []}, {}]
        told["x-scope"] = endpoint.needs.word
    if operation.body is not None:
        schema = schema_of[str(operation.body)]
        told["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": schema if kind == JSON else {"type": "string"}} for kind in operation.bodies},
        }
    content: dict[str, Any] = {operation.kind: {"schema": {"type": "string"}}}
    if operation.answer is not None:
        content = {JSON: {"schema": schema_of[str(operation.answer)]}}
        if NDJSON in operation.bodies:
            content[NDJSON] = {"schema": {"type": "string"}}
    told["responses"] = {str(operation.status): {"description": operation.summary, "content": content}}
    error = {TEXT: {"schema": {"type": "string"}}} if endpoint.needs is None else _error_content(schema_of)
    for status in sorted(refusals):
        told["responses"][str(status)] = {"description": _ERRORS[status], "content": error}
    return told


def _error_content(schema_of: Mapping[str, Any]) -> dict[str, Any]:
    return {JSON: {"schema": schema_of[str(answers.ErrorAnswer)]}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": msgspec.json.schema(_PATH_PARAMETERS.get(name, TokenIdPath)),
        }
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query_parameters(kind: type[Struct]) -> list[dict[str, Any]]:
    found = []
    for field in msgspec.structs.fields(kind):
        schema = _without_null(msgspec.json.schema(field.type))
        told = {"name": field.name, "in": "query", "required": False, "schema": schema}
        if "description" in schema:
            told["description"] = schema.pop("description")
        if field.default not in (None, msgspec.NODEFAULT):
            schema["default"] = field.default
        found.append(told)
    return found


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an optional value without the null, which no query can say."""
    options = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    return {**options[0], **{k: v for k, v in schema.items() if k != "anyOf"}} if len(options) == 1 else schema
