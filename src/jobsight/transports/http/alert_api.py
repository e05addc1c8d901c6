"""`/api/v1/alerts`: what is wrong, and who takes care of it. Every change is an event with its author."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.alert import Alert
from jobsight.core.events import InternalEvent
from jobsight.core.outbox import Delivery
from jobsight.core.tokens import TokenScope
from jobsight.engine.operating import hand_at, matchers_from, matching
from jobsight.errors import ConflictError, NotFoundError
from jobsight.transports.http.asking import Asking, Source
from jobsight.transports.http.operator_answers import (
    DeliveryAnswer,
    HandWish,
    ManyAnswer,
    ManyHandsWish,
)
from jobsight.transports.http.parameters import AlertsParameters, moment_ms, read
from jobsight.transports.http.recorder import Recorder
from jobsight.transports.http.routes import Endpoint, caller_of, json_response
from jobsight.transports.http.wishing import carry_out, refusing, wish_of
from jobsight.view.answers import AlertDetail, AlertFilter
from jobsight.view.watch_reading import detail_of

PATH: Final = "/api/v1/alerts"
FOREVER_MS: Final = 1 << 62
IDS_SHOWN: Final = 100
"""Ids that the answer to a bulk action names; the count is exact."""


class AlertApi:
    """
    Lists alerts, and lends hands at them.

    Args:
        writer: Takes the events; its state knows the open alerts.
        asking: Reads the view, which knows the others.
        clock_ms: Wall time, ms since the epoch, UTC.
    """

    def __init__(self, writer: Recorder, asking: Asking, clock_ms: Callable[[], int]) -> None:
        self._writer = writer
        self._asking = asking
        self._clock_ms = clock_ms

    def endpoints(self) -> list[Endpoint]:
        """The routes."""
        one, needs = PATH + "/{alert_id}", TokenScope.OPERATE
        return [
            Endpoint(method="GET", path=PATH, needs=TokenScope.READ, handle=self.index),
            Endpoint(method="GET", path=one, needs=TokenScope.READ, handle=self.show),
            *(
                Endpoint(method="POST", path=path + "/" + verb, needs=needs, is_changing=True, handle=handle)
                for verb in ("acknowledge", "resolve")
                for path, handle in ((one, self.lend), (PATH, self.lend_many))
            ),
        ]

    async def index(self, request: Request) -> Response:
        """A page of alerts."""
        wanted = read(request.query_params.multi_items(), AlertsParameters)
        filters = AlertFilter(
            state=wanted.state,
            task=wanted.task,
            rule=wanted.rule,
            severity=wanted.severity,
            queue=wanted.queue,
            since_ms=None if wanted.since is None else moment_ms("since", wanted.since, self._clock_ms()),
        )

        def look(source: Source) -> bytes:
            page = source.view.list_alerts(filters, limit=wanted.limit, cursor=wanted.cursor)
            return msgspec.json.encode(page)

        return json_response(msgspec.Raw(await self._asking.ask(look)))

    async def show(self, request: Request) -> Response:
        """One alert, with every try to tell of it."""
        alert_id = request.path_params["alert_id"]
        state = self._writer.state
        known = state.open_by_id.get(alert_id) or state.open_by_fingerprint.get(alert_id)
        waiting = list(state.outbox.values())

        def look(source: Source) -> tuple[Alert | None, list[Delivery]]:
            alert = source.view.find_alert(alert_id) if known is None else known
            if alert is None:
                return None, []
            keys = {alert.dedup_key, *(told.dedup_key for told in alert.told.values())}
            stored = {
                one.delivery_id: one for one in source.view.deliveries_of(sorted(keys), alert.opened_ms, FOREVER_MS)
            }
            fresh = {one.delivery_id: one for one in waiting if one.dedup_key in keys}
            return alert, sorted({**stored, **fresh}.values(), key=lambda one: one.number)

        alert, deliveries = await self._asking.ask(look)
        with refusing():
            if alert is None:
                raise _no_alert(alert_id)
        return json_response(
            {
                "alert": detail_of(alert),
                "deliveries": [delivery_answer(one) for one in deliveries],
                "as_of_seq": self._writer.state.applied_seq,
            }
        )

    async def lend(self, request: Request) -> Response:
        """Acknowledge or resolve one alert."""
        wish = await wish_of(request, HandWish)
        alert_id, verb = request.path_params["alert_id"], request.url.path.rpartition("/")[2]
        state = self._writer.state
        alert = state.open_by_id.get(alert_id) or state.open_by_fingerprint.get(alert_id)
        with refusing():
            if alert is None:
                raise await self._why_not_open(alert_id)
            event = hand_at(alert, verb, wish.by, wish.comment, caller_of(request).author)
            await carry_out(self._writer, [event])
        return json_response({"alert": detail_of(alert), "as_of_seq": self._writer.state.applied_seq})

    async def lend_many(self, request: Request) -> Response:
        """Acknowledge or resolve every open alert that matches, or say how many there are."""
        wish = await wish_of(request, ManyHandsWish)
        verb = request.url.path.rpartition("/")[2]
        state = wish.state
        if verb == "acknowledge" and state == "open":
            state = "firing"
        with refusing():
            found = matching(self._writer.state.open_by_id.values(), matchers_from(wish.match), state)
            author = caller_of(request).author
            events: list[InternalEvent] = []
            if not wish.dry_run:
                events = [hand_at(alert, verb, wish.by, wish.comment, author) for alert in found]
            await carry_out(self._writer, events)
        return json_response(many_answer(found, self._writer, is_done=not wish.dry_run))

    async def _why_not_open(self, alert_id: str) -> NotFoundError | ConflictError:
        def look(source: Source) -> AlertDetail | None:
            alert = source.view.find_alert(alert_id)
            return None if alert is None else detail_of(alert)

        found = await self._asking.ask(look)
        if found is None:
            return _no_alert(alert_id)
        return ConflictError(f"this alert is {found.state} already ({found.reason})")


def many_answer(found: Sequence[Alert], writer: Recorder, *, is_done: bool) -> ManyAnswer:
    """How many alerts match, and which."""
    ids = [alert.alert_id for alert in found[:IDS_SHOWN]]
    return ManyAnswer(count=len(found), ids=ids, is_done=is_done, as_of_seq=writer.state.applied_seq)


def delivery_answer(one: Delivery) -> DeliveryAnswer:
    """A notification as it is shown."""
    return DeliveryAnswer(
        delivery_id=one.delivery_id,
        channel=one.channel,
        kind=str(one.kind),
        state=str(one.state),
        alert_id=one.alert_id,
        dedup_key=one.dedup_key,
        reason=str(one.reason),
        title=one.notice.title,
        created_ms=one.created_ms,
        done_ms=one.done_ms,
        tries=one.tries,
        detail=one.detail,
        retry_of=one.retry_of,
    )


def _no_alert(alert_id: str) -> NotFoundError:
    return NotFoundError(f"alert_id: no alert is called {alert_id[:80]!r}")
