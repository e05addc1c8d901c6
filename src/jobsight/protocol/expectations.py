"""The optional object `check` of a report, and the same shape wherever a check is written as JSON: read and refused in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

import msgspec
from msgspec import Struct

from jobsight.core.check import Bounds, Expectation, Severity
from jobsight.core.limits import MEASURES_MAX, NAME_CHARACTERS_MAX
from jobsight.core.schedule import EXPRESSION_CHARACTERS_MAX, ScheduleError, reader_of
from jobsight.core.spans import SPAN_FORMS, span_ms, span_written
from jobsight.protocol.validation import labels_fault

SPAN_MS_MAX: Final = 400 * 86_400_000
"""No limit of a check is longer than this."""

RETRIES_MAX: Final = 1_000_000
DEPENDS_ON_MAX: Final = 64
LINK_CHARACTERS_MAX: Final = 2_048

SPANS: Final = {
    "start_grace": "start_grace_ms",
    "early_margin": "early_margin_ms",
    "finish_by": "finish_by_ms",
    "max_runtime": "max_runtime_ms",
    "heartbeat": "heartbeat_ms",
    "stall_after": "stall_after_ms",
    "min_runtime": "min_runtime_ms",
}
"""Lengths of time: written as text under the short name, or in milliseconds under the long one."""

_NOTHING: Final[dict[str, Any]] = {"measures": {}, "labels": {}}
"""Where a check names none: the same two for all of them, as there may be a hundred thousand."""

_Reader = Callable[[object], Any]


class _Fault(Exception):
    """What was expected of a value."""


class ReadFault(Struct, frozen=True):
    """What is wrong: where (`.schedule`; empty for the whole), what was expected, and the value, where that says more."""

    path: str
    text: str
    value: object = None


def read_expectation(value: object) -> Expectation | tuple[str, str, object]:
    """
    A check as a report writes it: schedule and limits.

    Returns:
        What is expected; or, for the first bad field, its path (`.schedule`), what was expected there, and its value.
    """
    expected, faults = _read(value, _READERS, _NAMES)
    return (faults[0].path, faults[0].text, faults[0].value) if faults else expected


def read_check(value: object) -> tuple[Expectation, list[ReadFault]]:
    """
    A check as an operator writes it: also how bad it is, whose it is, and on what it depends.

    Returns:
        What is expected, as far as it can be read; and everything that is wrong with it.
    """
    return _read(value, _ALL_READERS, CHECK_FIELDS)


def written_check(expected: Expectation) -> dict[str, Any]:
    """A check as `read_check` reads it: only what differs from the defaults, lengths of time as text."""
    fields: dict[str, Any] = msgspec.to_builtins(expected)
    if "measures" in fields:
        bounds = fields["measures"].items()
        fields["measures"] = {name: {k: v for k, v in one.items() if v is not None} for name, one in bounds}
    short = {long: name for name, long in SPANS.items()}
    return {short.get(name, name): span_written(one) if name in short else one for name, one in fields.items()}


def _read(value: object, readers: Mapping[str, _Reader], names: Sequence[str]) -> tuple[Expectation, list[ReadFault]]:
    if not isinstance(value, dict):
        return Expectation(), [ReadFault("", "expected an object", value)]
    fields: dict[str, Any] = {}
    faults: list[ReadFault] = []
    for name, one in value.items():
        if not isinstance(name, str) or name not in readers:
            faults.append(_unknown(name, names, has_hint=readers is _ALL_READERS))
            continue
        if one is None:
            continue
        try:
            fields[SPANS.get(name, name)] = readers[name](one)
        except _Fault as fault:
            faults.append(ReadFault(f".{name}", str(fault), one))
    if "tz" in fields and "schedule" not in fields and "schedule" not in value:
        faults.append(ReadFault(".tz", "expected a schedule beside it", fields["tz"]))
    if "finish_by_ms" in fields and "schedule" not in fields and "schedule" not in value and readers is _ALL_READERS:
        faults.append(ReadFault(".finish_by", "expected a schedule beside it: it is counted from the slot"))
    if "schedule" in fields:
        try:
            reader_of(fields["schedule"], fields.get("tz", "UTC"))
        except ScheduleError as error:
            faults.append(ReadFault(".schedule", str(error)))
    return Expectation(**_NOTHING | fields), faults


def _unknown(name: object, names: Sequence[str], *, has_hint: bool) -> ReadFault:
    if not has_hint:
        return ReadFault("", f"expected fields among {', '.join(names)}", name)
    near = get_close_matches(str(name), names, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    return ReadFault(f".{name}", f"there is no such field; {hint}known here: {', '.join(names)}")


def _span(value: object) -> int:
    found = span_ms(value) if isinstance(value, str) else None
    if found is None or found > SPAN_MS_MAX:
        raise _Fault(f"expected a length of time {SPAN_FORMS}, at most 400d")
    return found


def _whole(low: int, high: int) -> _Reader:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _Fault(f"expected a whole number from {low} to {high}")
        return value

    return read


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise _Fault("expected a number between 0 and 1")
    return float(value)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _Fault("expected text")
    return value[: EXPRESSION_CHARACTERS_MAX + 1]


def _measures(value: object) -> dict[str, Bounds]:
    what = "expected an object of {min, max}"
    if not isinstance(value, dict) or len(value) > MEASURES_MAX:
        raise _Fault(what)
    found: dict[str, Bounds] = {}
    for name, bounds in value.items():
        if not isinstance(bounds, dict) or not set(bounds) <= {"min", "max"}:
            raise _Fault(what)
        if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in bounds.values()):
            raise _Fault(what)
        found[name] = Bounds(**bounds)
    return found


def _severity(value: object) -> Severity:
    if not isinstance(value, str) or value not in set(Severity):
        raise _Fault(f"expected one of {', '.join(Severity)}")
    return Severity(value)


def _labels(value: object) -> dict[str, str]:
    fault = labels_fault(value)
    if fault is not None or not isinstance(value, dict):
        raise _Fault(fault or "expected an object")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= NAME_CHARACTERS_MAX:
        raise _Fault(f"expected text of 1 to {NAME_CHARACTERS_MAX} characters")
    return value


def _link(value: object) -> str:
    if not isinstance(value, str) or not value.startswith(("https://", "http://")) or len(value) > LINK_CHARACTERS_MAX:
        raise _Fault(f"expected a URL that begins with https:// or http://, at most {LINK_CHARACTERS_MAX} characters")
    return value


def _tasks(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > DEPENDS_ON_MAX:
        raise _Fault(f"expected a list of at most {DEPENDS_ON_MAX} tasks")
    return tuple(_name(one) for one in value)


_READERS: Final[Mapping[str, _Reader]] = {
    "schedule": _text,
    "tz": _text,
    **dict.fromkeys(SPANS, _span),
    **dict.fromkeys(SPANS.values(), _whole(0, SPAN_MS_MAX)),
    "measures": _measures,
    "max_retries": _whole(0, RETRIES_MAX),
    "failure_threshold": _whole(1, 1_000),
    "recovery_threshold": _whole(1, 1_000),
    "failure_rate_max": _share,
}
_NAMES: Final = [name for name in _READERS if name not in SPANS.values()]

_ALL_READERS: Final[Mapping[str, _Reader]] = {
    **_READERS,
    "severity": _severity,
    "labels": _labels,
    "owner": _name,
    "runbook_url": _link,
    "depends_on": _tasks,
}
CHECK_FIELDS: Final = [name for name in _ALL_READERS if name not in SPANS.values()]
"""What may stand in a check that an operator writes, in the short names."""
