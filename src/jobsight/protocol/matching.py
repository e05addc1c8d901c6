"""Matchers and times of day as people write them: `task=billing.*`, `severity!=warning`, `mon-fri 22:00-06:00 Europe/Berlin`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from jobsight.core.globs import glob_fault
from jobsight.core.limits import LABEL_KEY_BYTES_MAX
from jobsight.core.routing import MATCHERS_MAX, Matcher, TimeOfDay
from jobsight.core.schedule import schedule_fault
from jobsight.protocol.refusals import shown

MATCHER_FORM: Final = "NAME=GLOB or NAME!=GLOB, for example task=billing.* or severity!=warning"
TIME_FORM: Final = "[DAYS] HH:MM-HH:MM [ZONE], for example 22:00-06:00 or mon-fri 08:00-18:00 Europe/Berlin"

_MATCHER: Final = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*(!?=)\s*(.*?)\s*", re.DOTALL)
_TIME: Final = re.compile(
    r"(?:(?P<days>[a-z]{3}(?:[-,][a-z]{3})*)\s+)?(?P<from>\d{2}:\d{2})-(?P<to>\d{2}:\d{2})(?:\s+(?P<zone>\S+))?",
    re.IGNORECASE,
)
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def read_matcher(value: object) -> Matcher:
    """
    One matcher. The name is task, queue, rule, severity, alert_id, or the key of a label.

    Raises:
        ValueError: What was expected.
    """
    match = _MATCHER.fullmatch(value) if isinstance(value, str) else None
    if match is None or len(match[1]) > LABEL_KEY_BYTES_MAX:
        raise ValueError(f"expected {MATCHER_FORM}, got {shown(value)}")
    name, sign, pattern = match.groups()
    fault = glob_fault(pattern)
    if fault is not None:
        raise ValueError(f"{fault} after {name}{sign}, got {shown(pattern)}")
    return Matcher(name=name, pattern=pattern, is_not=sign == "!=")


def read_matchers(value: object, *, at_least: int = 1) -> list[Matcher]:
    """Several matchers, all of which have to match. Raises ValueError as `read_matcher`."""
    if not isinstance(value, list | tuple) or not at_least <= len(value) <= MATCHERS_MAX:
        raise ValueError(f"expected a list of {at_least} to {MATCHERS_MAX} matchers ({MATCHER_FORM})")
    return [read_matcher(one) for one in value]


def written_matchers(matchers: Sequence[Matcher]) -> list[str]:
    """Matchers as `read_matchers` reads them."""
    return [f"{one.name}{'!=' if one.is_not else '='}{one.pattern}" for one in matchers]


def read_time(value: object) -> TimeOfDay:
    """
    A part of the day.

    Raises:
        ValueError: What was expected.
    """
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected {TIME_FORM}, got {shown(value)}")
    zone = match["zone"] or "UTC"
    fault = schedule_fault("0 0 * * *", zone)
    if fault is not None:
        raise ValueError(fault)
    return TimeOfDay(
        from_minute=_minute(match["from"]), to_minute=_minute(match["to"]), weekdays=_weekdays(match["days"]), tz=zone
    )


def written_time(time: TimeOfDay) -> str:
    """A part of the day as `read_time` reads it."""
    hours = "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (time.from_minute, time.to_minute))
    days = ",".join(_DAYS[day] for day in time.weekdays)
    return " ".join(part for part in (days, hours, "" if time.tz == "UTC" else time.tz) if part)


def _minute(text: str) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    if minute > 59 or hour > 24 or (hour == 24 and minute):
        raise ValueError(f"expected a time of day from 00:00 to 24:00, got {text}")
    return hour * 60 + minute


def _weekdays(text: str | None) -> tuple[int, ...]:
    found: set[int] = set()
    for part in (text or "").lower().split(","):
        first, _, last = part.partition("-")
        if not part:
            continue
        if first not in _DAYS or (last or first) not in _DAYS:
            raise ValueError(f"expected days among {', '.join(_DAYS)}, got {shown(part)}")
        start, end = _DAYS.index(first), _DAYS.index(last or first)
        found |= {day % 7 for day in range(start, end + 1 if end >= start else end + 8)}
    return tuple(sorted(found))
