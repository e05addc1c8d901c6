"""What operators declare as a whole, in a file or in one request: checks, routes, maintenance windows. Read, and written again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from msgspec import Struct, field

from jobsight.core.check import Expectation
from jobsight.core.limits import NAME_CHARACTERS_MAX
from jobsight.core.routing import DEPTH_MAX, GROUP_BY_DEFAULT, ROUTES_MAX, Matcher, Route, Step, TimeOfDay
from jobsight.core.schedule import schedule_fault
from jobsight.core.silences import SILENCE_MS_MAX
from jobsight.core.spans import SPAN_FORMS, span_ms, span_written
from jobsight.protocol.expectations import CHECK_FIELDS, ReadFault, read_check
from jobsight.protocol.matching import read_matchers, read_time, written_matchers, written_time
from jobsight.protocol.refusals import shown

DECLARED: Final[tuple[str, ...]] = ("checks", "routes", "maintenance")
"""The tables that are declared."""

ROUTE_FIELDS: Final = ("match", "times", "channels", "escalate", "group_by", "continue", "routes")
WINDOW_FIELDS: Final = ("match", "schedule", "tz", "duration", "comment")
COMMENT_CHARACTERS_MAX: Final = 1_024
STEP_MS_MAX: Final = 7 * 86_400_000
"""No step of an escalation comes later than this."""

NAMES_MAX: Final = 16
"""Channels of a route, and names by which it groups."""

Read = TypeVar("Read")


class Window(Struct, frozen=True, kw_only=True):
    """A maintenance window: alerts that match are not told for `duration_ms` after each slot of its schedule."""

    matchers: tuple[Matcher, ...] = ()
    schedule: str = ""
    tz: str = "UTC"
    duration_ms: int = 0
    comment: str = ""


class Declared(Struct, frozen=True, kw_only=True):
    """All that is declared: what is expected of each task, who is told what, and when nobody is, by name."""

    checks: Mapping[str, Expectation] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    maintenance: Mapping[str, Window] = field(default_factory=dict)


def read_declared(tables: Mapping[str, Any], channels: Sequence[str] | None) -> tuple[Declared, list[ReadFault]]:
    """
    What some tables declare.

    Args:
        tables: `checks`, `routes` and `maintenance`, each a table by name; others are left alone.
        channels: Those that routes may name; None leaves that open.

    Returns:
        What could be read, and everything that is wrong, with paths such as `checks.nightly-backup.schedule`.
    """
    faults: list[ReadFault] = []
    checks = {name: _check(f"checks.{name}", one, faults) for name, one in _named(tables, "checks", faults)}
    routes = _routes("routes", tables.get("routes", {}), faults, channels, depth=1)
    windows = {name: _window(f"maintenance.{name}", one, faults) for name, one in _named(tables, "maintenance", faults)}
    faults += [
        ReadFault(path, "expected channels: this route, and those around it, name none")
        for path in _silent("routes", routes, has_channels=False)
    ]
    if _count(routes) > ROUTES_MAX:
        faults.append(ReadFault("routes", f"expected at most {ROUTES_MAX} routes"))
    return Declared(checks=checks, routes=routes, maintenance=windows), faults


def read_window(value: object) -> tuple[Window, list[ReadFault]]:
    """A maintenance window by itself; what is wrong has paths such as `.schedule`."""
    faults: list[ReadFault] = []
    return _window("", value, faults), faults


def written_window(window: Window) -> dict[str, Any]:
    """A window as `read_window` reads it."""
    fields: dict[str, Any] = {"match": written_matchers(window.matchers), "schedule": window.schedule}
    fields |= {"tz": window.tz} if window.tz != "UTC" else {}
    fields |= {"duration": span_written(window.duration_ms)}
    return fields | ({"comment": window.comment} if window.comment else {})


def written_routes(routes: Sequence[Route]) -> dict[str, Any]:
    """Routes as they are read, by name; one without a name is called by its place."""
    return {route.name or f"route-{place}": _written_route(route) for place, route in enumerate(routes, 1)}


def fault_text(fault: ReadFault) -> str:
    """A fault in one sentence."""
    got = "" if fault.value is None else f", got {shown(fault.value)}"
    return f"{fault.path.lstrip('.') or 'body'}: {fault.text}{got}"


def _written_route(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if route.matchers:
        found["match"] = written_matchers(route.matchers)
    if route.times:
        found["times"] = [written_time(one) for one in route.times]
    if route.channels:
        found["channels"] = list(route.channels)
    if route.steps:
        found["escalate"] = [f"{span_written(step.after_ms)} {' '.join(step.channels)}" for step in route.steps]
    if route.group_by != GROUP_BY_DEFAULT:
        found["group_by"] = list(route.group_by)
    if route.is_continued:
        found["continue"] = True
    if route.routes:
        found["routes"] = written_routes(route.routes)
    return found


def _named(tables: Mapping[str, Any], kind: str, faults: list[ReadFault]) -> Iterator[tuple[str, object]]:
    """The tables one by one: a large file gives them piece by piece."""
    table = tables.get(kind, {})
    if not isinstance(table, Mapping):
        faults.append(ReadFault(kind, f"expected tables by name, [{kind}.NAME]"))
        return
    for name, one in table.items():
        if not 0 < len(name) <= NAME_CHARACTERS_MAX:
            faults.append(ReadFault(kind, f"expected names of 1 to {NAME_CHARACTERS_MAX} characters", name))
        yield name, one


def _check(path: str, value: Any, faults: list[ReadFault]) -> Expectation:
    is_torn = isinstance(value, Mapping) and all(isinstance(one, Mapping) for one in value.values())
    if is_torn and not set(value) <= set(CHECK_FIELDS):
        quoted = f'[checks."{path.removeprefix("checks.")}.{next(iter(value))}"]'
        faults.append(ReadFault(path, f"expected a check; a name with a dot needs quotes: {quoted}"))
        return Expectation()
    expected, found = read_check(value)
    faults += [ReadFault(path + fault.path, fault.text, fault.value) for fault in found]
    return expected


def _routes(
    path: str, value: object, faults: list[ReadFault], channels: Sequence[str] | None, *, depth: int
) -> tuple[Route, ...]:
    if not isinstance(value, Mapping):
        faults.append(ReadFault(path, f"expected tables by name, [{path}.NAME]"))
        return ()
    if depth > DEPTH_MAX:
        faults.append(ReadFault(path, f"expected routes at most {DEPTH_MAX} deep"))
        return ()
    found = [_route(f"{path}.{name}", name, one, faults, channels, depth) for name, one in value.items()]
    return tuple(found)


def _route(
    path: str, name: str, value: object, faults: list[ReadFault], channels: Sequence[str] | None, depth: int
) -> Route:
    table = _table(path, value, ROUTE_FIELDS, faults)
    no_matchers: list[Matcher] = []
    no_times: list[TimeOfDay] = []
    no_steps: list[Step] = []
    no_names: tuple[str, ...] = ()
    by_default: tuple[str, ...] = GROUP_BY_DEFAULT
    matchers = _field(f"{path}.match", table, "match", lambda it: read_matchers(it, at_least=0), no_matchers, faults)
    times = _field(f"{path}.times", table, "times", lambda it: [read_time(x) for x in _list(it)], no_times, faults)
    names = _field(f"{path}.channels", table, "channels", _names, no_names, faults)
    steps = _field(f"{path}.escalate", table, "escalate", lambda it: [_step(x) for x in _list(it)], no_steps, faults)
    if channels is not None:
        faults += [_no_channel(f"{path}.channels", name, each, channels) for each in names if each not in channels]
        further = [each for step in steps for each in step.channels if each not in channels]
        faults += [_no_channel(f"{path}.escalate", name, each, channels) for each in further]
    return Route(
        name=name,
        matchers=tuple(matchers),
        times=tuple(times),
        channels=names,
        group_by=_field(f"{path}.group_by", table, "group_by", _names, by_default, faults),
        is_continued=_field(f"{path}.continue", table, "continue", _flag, False, faults),
        steps=tuple(steps),
        routes=_routes(f"{path}.routes", table.get("routes", {}), faults, channels, depth=depth + 1),
    )


def _no_channel(path: str, route: str, channel: str, channels: Sequence[str]) -> ReadFault:
    defined = f"defined channels: {', '.join(channels)}" if channels else "there are no channels"
    return ReadFault(path, f"route {shown(route)} sends to channel {shown(channel)}, which is not defined; {defined}")


def _window(path: str, value: object, faults: list[ReadFault]) -> Window:
    table = _table(path, value, WINDOW_FIELDS, faults)
    faults += [
        ReadFault(f"{path}.{name}", "expected a value: a window needs match, schedule and duration")
        for name in ("match", "schedule", "duration")
        if name not in table
    ]
    no_matchers: list[Matcher] = []
    window = Window(
        matchers=tuple(_field(f"{path}.match", table, "match", read_matchers, no_matchers, faults)),
        schedule=_field(f"{path}.schedule", table, "schedule", _text, "", faults),
        tz=_field(f"{path}.tz", table, "tz", _text, "UTC", faults),
        duration_ms=_field(f"{path}.duration", table, "duration", read_duration_ms, 0, faults),
        comment=_field(f"{path}.comment", table, "comment", _comment, "", faults),
    )
    fault = schedule_fault(window.schedule, window.tz) if window.schedule else None
    if fault is not None:
        faults.append(ReadFault(f"{path}.schedule", fault))
    return window


def read_duration_ms(value: object) -> int:
    """How long something is to last, in ms: as text. Raises ValueError with what was expected."""
    found = span_ms(value) if isinstance(value, str) else None
    if not found or found > SILENCE_MS_MAX:
        raise ValueError(f"expected a length of time {SPAN_FORMS}, at most 90d, got {shown(value)}")
    return found


def _table(path: str, value: object, known: Sequence[str], faults: list[ReadFault]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        faults.append(ReadFault(path, "expected a table", value))
        return {}
    for name in value:
        if name not in known:
            near = get_close_matches(str(name), known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            faults.append(ReadFault(f"{path}.{name}", f"there is no such field; {hint}known here: {', '.join(known)}"))
    return value


def _field(
    path: str,
    table: Mapping[str, Any],
    name: str,
    read: Callable[[Any], Read],
    default: Read,
    faults: list[ReadFault],
) -> Read:
    if table.get(name) is None:
        return default
    try:
        return read(table[name])
    except ValueError as error:
        faults.append(ReadFault(path, str(error)))
        return default


def _list(value: object) -> list[Any]:
    if not isinstance(value, list | tuple) or len(value) > NAMES_MAX:
        raise ValueError(f"expected a list of at most {NAMES_MAX}")
    return list(value)


def _names(value: object) -> tuple[str, ...]:
    found = _list(value)
    if not all(isinstance(one, str) and 0 < len(one) <= NAME_CHARACTERS_MAX for one in found):
        raise ValueError("expected a list of names")
    return tuple(found)


def _step(value: object) -> Step:
    words = value.replace(",", " ").split() if isinstance(value, str) else []
    after_ms = span_ms(words[0]) if words else None
    if not after_ms or after_ms > STEP_MS_MAX or not 1 < len(words) <= NAMES_MAX:
        raise ValueError(f"expected TIME CHANNEL..., for example `15m pager`, the time at most 7d, got {shown(value)}")
    return Step(after_ms=after_ms, channels=tuple(words[1:]))


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected text, got {shown(value)}")
    return value


def _comment(value: object) -> str:
    if not isinstance(value, str) or len(value) > COMMENT_CHARACTERS_MAX:
        raise ValueError(f"expected text of at most {COMMENT_CHARACTERS_MAX} characters")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, got {shown(value)}")
    return value


def _count(routes: Sequence[Route]) -> int:
    return sum(1 + _count(route.routes) for route in routes)


def _silent(path: str, routes: Sequence[Route], *, has_channels: bool) -> list[str]:
    """The routes that may end an alert's way without telling anybody."""
    found: list[str] = []
    for route in routes:
        has_some = has_channels or bool(route.channels)
        found += [] if has_some else [f"{path}.{route.name}"]
        found += _silent(f"{path}.{route.name}.routes", route.routes, has_channels=has_some)
    return found
