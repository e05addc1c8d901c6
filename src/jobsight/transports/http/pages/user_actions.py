"""What the forms about operators do, on the page of the settings."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.tokens import TokenScope
from jobsight.transports.http.bodies import form_body
from jobsight.transports.http.pages.doing import back
from jobsight.transports.http.routes import Endpoint, caller_of
from jobsight.transports.http.user_changes import UserChanges

PATH: Final = "/settings/users"
BACK: Final = "/settings#operators"


def user_action_endpoints(changes: UserChanges) -> list[Endpoint]:
    """The routes; `changes` carries them out."""

    async def add(request: Request) -> Response:
        form = await form_body(request)
        name, scope, password = form.get("name", "").strip(), form.get("scope", ""), form.get("password", "")
        await changes.add(name, scope, password, caller_of(request).author)
        return back(form, "saved", BACK)

    async def change_password(request: Request) -> Response:
        form, user = await form_body(request), changes.require(request.path_params["name"])
        await changes.change_password(user, form.get("password", ""), caller_of(request).author)
        return back(form, "saved", BACK)

    async def remove(request: Request) -> Response:
        form, user = await form_body(request), changes.require(request.path_params["name"])
        await changes.remove(user, caller_of(request).author)
        return back(form, "removed", BACK)

    handlers = {PATH: add, PATH + "/{name}/password": change_password, PATH + "/{name}/remove": remove}
    return [
        Endpoint(method="POST", path=path, needs=TokenScope.ADMIN, is_changing=True, handle=handle)
        for path, handle in handlers.items()
    ]
