"""`/api/v1/channels`, `deliveries`, `routes`, `drills`: who is told, by which way, and what has become of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.alert import Alert, fingerprint_of
from jobsight.core.check import Severity
from jobsight.core.drill import roads
from jobsight.core.events import ChannelTested, DrillStarted
from jobsight.core.outbox import Delivery, DeliveryState
from jobsight.core.routing import targets
from jobsight.core.rules import CHANNEL_BROKEN
from jobsight.core.state import State
from jobsight.core.tokens import TokenScope
from jobsight.engine.dispatcher import Dispatcher
from jobsight.engine.operating import delivery_retried, new_id
from jobsight.errors import ConflictError, NotFoundError
from jobsight.notifiers.abouts import About
from jobsight.protocol.declared import written_routes
from jobsight.transports.http.alert_api import IDS_SHOWN, delivery_answer
from jobsight.transports.http.asking import Asking, Source
from jobsight.transports.http.operator_answers import (
    ChannelAnswer,
    DrillAnswer,
    ManyAnswer,
    RetryWish,
    Road,
    RoutesAnswer,
    TestAnswer,
    WhomAnswer,
)
from jobsight.transports.http.parameters import (
    DeliveriesParameters,
    NoParameters,
    WhomParameters,
    moment_ms,
    read,
)
from jobsight.transports.http.recorder import Recorder
from jobsight.transports.http.routes import Endpoint, caller_of, json_response
from jobsight.transports.http.wishing import carry_out, refusing, wish_of

CHANNELS: Final = "/api/v1/channels"
DELIVERIES: Final = "/api/v1/deliveries"
ROUTES: Final = "/api/v1/routes"
DRILLS: Final = "/api/v1/drills"

RETRIED_AT_ONCE_MAX: Final = 1_000
"""Given-up notifications of a channel that one request may send once more."""


class Telling(Struct, frozen=True, kw_only=True):
    """Who tells people: the dispatcher, and what is known of its channels; None and nothing where no service runs."""

    dispatcher: Dispatcher | None = None
    abouts: Mapping[str, About] = {}


class ChannelApi:
    """
    Channels, notifications, routes and drills.

    Args:
        writer: Takes the events; its state knows channels and routes.
        asking: Reads the view, which knows the notifications.
        telling: Who delivers.
        clock_ms: Wall time, ms since the epoch, UTC.
    """

    def __init__(self, writer: Recorder, asking: Asking, telling: Telling, clock_ms: Callable[[], int]) -> None:
        self._writer = writer
        self._state = writer.state
        self._asking = asking
        self._telling = telling
        self._clock_ms = clock_ms

    def endpoints(self) -> list[Endpoint]:
        """The routes."""
        read_scope, operate, admin = TokenScope.READ, TokenScope.OPERATE, TokenScope.ADMIN
        test, retry = CHANNELS + "/{channel}/test", DELIVERIES + "/{delivery_id}/retry"
        return [
            Endpoint(method="GET", path=CHANNELS, needs=read_scope, handle=self.channels),
            Endpoint(method="POST", path=test, needs=admin, is_changing=True, handle=self.test),
            Endpoint(method="GET", path=DELIVERIES, needs=read_scope, handle=self.deliveries),
            Endpoint(
                method="POST", path=DELIVERIES + "/retry", needs=operate, is_changing=True, handle=self.retry_many
            ),
            Endpoint(method="POST", path=retry, needs=operate, is_changing=True, handle=self.retry),
            Endpoint(method="GET", path=ROUTES, needs=read_scope, handle=self.routes),
            Endpoint(method="GET", path=ROUTES + "/whom", needs=read_scope, handle=self.whom),
            Endpoint(method="POST", path=DRILLS, needs=admin, is_changing=True, handle=self.drill),
            Endpoint(method="GET", path=DRILLS + "/{drill_id}", needs=read_scope, handle=self.drilled),
        ]

    async def channels(self, request: Request) -> Response:
        """The channels, and how each of them does."""
        read(request.query_params.multi_items(), NoParameters)
        return json_response(
            {"channels": [channel_answer(self._state, self._telling, name) for name in self._state.routing.channels]}
        )

    async def test(self, request: Request) -> Response:
        """Send a test, and wait for the channel's answer."""
        channel, author = request.path_params["channel"], caller_of(request).author
        with refusing():
            dispatcher = self._dispatcher()
            if channel not in dispatcher.lanes:
                known = ", ".join(dispatcher.lanes) or "none"
                raise NotFoundError(f"there is no channel {channel[:80]!r}; there are: {known}")
            is_delivered, detail = await dispatcher.test(channel, author)
            event = ChannelTested(channel=channel, is_delivered=is_delivered, detail=detail[:300], author=author)
            await carry_out(self._writer, [event])
        return json_response(TestAnswer(channel=channel, is_delivered=is_delivered, detail=detail))

    async def deliveries(self, request: Request) -> Response:
        """A page of notifications."""
        wanted = read(request.query_params.multi_items(), DeliveriesParameters)
        since_ms = None if wanted.since is None else moment_ms("since", wanted.since, self._clock_ms())
        page = await self._asking.ask(
            lambda source: source.view.list_deliveries(
                state=wanted.state,
                channel=wanted.channel,
                alert_id=wanted.alert_id,
                since_ms=since_ms,
                limit=wanted.limit,
                cursor=wanted.cursor,
            )
        )
        found = [delivery_answer(one) for one in page.deliveries]
        return json_response({"deliveries": found, "cursor": page.cursor, "as_of_seq": page.as_of_seq})

    async def retry(self, request: Request) -> Response:
        """Send once more what was given up."""
        delivery_id = request.path_params["delivery_id"]
        known = self._state.outbox.get(delivery_id)
        found = known or await self._asking.ask(lambda source: source.view.delivery(delivery_id))
        with refusing():
            if found is None:
                raise NotFoundError(f"there is no delivery {delivery_id[:80]!r}")
            event = delivery_retried(self._state, found, caller_of(request).author)
            await carry_out(self._writer, [event])
        return json_response({"delivery_id": delivery_id, "state": str(DeliveryState.RETRIED)})

    async def retry_many(self, request: Request) -> Response:
        """Send once more all that was given up of a channel, as far as it is still of use."""
        wish = await wish_of(request, RetryWish)
        page = await self._asking.ask(
            lambda source: source.view.list_deliveries(
                state=str(DeliveryState.DEAD), channel=wish.channel, limit=RETRIED_AT_ONCE_MAX
            )
        )
        events = []
        with refusing():
            if wish.channel not in self._state.routing.channels:
                raise NotFoundError(f"there is no channel {wish.channel!r}")
            for one in reversed(page.deliveries):
                try:
                    events.append(delivery_retried(self._state, one, caller_of(request).author))
                except ConflictError:
                    continue  # what it speaks of is over
            await carry_out(self._writer, [] if wish.dry_run else events)
        return json_response(
            ManyAnswer(
                count=len(events),
                ids=[event.delivery_id for event in events[:IDS_SHOWN]],
                is_done=not wish.dry_run,
                as_of_seq=self._state.applied_seq,
            )
        )

    async def routes(self, request: Request) -> Response:
        """Who is told what."""
        read(request.query_params.multi_items(), NoParameters)
        routing = self._state.routing
        return json_response(
            RoutesAnswer(
                channels=routing.channels,
                routes=written_routes(routing.routes),
                roads=[Road(route=route, channel=channel) for route, channel in roads(routing)],
            )
        )

    async def whom(self, request: Request) -> Response:
        """Who would be told of an alert, if it came now."""
        wanted = read(request.query_params.multi_items(), WhomParameters)
        check = self._state.checks.get(wanted.task) if wanted.task is not None else None
        alert = Alert(
            alert_id="",
            fingerprint=fingerprint_of(wanted.rule, wanted.task, wanted.queue, ""),
            rule=wanted.rule,
            task=wanted.task,
            queue=wanted.queue,
            severity=Severity(wanted.severity),
            labels={} if check is None else check.expected.labels,
        )
        found = targets(self._state.routing, alert, self._clock_ms())
        return json_response(WhomAnswer(channels={one.channel: one.group for one in found}))

    async def drill(self, request: Request) -> Response:
        """Begin a drill; what has become of it is asked by its id."""
        read(request.query_params.multi_items(), NoParameters)
        drill_id = new_id()
        with refusing():
            self._dispatcher()
            if not self._state.routing.channels:
                raise ConflictError(
                    "there is no channel that could be told; set notify, or [channels.NAME] in the file"
                )
            await carry_out(self._writer, [DrillStarted(drill_id=drill_id, author=caller_of(request).author)])
        return json_response(await self._drill_answer(drill_id), 201)

    async def drilled(self, request: Request) -> Response:
        """What has become of a drill."""
        answer = await self._drill_answer(request.path_params["drill_id"])
        with refusing():
            if not answer.roads:
                raise NotFoundError("there is no drill of this id")
        return json_response(answer)

    async def _drill_answer(self, drill_id: str) -> DrillAnswer:
        prefix = f"jobsight:drill-{drill_id}:"
        waiting = {key: one for key, one in self._state.outbox.items() if one.dedup_key.startswith(prefix)}

        def look(source: Source) -> dict[str, Delivery]:
            stored = source.view.deliveries_between(prefix, prefix[:-1] + ";")
            return {one.delivery_id: one for one in stored}

        found = {**await self._asking.ask(look), **waiting}
        ways = [
            Road(route=one.notice.labels.get("route", ""), channel=one.channel, state=str(one.state), detail=one.detail)
            for one in sorted(found.values(), key=lambda one: one.number)
        ]
        return DrillAnswer(drill_id=drill_id, is_over=all(one.state != "waiting" for one in ways), roads=ways)

    def _dispatcher(self) -> Dispatcher:
        if self._telling.dispatcher is None:
            raise ConflictError("nothing is sent without a running service; start one: jobsight serve")
        return self._telling.dispatcher


def channel_answer(state: State, telling: Telling, name: str) -> ChannelAnswer:
    """How a channel does; its target without secrets."""
    about, dispatcher = telling.abouts.get(name), telling.dispatcher
    lane = dispatcher.lanes.get(name) if dispatcher is not None else None
    is_broken = fingerprint_of(CHANNEL_BROKEN, None, name, "") in state.open_by_fingerprint
    is_resting = dispatcher is not None and lane is not None and dispatcher.is_resting(name)
    return ChannelAnswer(
        name=name,
        type=None if about is None else about.type,
        target=None if about is None else about.target,
        state="broken" if is_broken else "resting" if is_resting else "ok",
        waiting=sum(one.channel == name for one in state.outbox.values()),
        last_ms=None if lane is None else lane.last_ms,
        last_answer=None if lane is None else lane.last_answer,
    )
