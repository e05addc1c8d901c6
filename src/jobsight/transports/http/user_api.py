"""`/api/v1/users`: operators who may sign in. Every change is an event with its author; a password is in none of them."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.events import UserRemoved
from jobsight.core.tokens import TokenScope
from jobsight.core.users import User
from jobsight.engine.users import USERS_PATH, Users, describe_user, require_password
from jobsight.engine.writer import Writer
from jobsight.transports.http.answers import PasswordWish, UserWish
from jobsight.transports.http.exchange import HttpRefusal
from jobsight.transports.http.routes import Endpoint, caller_of, json_response
from jobsight.transports.http.wishing import record, refusing, wish_of


def user_endpoints(writer: Writer, users: Users) -> list[Endpoint]:
    """The routes; `writer` takes the events, `users` knows who there is."""

    def found(request: Request) -> User:
        with refusing():
            return users.require(request.path_params["name"])

    async def store(name: str, scope: str, password: str, author: str) -> None:
        event = await asyncio.to_thread(users.keep, name, scope, password, author)
        before = users.find(name)
        try:
            await record(writer, [event])
        except HttpRefusal as why:
            if why.status == 503:  # it is certain that no event names the hash
                users.forget(event.password_ref)
            raise
        if before is not None:
            users.forget(before.password_ref)

    async def create(request: Request) -> Response:
        wish = await wish_of(request, UserWish)
        with refusing():
            users.require_new(wish.name, wish.scope, wish.password)
        await store(wish.name, wish.scope, wish.password, caller_of(request).author)
        return json_response({"name": wish.name, "scope": wish.scope}, 201)

    async def index(request: Request) -> Response:
        return json_response({"users": [describe_user(user) for user in users.all()]})

    async def change_password(request: Request) -> Response:
        user, wish = found(request), await wish_of(request, PasswordWish)
        with refusing():
            require_password(wish.password)
        await store(user.name, user.scope, wish.password, caller_of(request).author)
        return json_response({"name": user.name, "scope": user.scope})

    async def remove(request: Request) -> Response:
        user = found(request)
        await record(writer, [UserRemoved(name=user.name, author=caller_of(request).author)])
        users.forget(user.password_ref)
        return json_response({"name": user.name, "state": "removed"})

    admin, one = TokenScope.ADMIN, USERS_PATH + "/{name}"
    return [
        Endpoint(method="POST", path=USERS_PATH, needs=admin, is_changing=True, handle=create),
        Endpoint(method="GET", path=USERS_PATH, needs=admin, handle=index),
        Endpoint(method="PUT", path=one + "/password", needs=admin, is_changing=True, handle=change_password),
        Endpoint(method="DELETE", path=one, needs=admin, is_changing=True, handle=remove),
    ]
