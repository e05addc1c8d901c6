"""The optional object `check` of a report, and the same shape wherever a check is written as JSON: read and refused in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from jobsight.core.check import Bounds, Expectation
from jobsight.core.limits import MEASURES_MAX
from jobsight.core.schedule import EXPRESSION_CHARACTERS_MAX, ScheduleError, reader_of
from jobsight.core.spans import SPAN_FORMS, span_ms

SPAN_MS_MAX: Final = 400 * 86_400_000
"""No limit of a check is longer than this."""

RETRIES_MAX: Final = 1_000_000

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

_Reader = Callable[[object], Any]


class _Fault(Exception):
    """What was expected of a value."""


def read_expectation(value: object) -> Expectation | tuple[str, str, object]:
    """
    A check as it is written: schedule and limits.

    Returns:
        What is expected; or, for the first bad field, its path (`.schedule`), what was expected there, and its value.
    """
    if not isinstance(value, dict):
        return ("", "expected an object", value)
    fields: dict[str, Any] = {}
    for name, one in value.items():
        if not isinstance(name, str) or name not in _READERS:
            return ("", f"expected fields among {', '.join(_NAMES)}", name)
        if one is None:
            continue
        reader = _READERS[name]
        try:
            fields[SPANS.get(name, name)] = reader(one)
        except _Fault as fault:
            return (f".{name}", str(fault), one)
    if "tz" in fields and "schedule" not in fields:
        return (".tz", "expected a schedule beside it", fields["tz"])
    if "schedule" in fields:
        try:
            reader_of(fields["schedule"], fields.get("tz", "UTC"))
        except ScheduleError as error:
            return (".schedule", str(error), None)
    return Expectation(**fields)


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
