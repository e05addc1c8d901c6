"""A schedule in words. The common forms only: any other expression is shown as it is."""

from __future__ import annotations

import re
from typing import Final

from jobsight.core.schedule import MACROS
from jobsight.core.spans import span_ms
from jobsight.transports.http.pages.words import span

_DAYS: Final = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_STEP: Final = re.compile(r"\*/(\d{1,2})")
_RANGE: Final = re.compile(r"([0-7])-([0-7])")


def schedule_words(schedule: str, zone: str) -> str:
    """
    When a task is expected, for people: `daily at 02:00 Europe/Berlin`, `every 15 min`, `Mon to Fri at 06:00 UTC`.

    Args:
        schedule: As `core.schedule` reads it.
        zone: Named where a time of day is.
    """
    text = schedule.strip()
    if text.lower().startswith("every "):
        length_ms = span_ms(text[6:])
        return text if length_ms is None else f"every {span(length_ms)}"
    fields = MACROS.get(text.lower(), text).split()
    words = None if len(fields) != 5 else _words(*fields)
    if words is None:
        return f"{text} ({zone})"
    return words if words.startswith("every ") and ":" not in words else f"{words} {zone}"


def _words(minute: str, hour: str, day: str, month: str, weekday: str) -> str | None:
    if month != "*":
        return None
    if hour == "*" and day == weekday == "*":
        return _often(minute)
    if not minute.isdigit():
        return None
    step = _STEP.fullmatch(hour)
    if step is not None and day == weekday == "*":
        return f"every {step[1]} h at :{int(minute):02d}"
    hours = hour.split(",")
    if not all(one.isdigit() for one in hours):
        return None
    at = " and ".join(f"{int(one):02d}:{int(minute):02d}" for one in hours)
    days = _days(day, weekday)
    return None if days is None else f"{days} at {at}"


def _often(minute: str) -> str | None:
    if minute == "*":
        return "every 1 min"
    step = _STEP.fullmatch(minute)
    if step is not None:
        return f"every {step[1]} min"
    return f"hourly at :{int(minute):02d}" if minute.isdigit() else None


def _days(day: str, weekday: str) -> str | None:
    if day == weekday == "*":
        return "daily"
    if weekday == "*":
        return f"monthly on day {day}" if day.isdigit() else None
    if day != "*":
        return None
    between = _RANGE.fullmatch(weekday)
    if between is not None:
        return f"{_DAYS[int(between[1])]} to {_DAYS[int(between[2])]}"
    chosen = weekday.split(",")
    if all(one.isdigit() and int(one) <= 7 for one in chosen):
        return ", ".join(_DAYS[int(one)] for one in chosen)
    return None
