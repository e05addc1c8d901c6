"""
Who is told what: a tree of routes, each with matchers over what an alert is.

A route is entered where all of its matchers match. Its first child that is entered decides, unless that one says
`continue`; where none is entered, its own channels are told. No routes at all: everything goes to every channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final

from msgspec import Struct

from jobsight.core.alert import Alert
from jobsight.core.globs import is_match
from jobsight.core.limits import NAME_CHARACTERS_MAX
from jobsight.core.rules import CHANNEL_BROKEN

MATCHERS_MAX: Final = 16
"""Matchers of one silence or route."""

ROUTES_MAX: Final = 500
"""Routes in one tree."""

DEPTH_MAX: Final = 8
"""Routes within each other."""

GROUP_BY_DEFAULT: Final = ("rule", "queue")
"""What a group has in common, unless its route says otherwise; the task stands in for a queue that is not known."""


def notify_names(count: int) -> list[str]:
    """What the channels are called that are given as plain URLs: by their place."""
    return [f"notify-{place}" for place in range(1, count + 1)]


class Matcher(Struct, frozen=True, kw_only=True, array_like=True):
    """
    One condition over an alert.

    Attributes:
        name: task, queue, rule, severity, alert_id, or the key of a label.
        pattern: A glob (`*` any characters, `?` one) of at most 128 characters.
        is_not: True where it must not match.
    """

    name: str
    pattern: str
    is_not: bool = False


class TimeOfDay(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A part of the day, on some days of the week.

    Attributes:
        from_minute, to_minute: Minutes after midnight in `tz`; from 22:00 to 06:00 goes over midnight.
        weekdays: 0 is Monday; all where it is empty. The day on which the stretch began counts.
    """

    from_minute: int
    to_minute: int
    weekdays: tuple[int, ...] = ()
    tz: str = "UTC"


class Step(Struct, frozen=True, kw_only=True, array_like=True):
    """Further channels of a route, so long after somebody was first told, while nobody has acknowledged."""

    after_ms: int
    channels: tuple[str, ...]


class Route(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A node of the tree.

    Attributes:
        matchers: All must match. `times`: and one of these must hold, if there are any.
        channels: Names; those of the parent where it is empty.
        group_by: Names as of matchers; alerts that are equal in all of them are told together.
        is_continued: Look at the next sibling as well.
        name: What people call it.
        steps: Who is told besides while nobody acknowledges.
    """

    matchers: tuple[Matcher, ...] = ()
    times: tuple[TimeOfDay, ...] = ()
    channels: tuple[str, ...] = ()
    group_by: tuple[str, ...] = GROUP_BY_DEFAULT
    is_continued: bool = False
    routes: tuple[Route, ...] = ()
    name: str = ""
    steps: tuple[Step, ...] = ()


class Routing(Struct, kw_only=True):
    """The channels that there are, and the tree."""

    channels: list[str] = []
    routes: list[Route] = []


class Target(Struct, frozen=True, array_like=True):
    """A channel that is to be told of an alert, and the group in which that happens there."""

    channel: str
    group: str


def value_of(alert: Alert, name: str) -> str | None:
    """What an alert has under a matcher's name; None for nothing."""
    match name:
        case "task":
            return alert.task
        case "queue":
            return alert.queue
        case "rule":
            return alert.rule
        case "severity":
            return str(alert.severity)
        case "alert_id":
            return alert.alert_id
        case _:
            return alert.labels.get(name)


def matches(alert: Alert, matchers: Sequence[Matcher]) -> bool:
    """Whether all matchers match; an alert without the named value is like one where it is empty."""
    return all(
        is_match(matcher.pattern, (value_of(alert, matcher.name) or "")[:NAME_CHARACTERS_MAX]) is not matcher.is_not
        for matcher in matchers
    )


def is_in_time(times: Sequence[TimeOfDay], at_ms: int) -> bool:
    """Whether a moment (ms UTC) lies within one of the stretches; always where there are none."""
    return not times or any(_is_within(one, at_ms) for one in times)


def _is_within(one: TimeOfDay, at_ms: int) -> bool:
    at = datetime.fromtimestamp(at_ms // 1000, _zone(one.tz))
    minute, weekday = at.hour * 60 + at.minute, at.weekday()
    goes_over_midnight = one.to_minute <= one.from_minute
    if goes_over_midnight and minute < one.to_minute:
        return not one.weekdays or (weekday - 1) % 7 in one.weekdays
    is_inside = minute >= one.from_minute and (goes_over_midnight or minute < one.to_minute)
    return is_inside and (not one.weekdays or weekday in one.weekdays)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


def targets(routing: Routing, alert: Alert, at_ms: int) -> list[Target]:
    """
    Where an alert is to be told, each channel once.

    Args:
        routing: As the log says.
        alert: What it is decides, not how it stands.
        at_ms: For routes by time of day, ms UTC.
    """
    # Nobody hears through a broken channel that it is broken.
    channels = routing.channels
    if alert.rule == CHANNEL_BROKEN:
        channels = [name for name in channels if name != alert.queue]
    if not routing.routes:
        group = group_key(alert, GROUP_BY_DEFAULT)
        return [Target(channel, group) for channel in channels]
    found: dict[str, Target] = {}
    _walk(routing.routes, (), alert, at_ms, found)
    return [target for target in found.values() if target.channel in channels]


def _walk(
    routes: Sequence[Route], inherited: tuple[str, ...], alert: Alert, at_ms: int, found: dict[str, Target]
) -> bool:
    """Enter the routes that match; whether any was entered."""
    is_entered = False
    for route in routes:
        if not matches(alert, route.matchers) or not is_in_time(route.times, at_ms):
            continue
        is_entered = True
        channels = route.channels or inherited
        if not _walk(route.routes, channels, alert, at_ms, found):
            group = group_key(alert, route.group_by)
            for channel in channels:
                found.setdefault(channel, Target(channel, group))
        if not route.is_continued:
            break
    return is_entered


def escalations(routing: Routing, alert: Alert, at_ms: int) -> list[tuple[int, Target]]:
    """Who is told besides, and how long after the first was told (ms); each channel once, the soonest first."""
    found: dict[str, tuple[int, Target]] = {}
    for route in _entered(routing.routes, alert, at_ms):
        for step in route.steps:
            for channel in step.channels:
                one = (step.after_ms, Target(channel, group_key(alert, route.group_by)))
                if channel in routing.channels and (channel not in found or one[0] < found[channel][0]):
                    found[channel] = one
    return sorted(found.values(), key=lambda one: one[0])


def _entered(routes: Sequence[Route], alert: Alert, at_ms: int) -> Iterator[Route]:
    """The routes that an alert enters, those around others first."""
    for route in routes:
        if matches(alert, route.matchers) and is_in_time(route.times, at_ms):
            yield route
            yield from _entered(route.routes, alert, at_ms)
            if not route.is_continued:
                return


def group_key(alert: Alert, group_by: Sequence[str]) -> str:
    """What an alert has in common with those that are told together with it."""
    if tuple(group_by) == GROUP_BY_DEFAULT:
        common = f"queue={alert.queue}" if alert.queue is not None else f"task={alert.task or ''}"
        return f"rule={alert.rule},{common}"
    return ",".join(f"{name}={value_of(alert, name) or ''}" for name in group_by)
