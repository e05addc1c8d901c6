"""
How a page comes about.

A page is looked at in two steps. `look` runs on the loop's thread: it may read the state, must be quick, and returns what
is left to do. That part runs in a reading thread: it asks the view and makes the view model, a plain struct, which the
template shows. The result is kept for a second for everybody who wants the same page, however many look.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.alert import ACKNOWLEDGED, FIRING
from jobsight.core.state import State
from jobsight.core.tokens import TokenScope
from jobsight.engine.instruments import Instruments
from jobsight.engine.recent import Recent
from jobsight.transports.http import parameters
from jobsight.transports.http.asking import Asking, Source
from jobsight.transports.http.channel_api import Telling
from jobsight.transports.http.exchange import HttpRefusal
from jobsight.transports.http.pages.columns import Columns
from jobsight.transports.http.pages.paces import Paces
from jobsight.transports.http.pages.rendering import Rendering
from jobsight.transports.http.pages.said import IN_ADDRESSES, NOTHING, Told, cookie_of, sentence, told_in
from jobsight.transports.http.pages.standing import Standing
from jobsight.transports.http.routes import Endpoint, caller_of

FRESH_S: Final = 1.0
"""For so long everybody who asks for the same page gets the same bytes."""

KEPT_MAX: Final = 256
"""Pages that are kept at once; the one made first goes first."""

COMPILE_PAUSE_S: Final = 0.01
"""Between two templates that are compiled ahead."""

GZIP_LEVEL: Final = 3
PART_HEADER: Final = "x-jobsight-part"
"""A page that is open already asks by this header for its changing part alone."""

THEMES: Final = ("light", "dark")


class Ground(Struct, frozen=True, kw_only=True):
    """
    What pages stand on.

    Attributes:
        state, recent, instruments: The writer's; read on the loop's thread only.
        clock_ms: Wall time, ms since the epoch, UTC.
        telling: Who delivers, and what is known of the channels.
        paces: How long the jobs of tasks took; asked in reading threads.
        columns: What ended over time; asked in reading threads.
        standing: The places of all tasks.
    """

    state: State
    recent: Recent
    instruments: Instruments
    clock_ms: Callable[[], int]
    telling: Telling = Telling()
    paces: Paces = field(default_factory=Paces)
    columns: Columns = field(default_factory=Columns)
    standing: Standing = field(default_factory=Standing)


class Wanted(Struct, frozen=True, kw_only=True):
    """
    What somebody wants to see.

    Attributes:
        at_ms: Now, ms UTC.
        query: The page's parameters; of the type that its `Page` names.
        path: The names in its path.
        scope: What the viewer may do.
    """

    at_ms: int
    query: Any
    path: Mapping[str, str]
    scope: TokenScope

    @property
    def can_operate(self) -> bool:
        """Whether the viewer sees buttons that change something."""
        return self.scope >= TokenScope.OPERATE


Finish = Callable[[Source], Struct]
"""The second step: from what the view knows to the view model. Runs in another thread, and must not touch the state."""

Look = Callable[[Ground, Wanted], Finish]
"""The first step, on the loop's thread."""


class Page(Struct, frozen=True, kw_only=True):
    """
    A page of the dashboard.

    Attributes:
        path: Its route.
        template: The file in `web/templates`; it finds the view model as `view`, and what is around it as `chrome`. None
            answers the view model as JSON, for an island.
        section: Which entry of the navigation it belongs to.
        parameters: The struct of its query.
        look: Makes it, see the top of this file.
        needs: The least scope.
    """

    path: str
    template: str | None
    section: str
    look: Look
    parameters: type[Struct] = parameters.NoParameters
    needs: TokenScope = TokenScope.READ


