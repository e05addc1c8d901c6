"""What operators send on purpose: a drill through every route, and once more what was given up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jobsight.core.check import Severity
from jobsight.core.decision import Reason
from jobsight.core.events import DeliveryRetried, DrillStarted
from jobsight.core.notifying import put
from jobsight.core.outbox import Notice, NoticeKind
from jobsight.core.routing import Route, Routing
from jobsight.core.rules import DRILL
from jobsight.core.state import State

EVERYTHING = "everything"
"""What the one road is called where there are no routes."""


def roads(routing: Routing) -> list[tuple[str, str]]:
    """
    Every way from an alert to a channel, each once: (route in words, channel).

    Without routes, everything goes to every channel.
    """
    if not routing.routes:
        return [(EVERYTHING, channel) for channel in routing.channels]
    found = dict.fromkeys(_walk(routing.routes, (), ()))
    return [(name, channel) for name, channel in found if channel in routing.channels]


def start_drill(state: State, event: DrillStarted, place: int, at_ms: int) -> None:
    """Tell every channel, once for each route that leads there, of a failure that is none."""
    for number, (name, channel) in enumerate(roads(state.routing)):
        notice = Notice(
            title=f"Drill: this would be an alert of the route {name}. Nothing is wrong",
            at_ms=at_ms,
            severity=str(Severity.WARNING),
            rule=DRILL,
            error=f"a drill, started by {event.author}; nobody needs to do anything",
            labels={"drill": event.drill_id, "route": name[:256]},
        )
        put(state, channel, NoticeKind.TEST, drill_key(event.drill_id, number), None, Reason.DRILL, notice, at_ms)


def drill_key(drill_id: str, number: int) -> str:
    """The dedup key of one road of a drill."""
    return f"jobsight:drill-{drill_id}:{number}"


def retry_delivery(state: State, event: DeliveryRetried, at_ms: int) -> None:
    """Send once more what was given up; nothing happens where there is no such channel any more."""
    if event.channel not in state.routing.channels:
        return
    put(
        state,
        event.channel,
        event.kind,
        event.dedup_key,
        event.alert_id,
        Reason.RETRIED_BY_HAND,
        event.notice,
        at_ms,
        retry_of=event.delivery_id,
    )


def route_text(route: Route) -> str:
    """What one route is called; without a name, its conditions in words."""
    if route.name:
        return route.name
    parts = [f"{one.name}{'!=' if one.is_not else '='}{one.pattern}" for one in route.matchers]
    if route.times:
        parts.append("at its times")
    return " and ".join(parts) or EVERYTHING


def _walk(routes: Sequence[Route], names: tuple[str, ...], inherited: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for route in routes:
        path, channels = (*names, route_text(route)), route.channels or inherited
        further = [channel for step in route.steps for channel in step.channels]
        yield from ((" > ".join(path), channel) for channel in (*channels, *further))
        yield from _walk(route.routes, path, channels)
