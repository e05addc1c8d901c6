"""What the forms of `/settings` do: tokens, silences, maintenance windows, tests of channels, what was given up."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.events import ChannelTested, TokenRevoked
from jobsight.core.spans import span_ms
from jobsight.core.tokens import SCOPES, TokenScope
from jobsight.engine.operating import (
    delivery_retried,
    maintenance_removed,
    maintenance_set,
    matchers_from,
    silence_set,
)
from jobsight.engine.tokens import TOKENS_MAX, TokenRegistry, new_token
from jobsight.engine.writer import Writer
from jobsight.errors import ConflictError, NotFoundError, UsageError
from jobsight.transports.http.asking import Asking
from jobsight.transports.http.bodies import form_body
from jobsight.transports.http.channel_api import Telling
from jobsight.transports.http.pages.doing import COMMENT_CHARACTERS_MAX, Doing, Form, back, comment_of, length_of
from jobsight.transports.http.pages.settings import PATH
from jobsight.transports.http.routes import Endpoint, caller_of
from jobsight.transports.http.wishing import refusing

Show = Callable[[Request, str, str, Struct], Response]


class NewTokenView(Struct, frozen=True, kw_only=True):
    """A token, the one time that it is shown."""

    text: str
    scope: str


class SettingsActions:
    """
    The routes that change settings.

    Args:
        writer: Takes the events; its state knows what there is.
        asking: Finds notifications that were given up.
        telling: Sends tests.
        clock_ms: Wall time, ms since the epoch, UTC.
        doing: Carries it out.
        show: Answers a form with a page.
    """

    def __init__(
        self,
        writer: Writer,
        asking: Asking,
        telling: Telling,
        clock_ms: Callable[[], int],
        doing: Doing,
        show: Show,
    ) -> None:
        self._state = writer.state
        self._asking = asking
        self._telling = telling
        self._clock_ms = clock_ms
        self._doing = doing
        self._show = show

    def endpoints(self) -> list[Endpoint]:
        """The routes, each with the least scope that it needs."""
        admin, operate = TokenScope.ADMIN, TokenScope.OPERATE
        handlers = (
            ("/tokens", admin, self.create_token),
            ("/tokens/{token_id}/revoke", admin, self.revoke_token),
            ("/channels/{channel}/test", admin, self.test_channel),
            ("/deliveries/{delivery_id}/retry", operate, self.retry),
            ("/silences", operate, self.silence),
            ("/maintenance", operate, self.plan),
            ("/maintenance/remove", operate, self.remove),
        )
        return [
            Endpoint(method="POST", path=PATH + path, needs=needs, is_changing=True, handle=handle)
            for path, needs, handle in handlers
        ]

    async def create_token(self, request: Request) -> Response:
        """A new token, shown once: not even this browser's history keeps it."""
        form, tokens = await form_body(request), TokenRegistry(self._state)
        with refusing():
            scope = SCOPES.get(form.get("scope", ""))
            if scope is None:
                raise UsageError(f"scope: expected one of {', '.join(SCOPES)}")
            if len(tokens.all()) >= TOKENS_MAX:
                raise ConflictError(f"there are {TOKENS_MAX} tokens already; revoke some")
            made = new_token(
                scope,
                note=form.get("note", "")[:COMMENT_CHARACTERS_MAX],
                expires_ms=self._expiry_ms(form),
                author=caller_of(request).author,
            )
        await self._doing.store([made.event])
        return self._show(request, "token.html", "settings", NewTokenView(text=made.text, scope=scope.word))

    async def revoke_token(self, request: Request) -> Response:
        """A token opens nothing any more."""
        form, token_id = await form_body(request), request.path_params["token_id"]
        with refusing():
            if token_id not in self._state.tokens:
                raise NotFoundError("there is no token of this id")
        await self._doing.store([TokenRevoked(token_id=token_id, author=caller_of(request).author)])
        return back(form, "revoked", f"{PATH}#tokens")

    async def test_channel(self, request: Request) -> Response:
        """Send a test, wait for the channel's answer, and keep it."""
        form, channel, author = await form_body(request), request.path_params["channel"], caller_of(request).author
        dispatcher = self._telling.dispatcher
        with refusing():
            if dispatcher is None or channel not in dispatcher.lanes:
                raise NotFoundError(f"there is no channel {channel[:80]!r}")
            is_delivered, detail = await dispatcher.test(channel, author)
        event = ChannelTested(channel=channel, is_delivered=is_delivered, detail=detail[:300], author=author)
        await self._doing.store([event])
        return back(form, "tested" if is_delivered else "untested", f"{PATH}#channels")

    async def retry(self, request: Request) -> Response:
        """Send once more what was given up."""
        form, delivery_id = await form_body(request), request.path_params["delivery_id"]
        found = await self._asking.ask(lambda source: source.view.delivery(delivery_id))
        with refusing():
            if found is None:
                raise NotFoundError(f"there is no delivery {delivery_id[:80]!r}")
            event = delivery_retried(self._state, found, caller_of(request).author)
        await self._doing.store([event])
        return back(form, "retried", f"{PATH}#channels")

    async def silence(self, request: Request) -> Response:
        """What matches is told to nobody, for a while."""
        form, now_ms = await form_body(request), self._clock_ms()
        with refusing():
            matchers = matchers_from(form.get("match", "").split())
            ends_ms = now_ms + length_of(form)
            author = caller_of(request).author
            event = silence_set(self._state, matchers, now_ms, ends_ms, comment_of(form), author, now_ms)
        await self._doing.store([event])
        return back(form, "silenced", f"{PATH}#silences")

    async def plan(self, request: Request) -> Response:
        """A maintenance window, in the place of the one of this name."""
        form = await form_body(request)
        name = form.get("name", "").strip()
        window = {
            "match": form.get("match", "").split(),
            "schedule": form.get("schedule", ""),
            "tz": form.get("tz") or "UTC",
            "duration": form.get("duration", ""),
        }
        with refusing():
            if not 1 <= len(name) <= COMMENT_CHARACTERS_MAX:
                raise UsageError(f"name: expected 1 to {COMMENT_CHARACTERS_MAX} characters")
            events = maintenance_set(self._state, name, window, caller_of(request).author)
        await self._doing.store(events)
        return back(form, "saved", f"{PATH}#maintenance")

    async def remove(self, request: Request) -> Response:
        """Take a window back, and end the silence that it has made."""
        form = await form_body(request)
        with refusing():
            events = maintenance_removed(self._state, form.get("name", ""), caller_of(request).author)
        await self._doing.store(events)
        return back(form, "removed", f"{PATH}#maintenance")

    def _expiry_ms(self, form: Form) -> int | None:
        text = form.get("expires", "")
        length_ms = span_ms(text) if text else None
        if text and not length_ms:
            raise UsageError("expires: expected a length of time, like 90d")
        return None if length_ms is None else self._clock_ms() + length_ms