class Chrome(Struct, frozen=True, kw_only=True):
    """
    What stands around every page.

    Attributes:
        section: The current entry of the navigation.
        url: Of this page, with its query.
        theme: light or dark where the viewer has chosen; else as the system says.
        firing, acknowledged: Open alerts.
        has_session: The viewer has signed in, and may sign out.
        search: What stands in the search field.
        said: What an action has just done, in a sentence.
        is_still: It is the answer to a form, and cannot be asked for again.
    """

    section: str
    url: str
    at_ms: int
    theme: str
    firing: int
    acknowledged: int
    can_operate: bool
    is_admin: bool
    has_session: bool
    search: str = ""
    said: str = ""
    is_still: bool = False


class _Kept(Struct, frozen=True):
    """A page as it was made; `timing` says how much processor time that took, in the words of the `Server-Timing` header."""

    made_at: float
    plain: bytes
    packed: bytes
    timing: str


class Site:
    """
    Answers requests for pages.

    Args:
        ground: What the first steps read.
        asking: Where the second steps run.
        rendering: The templates.
    """

    def __init__(self, ground: Ground, asking: Asking, rendering: Rendering) -> None:
        self._ground = ground
        self._asking = asking
        self._rendering = rendering
        self._kept: dict[tuple[object, ...], _Kept] = {}
        self._being_made: dict[tuple[object, ...], asyncio.Future[_Kept]] = {}
        self._warming: asyncio.Future[None] | None = None
        self._actions = ground.recent.actions

    def endpoint(self, page: Page) -> Endpoint:
        """The route of a page."""

        async def handle(request: Request) -> Response:
            try:
                told = _told(page, request)
                kept = await self._find(page, request, told)
            except HttpRefusal as why:
                if page.template is None:
                    raise
                return self._refusal(page, request, why)
            response = _response(page, request, kept)
            if told.did is not None:
                response.headers["set-cookie"] = cookie_of(NOTHING)
            return response

        return Endpoint(method="GET", path=page.path, needs=page.needs, handle=handle)

    def warm(self) -> None:
        """Compile all templates in a reading thread, once, so that no page waits for its own. On the loop's thread."""
        if self._warming is None:
            self._warming = asyncio.ensure_future(self._compile_all())

    async def _compile_all(self) -> None:
        """One by one: beside a thread that computes all the time, each row of a query waits for its turn on the interpreter."""
        for name in self._rendering.names():
            with suppress(HttpRefusal):  # then the page that needs it compiles it
                await self._asking.ask(partial(_compile, self._rendering, name))
            await asyncio.sleep(COMPILE_PAUSE_S)

    def forget(self) -> None:
        """Something was changed through a page: whoever looks from now on sees it, also where a page is just being made."""
        self._kept, self._being_made = {}, {}

    async def _find(self, page: Page, request: Request, told: Told) -> _Kept:
        """The page as it was made within the last second, or made now; only once for all who ask at the same time."""
        pairs = request.query_params.multi_items()
        query = parameters.read([pair for pair in pairs if pair[0] not in IN_ADDRESSES], page.parameters)
        if self._actions != self._ground.recent.actions:
            # Somebody has changed something over the API, by a command, by a link: the next page shows it.
            self._actions = self._ground.recent.actions
            self.forget()
        caller, theme = caller_of(request), _theme(request)
        scope = caller.scope
        is_part = PART_HEADER in request.headers
        places = tuple(request.path_params.items())
        key = (page.path, places, query, told, scope, caller.has_session, theme, is_part)
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() - kept.made_at < FRESH_S:
            return kept
        making = self._being_made.get(key)
        if making is None:
            wanted = Wanted(at_ms=self._ground.clock_ms(), query=query, path=request.path_params, scope=scope)
            chrome = self._chrome(page, request, wanted, theme, told)
            making = asyncio.ensure_future(self._make(page, wanted, chrome, is_part))
            kept_then, made_then = self._kept, self._being_made
            made_then[key] = making
            making.add_done_callback(lambda done: _keep(kept_then, made_then, key, done))
        made = await asyncio.shield(making)
        self.warm()
        return made

    async def _make(self, page: Page, wanted: Wanted, chrome: Chrome, is_part: bool) -> _Kept:
        begin, before = time.monotonic(), time.thread_time()
        finish = page.look(self._ground, wanted)
        look_s = time.thread_time() - before

        def make(source: Source) -> _Kept:
            before = time.thread_time()
            view = finish(source)
            if page.template is None:
                plain = msgspec.json.encode(view)
            else:
                plain = self._rendering.render(page.template, is_part=is_part, view=view, chrome=chrome)
            packed = gzip.compress(plain, GZIP_LEVEL, mtime=0)
            timing = f"look;dur={look_s * 1000:.1f}, finish;dur={(time.thread_time() - before) * 1000:.1f}"
            return _Kept(begin, plain, packed, timing)

        return await self._asking.ask(make)

    def show(self, request: Request, template: str, section: str, view: Struct) -> Response:
        """A page that nobody may keep: the answer to a form."""
        page = Page(path=request.url.path, template=template, section=section, look=_nothing)
        scope = caller_of(request).scope
        wanted = Wanted(at_ms=self._ground.clock_ms(), query=None, path=request.path_params, scope=scope)
        chrome = replace(self._chrome(page, request, wanted, _theme(request)), is_still=True)
        body = self._rendering.render(template, is_part=False, view=view, chrome=chrome)
        return Response(body, headers={"cache-control": "no-store"}, media_type="text/html")

    def _refusal(self, page: Page, request: Request, why: HttpRefusal) -> Response:
        """A page that says why there is none."""
        wanted = Wanted(
            at_ms=self._ground.clock_ms(), query=None, path=request.path_params, scope=caller_of(request).scope
        )
        chrome = self._chrome(page, request, wanted, _theme(request))
        view = {"status": why.status, "text": str(why)}
        is_part = PART_HEADER in request.headers
        body = self._rendering.render("refusal.html", is_part=is_part, view=view, chrome=chrome)
        headers = {name.decode(): value.decode() for name, value in why.headers}
        return Response(body, why.status, headers=headers, media_type="text/html")

    def _chrome(self, page: Page, request: Request, wanted: Wanted, theme: str, told: Told = NOTHING) -> Chrome:
        states = [alert.state for alert in self._ground.state.open_by_id.values()]
        url = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return Chrome(
            section=page.section,
            url=url,
            at_ms=wanted.at_ms,
            theme=theme,
            firing=states.count(FIRING),
            acknowledged=states.count(ACKNOWLEDGED),
            can_operate=wanted.can_operate,
            is_admin=wanted.scope >= TokenScope.ADMIN,
            has_session=caller_of(request).has_session,
            search=request.query_params.get("q", ""),
            said=sentence(told),
        )


