"""`/api/v1/users`: operators who may sign in. Every change is an event with its author; a password is in none of them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.tokens import TokenScope
from jobsight.engine.users import USERS_PATH, describe_user
from jobsight.transports.http.answers import PasswordWish, UserWish
from jobsight.transports.http.routes import Endpoint, caller_of, json_response
from jobsight.transports.http.user_changes import UserChanges
from jobsight.transports.http.wishing import wish_of


def user_endpoints(changes: UserChanges) -> list[Endpoint]:
    """The routes; `changes` carries them out."""

    async def create(request: Request) -> Response:
        wish = await wish_of(request, UserWish)
        await changes.add(wish.name, wish.scope, wish.password, caller_of(request).author)
        return json_response({"name": wish.name, "scope": wish.scope}, 201)

    async def index(request: Request) -> Response:
        return json_response({"users": [describe_user(user) for user in changes.users.all()]})

    async def change_password(request: Request) -> Response:
        user, wish = changes.require(request.path_params["name"]), await wish_of(request, PasswordWish)
        await changes.change_password(user, wish.password, caller_of(request).author)
        return json_response({"name": user.name, "scope": user.scope})

    async def remove(request: Request) -> Response:
        user = changes.require(request.path_params["name"])
        await changes.remove(user, caller_of(request).author)
        return json_response({"name": user.name, "state": "removed"})

    admin, one = TokenScope.ADMIN, USERS_PATH + "/{name}"
    return [
        Endpoint(method="POST", path=USERS_PATH, needs=admin, is_changing=True, handle=create),
        Endpoint(method="GET", path=USERS_PATH, needs=admin, handle=index),
        Endpoint(method="PUT", path=one + "/password", needs=admin, is_changing=True, handle=change_password),
        Endpoint(method="DELETE", path=one, needs=admin, is_changing=True, handle=remove),
    ]
