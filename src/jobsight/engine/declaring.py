"""From what is declared to what has to change: the events, and what each of them means in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from jobsight.core.check import Origin
from jobsight.core.events import CheckRemoved, CheckSet, InternalEvent, MaintenanceSet, RoutingSet, SilenceEnded
from jobsight.core.routing import Routing
from jobsight.core.silences import Maintenance
from jobsight.core.state import State
from jobsight.protocol.declared import Declared, Window, written_routes, written_window
from jobsight.protocol.expectations import written_check

CONFIG: str = "config"
"""Who has made the events of the configuration file with which a service starts."""


class Step(Struct, frozen=True, kw_only=True):
    """
    One thing that differs.

    Attributes:
        verb: add, change or remove; `kind`: check, routes or maintenance.
        name: Of the task or the window.
        lines: What differs, field by field, with `+`, `-` or `~` in front.
        events: What makes it so.
    """

    verb: str
    kind: str
    name: str
    lines: list[str]
    events: list[InternalEvent]


def plan(state: State, declared: Declared, author: str, *, channels: Sequence[str] | None = None) -> list[Step]:
    """
    What has to change so that everything is as declared.

    What the API has set stays, unless the same task or window is declared: then the declaration takes over.

    Args:
        state: As of now.
        declared: All of it; what was declared before and is not in it any more is removed.
        author: Who is written down.
        channels: Those that there are from now on; None for no change of them.
    """
    return list(steps_of(state, declared, author, channels=channels))


def steps_of(state: State, declared: Declared, author: str, *, channels: Sequence[str] | None = None) -> Iterator[Step]:
    """The same one by one; the state may go forward by what was given out already."""
    yield from _checks(state, declared, author)
    yield from _routes(state.routing, declared, author, channels)
    yield from _windows(state, declared, author)


def window_of(window: Maintenance) -> Window:
    """A window of the state as it is declared."""
    return Window(
        matchers=tuple(window.matchers),
        schedule=window.schedule,
        tz=window.tz,
        duration_ms=window.duration_ms,
        comment=window.comment,
    )


def window_set(name: str, window: Window, author: str, origin: Origin) -> MaintenanceSet:
    """The event that makes a window."""
    return MaintenanceSet(
        maintenance_id=name,
        matchers=list(window.matchers),
        schedule=window.schedule,
        tz=window.tz,
        duration_ms=window.duration_ms,
        author=author,
        comment=window.comment,
        origin=origin,
    )


def window_removed(state: State, name: str, author: str) -> list[InternalEvent]:
    """The events that take a window back, and end the silence that it has made."""
    gone = MaintenanceSet(maintenance_id=name, matchers=[], schedule="", duration_ms=None, author=author)
    return [gone, *_ended(state, name, author)]


def _checks(state: State, declared: Declared, author: str) -> Iterator[Step]:
    for task, expected in declared.checks.items():
        old = state.checks.get(task)
        if old is not None and old.origin == Origin.CONFIG and old.expected == expected:
            continue
        before = {} if old is None else written_check(old.expected)
        lines = _differences(before, written_check(expected))
        if old is not None and old.origin != Origin.CONFIG:
            lines.append(f"~ it was set by {old.origin} ({old.author}); the file takes over")
        event = CheckSet(task=task, expected=expected, origin=Origin.CONFIG, author=author)
        verb = "add" if old is None else "change"
        yield Step(verb=verb, kind="check", name=task, lines=lines, events=[event])
    for task, check in list(state.checks.items()):
        if check.origin == Origin.CONFIG and task not in declared.checks:
            lines = _differences(written_check(check.expected), {})
            removed = CheckRemoved(task=task, author=author)
            yield Step(verb="remove", kind="check", name=task, lines=lines, events=[removed])


def _routes(routing: Routing, declared: Declared, author: str, channels: Sequence[str] | None) -> list[Step]:
    named = routing.channels if channels is None else list(channels)
    if routing.channels == named and routing.routes == list(declared.routes):
        return []
    lines = _differences(
        {"channels": routing.channels, **written_routes(routing.routes)},
        {"channels": named, **written_routes(declared.routes)},
    )
    event = RoutingSet(channels=named, routes=list(declared.routes), author=author)
    return [Step(verb="change", kind="routes", name="routes", lines=lines, events=[event])]


def _windows(state: State, declared: Declared, author: str) -> list[Step]:
    steps: list[Step] = []
    for name, window in declared.maintenance.items():
        old = state.maintenance.get(name)
        if old is not None and old.origin == Origin.CONFIG and window_of(old) == window:
            continue
        lines = _differences({} if old is None else written_window(window_of(old)), written_window(window))
        verb = "add" if old is None else "change"
        events = [*_ended(state, name, author), window_set(name, window, author, Origin.CONFIG)]
        steps.append(Step(verb=verb, kind="maintenance", name=name, lines=lines, events=events))
    for name, old in state.maintenance.items():
        if old.origin == Origin.CONFIG and name not in declared.maintenance:
            lines = _differences(written_window(window_of(old)), {})
            events = window_removed(state, name, author)
            steps.append(Step(verb="remove", kind="maintenance", name=name, lines=lines, events=events))
    return steps


def _ended(state: State, name: str, author: str) -> list[InternalEvent]:
    made = [silence for silence in state.silences.values() if silence.maintenance_id == name]
    return [SilenceEnded(silence_id=silence.silence_id, author=author) for silence in made]


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    lines = [f"- {name} = {_shown(before[name])}" for name in before if name not in after]
    lines += [
        f"~ {name} = {_shown(before[name])} -> {_shown(after[name])}"
        for name in before
        if name in after and before[name] != after[name]
    ]
    return lines + [f"+ {name} = {_shown(after[name])}" for name in after if name not in before]


def _shown(value: object) -> str:
    return msgspec.json.encode(value).decode()