def _nothing(ground: Ground, wanted: Wanted) -> Finish:
    raise AssertionError("the answer to a form is not looked at again")


def _compile(rendering: Rendering, name: str, _: Source) -> None:
    rendering.compile(name)


def _keep(
    kept: dict[tuple[object, ...], _Kept],
    being_made: dict[tuple[object, ...], asyncio.Future[_Kept]],
    key: tuple[object, ...],
    made: asyncio.Future[_Kept],
) -> None:
    del being_made[key]
    if made.cancelled() or made.exception() is not None:
        return
    kept.pop(key, None)
    if len(kept) >= KEPT_MAX:
        del kept[next(iter(kept))]
    kept[key] = made.result()


def _told(page: Page, request: Request) -> Told:
    """What the browser brings to be told; a page that is open already has told it."""
    is_whole = page.template is not None and PART_HEADER not in request.headers
    return told_in(request.cookies) if is_whole else NOTHING


def _theme(request: Request) -> str:
    theme = request.cookies.get("theme", "")
    return theme if theme in THEMES else ""


def _response(page: Page, request: Request, kept: _Kept) -> Response:
    kind = "application/json" if page.template is None else "text/html"
    headers = {
        "cache-control": "no-store",
        "vary": f"accept-encoding, cookie, {PART_HEADER}",
        "server-timing": kept.timing,
    }
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(kept.plain, headers=headers, media_type=kind)
    return Response(kept.packed, headers={**headers, "content-encoding": "gzip"}, media_type=kind)
