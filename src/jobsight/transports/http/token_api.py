"""`/api/v1/tokens`: making, listing and revoking tokens. Every change is an event with its author."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.events import TokenRevoked
from jobsight.core.limits import EPOCH_MS_MIN
from jobsight.core.tokens import SCOPES, TokenScope
from jobsight.engine.tokens import TOKENS_MAX, TOKENS_PATH, TokenRegistry, describe, new_token
from jobsight.engine.writer import Writer
from jobsight.errors import NotFoundError
from jobsight.protocol.refusals import Code
from jobsight.transports.http.exchange import HttpRefusal
from jobsight.transports.http.routes import Endpoint, caller_of, json_response
from jobsight.transports.http.wishing import record, refusing, wish_of


class _Wanted(Struct, forbid_unknown_fields=True):
    """What somebody asks for."""

    scope: str
    note: Annotated[str, Meta(max_length=256)] = ""
    expires_ms: Annotated[int, Meta(ge=EPOCH_MS_MIN)] | None = None


def token_endpoints(writer: Writer, tokens: TokenRegistry, clock_ms: Callable[[], int]) -> list[Endpoint]:
    """The routes; `writer` takes the events, `tokens` knows what there is."""

    async def create(request: Request) -> Response:
        wanted = await wish_of(request, _Wanted)
        if wanted.scope not in SCOPES:
            raise HttpRefusal(400, Code.MALFORMED_REQUEST, f"body.scope: expected one of {', '.join(SCOPES)}")
        if len(tokens.all()) >= TOKENS_MAX:
            raise HttpRefusal(409, Code.PRECONDITION_FAILED, f"there are {TOKENS_MAX} tokens already")
        made = new_token(
            SCOPES[wanted.scope], note=wanted.note, expires_ms=wanted.expires_ms, author=caller_of(request).author
        )
        await record(writer, [made.event])
        return json_response({"token": made.text, "token_id": made.event.token_id}, 201)

    async def index(request: Request) -> Response:
        now_ms = clock_ms()
        return json_response({"tokens": [describe(token, tokens, now_ms) for token in tokens.all()]})

    async def revoke(request: Request) -> Response:
        token_id = request.path_params["token_id"]
        with refusing():
            if all(token.token_id != token_id for token in tokens.all()):
                raise NotFoundError(f"there is no token {token_id!r}; jobsight token list shows what there is")
        await record(writer, [TokenRevoked(token_id=token_id, author=caller_of(request).author)])
        return json_response({"token_id": token_id, "state": "revoked"})

    admin = TokenScope.ADMIN
    return [
        Endpoint(method="POST", path=TOKENS_PATH, needs=admin, is_changing=True, handle=create),
        Endpoint(method="GET", path=TOKENS_PATH, needs=admin, handle=index),
        Endpoint(method="DELETE", path=TOKENS_PATH + "/{token_id}", needs=admin, is_changing=True, handle=revoke),
    ]
