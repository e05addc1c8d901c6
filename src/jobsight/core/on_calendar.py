"""
Calendar events as systemd timers write them after `OnCalendar=`: `Mon..Fri 02:00`, `*-*-01 04:00 Europe/Berlin`, `daily`.

The grammar and what it means at clock changes are those of systemd.time(7): a clock time that does not exist is left out,
one that comes twice counts the first time.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, tzinfo
from typing import Final, NamedTuple

YEARS_AHEAD: Final = 50
"""No slot is looked for further ahead."""

SHORTHANDS: Final = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
}

_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_PREFIX: Final = re.compile(r"\s*OnCalendar\s*=\s*", re.IGNORECASE)
_DATE: Final = re.compile(r"(?:([^-~]+)-)?([^-~]+)([-~])([^-~]+)")
_TIME: Final = re.compile(r"([^:]+):([^:]+)(?::([^:]+))?")
_PART: Final = re.compile(r"(\d{1,4})(?:\.\.(\d{1,4}))?(?:/(\d{1,4}))?")


class Part(NamedTuple):
    """A value; up to `stop` where that is given; every `step` from there."""

    start: int
    stop: int | None
    step: int


Parts = tuple[Part, ...] | None
"""None: any value."""


class Calendar(NamedTuple):
    """A calendar event. Days count from the end of the month where `is_from_end`; a zone of its own may follow it."""

    weekdays: frozenset[int]
    years: Parts
    months: Parts
    days: Parts
    is_from_end: bool
    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]
    zone: str | None


def is_calendar(text: str) -> bool:
    """Whether a schedule is written like a calendar event, and not like a cron expression."""
    words = _PREFIX.sub("", text, count=1).split()
    if _PREFIX.match(text) or (words and words[0].lower() in SHORTHANDS):
        return True
    if not 1 <= len(words) <= 4:
        return False
    is_dated = any(":" in word or _DATE.fullmatch(word) for word in words)
    return is_dated or _weekdays(words[0]) is not None


def read_calendar(text: str) -> Calendar:
    """
    A calendar event.

    Raises:
        ValueError: It cannot be read, or no such day will ever come; the text says what is wrong.
    """
    words = _PREFIX.sub("", text, count=1).split()
    if words and words[0].lower() in SHORTHANDS:
        words[:1] = SHORTHANDS[words[0].lower()].split()
    weekdays = _weekdays(words[0]) if words else None
    if weekdays is not None:
        del words[0]
    # A zone may look like a date: Etc/GMT-2.
    day = _DATE.fullmatch(words[0]) if words and not re.search(r"[A-Za-z:]", words[0]) else None
    if day is not None:
        del words[0]
    clock = _TIME.fullmatch(words[0]) if words else None
    if clock is not None:
        del words[0]
    zone = words.pop(0) if words and re.match(r"[A-Za-z]", words[0]) else None
    if words or (weekdays is None and day is None and clock is None):
        raise ValueError(f"expected [WEEKDAYS] [DATE] [TIME] [ZONE], for example `Mon..Fri 02:00`; got {_shown(words)}")
    year, month, sign, of_month = (None, "*", "-", "*") if day is None else day.groups()
    hour, minute, second = ("0", "0", None) if clock is None else clock.groups()
    found = Calendar(
        weekdays=frozenset(range(7)) if weekdays is None else weekdays,
        years=_years(_parts("year", year or "*", 0, 2199)),
        months=_parts("month", month, 1, 12),
        days=_parts("day of the month", of_month, 1, 31),
        is_from_end=sign == "~",
        hours=tuple(_values(_parts("hour", hour, 0, 23), 0, 23)),
        minutes=tuple(_values(_parts("minute", minute, 0, 59), 0, 59)),
        seconds=tuple(_values(_parts("second", second or "0", 0, 59), 0, 59)),
        zone=zone,
    )
    since = date(2024 if found.years is None else max(1970, min(part.start for part in found.years)), 1, 1)
    if next(days_from(found, since), None) is None:
        raise ValueError("no such day will come")
    return found


def days_from(calendar: Calendar, since: date) -> Iterator[date]:
    """The days of a calendar event from one on (it counts), in order; none more than 50 years ahead."""
    for year in range(since.year, since.year + YEARS_AHEAD):
        if calendar.years is not None and year not in _values(calendar.years, year, year):
            continue
        for month in _values(calendar.months, 1, 12):
            last = monthrange(year, month)[1]
            for number in _days(calendar, last):
                one = date(year, month, number)
                if one >= since and one.weekday() in calendar.weekdays:
                    yield one


def slots_after(calendar: Calendar, zone: tzinfo, after_ms: int) -> Iterator[int]:
    """The slots after a moment, in order; all in ms since the epoch, UTC. `zone` decides what the clock says."""
    now = datetime.fromtimestamp(after_ms // 1000, zone)
    for day in days_from(calendar, now.date()):
        for wall in _times(calendar, (now.hour, now.minute) if day == now.date() else (0, 0)):
            moment = datetime.combine(day, wall, zone)
            slot_ms = round(moment.timestamp()) * 1000
            is_shown = datetime.fromtimestamp(slot_ms // 1000, zone).time() == wall  # the clock may leave it out
            if is_shown and slot_ms > after_ms:
                yield slot_ms
                after_ms = slot_ms


def _times(calendar: Calendar, since: tuple[int, int]) -> Iterator[time]:
    """The times of a day, from an hour and minute on."""
    for hour in calendar.hours:
        for minute in calendar.minutes:
            if (hour, minute) >= since:
                yield from (time(hour, minute, second) for second in calendar.seconds)


def _days(calendar: Calendar, last: int) -> Sequence[int]:
    """The days of a month that has so many. Counted from its end, a range goes backwards, in its steps."""
    if calendar.days is None or not calendar.is_from_end:
        return _values(calendar.days, 1, last)
    found: set[int] = set()
    for part in calendar.days:
        first = last - part.start + 1
        if part.stop is not None:
            found.update(range(first, last - part.stop, -(part.step or 1)))
        else:
            found.update(range(first, last + 1 if part.step else first + 1, part.step or 1))
    return sorted(one for one in found if one >= 1)


def _values(parts: Parts, low: int, high: int) -> Sequence[int]:
    """What lies within two bounds, in order."""
    if parts is None:
        return range(low, high + 1)
    found: set[int] = set()
    for part in parts:
        stop = part.stop if part.stop is not None else high if part.step else part.start
        found.update(range(part.start, min(stop, high) + 1, part.step or 1))
    return sorted(one for one in found if one >= low)


def _parts(name: str, text: str, low: int, high: int) -> Parts:
    if text == "*":
        return None
    found = []
    for word in text.split(","):
        match = _PART.fullmatch(word)
        if match is None:
            raise ValueError(f"the {name}, {text!r}, cannot be read")
        start, stop = int(match[1]), None if match[2] is None else int(match[2])
        step = 0 if match[3] is None else int(match[3])
        repeats = match[3] is None or (step > 0 and (stop is not None or start + step <= high))
        if not (low <= start <= (high if stop is None else stop) <= high and repeats):
            raise ValueError(f"the {name}, {text!r}, does not lie between {low} and {high}, or repeats nothing")
        found.append(Part(start, stop, step))
    return tuple(found)


def _years(parts: Parts) -> Parts:
    """Of two digits: of 1970 to 2069."""

    def whole(year: int) -> int:
        return year + 2000 if year < 70 else year + 1900 if year < 100 else year

    if parts is None:
        return None
    return tuple(Part(whole(one.start), None if one.stop is None else whole(one.stop), one.step) for one in parts)


def _weekdays(text: str) -> frozenset[int] | None:
    """The days of the week that a word names; None for another word."""
    found: set[int] = set()
    for word in text.split(","):
        first, *further = re.split(r"\.\.|-", word, maxsplit=1)
        start = _weekday(first)
        stop = _weekday(further[0]) if further else start
        if start is None or stop is None or start > stop:
            return None
        found.update(range(start, stop + 1))
    return frozenset(found)


def _weekday(name: str) -> int | None:
    return next((at for at, one in enumerate(_WEEKDAYS) if name.lower() in (one, one[:3])), None)


def _shown(words: Sequence[str]) -> str:
    return repr(" ".join(words)[:24])
