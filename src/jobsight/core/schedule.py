"""
Schedules: when a task is expected to start. Pure: the moments come in and go out as milliseconds since the epoch, UTC.

A cron expression is read in its zone, and what it gives is turned into UTC before any grace time is added. At the
autumn change a fixed time fires once; at the spring change one that does not exist fires when the clock has jumped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
from typing import Final, NamedTuple

from jobsight.core.on_calendar import is_calendar, read_calendar, slots_after
from jobsight.core.spans import SPAN_FORMS, span_ms
from jobsight.errors import ConfigError

EXPRESSION_CHARACTERS_MAX: Final = 256
"""A longer expression is refused before it is looked at."""

SHOWN_CHARACTERS: Final = 24
"""How much of it an error text repeats."""

SLOTS_REMEMBERED: Final = 32
"""Slots of one schedule that need not be worked out again: many tasks share one."""

INTERVAL_MS_MIN: Final = 1_000
"""Slots closer to each other than this are no schedule."""

MACROS: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""Names that cronsim does not know, as cron expressions."""

_FIELDS: Final = ("minute", "hour", "day of the month", "month", "day of the week")
_EVERY: Final = re.compile(r"every\s+(.+)", re.IGNORECASE)

NextSlot = Callable[[int], int | None]
"""From a moment, the first slot after it; None when there is none any more. Both in ms since the epoch, UTC."""


class ScheduleError(ConfigError):
    """A schedule or a time zone cannot be read; the text names what is wrong in it."""


def next_slot_ms(schedule: str, zone: str, after_ms: int, anchor_ms: int = 0) -> int | None:
    """
    The first moment after `after_ms` at which a run is expected, before any grace.

    Args:
        schedule: A cron expression of five fields, a name like `@daily`, an interval like `every 15m`, or what systemd
            timers have after `OnCalendar=`, like `Mon..Fri 02:00`.
        zone: The IANA zone that decides what "midnight" means; intervals do not mind it.
        after_ms: Milliseconds since the epoch, UTC.
        anchor_ms: Intervals are counted from here.

    Returns:
        Milliseconds since the epoch, UTC; None when no such moment comes within 50 years.

    Raises:
        ScheduleError: The schedule or the zone cannot be read.
    """
    return reader_of(schedule, zone)(after_ms, anchor_ms)


def slots_within(schedule: str, zone: str, after_ms: int, until_ms: int, anchor_ms: int = 0) -> Iterator[int]:
    """The slots after one moment up to another one (it counts), in order. Raises ScheduleError."""
    for slot_ms in _read(schedule, zone).walk(after_ms, anchor_ms):
        if slot_ms > until_ms:
            return
        yield slot_ms


def schedule_fault(schedule: str, zone: str = "UTC") -> str | None:
    """What is wrong with a schedule or its zone, in words; None for a good one."""
    try:
        reader_of(schedule, zone)
    except ScheduleError as error:
        return str(error)
    return None


def reader_of(schedule: str, zone: str) -> Callable[[int, int], int | None]:
    """
    A schedule, read once: `(after_ms, anchor_ms) -> slot_ms`, see `next_slot_ms`.

    Raises:
        ScheduleError: The schedule or the zone cannot be read.
    """
    return _read(schedule, zone).find


class _Schedule(NamedTuple):
    """A schedule that was read: the slot after a moment, and all that follow, one after the other; both with the anchor."""

    find: Callable[[int, int], int | None]
    walk: Callable[[int, int], Iterator[int]]


@lru_cache(maxsize=4_096)
def _read(schedule: str, zone: str) -> _Schedule:
    if len(schedule) > EXPRESSION_CHARACTERS_MAX:
        raise ScheduleError(
            f"schedule {_shown(schedule)}: expected at most {EXPRESSION_CHARACTERS_MAX} characters, got {len(schedule)}"
        )
    text = schedule.strip()
    every = _EVERY.fullmatch(text)
    if every is not None:
        return _interval(every[1], schedule)
    if is_calendar(text):
        return _calendar(text, schedule, zone)
    return _cron(text, schedule, zone)


def _interval(span: str, schedule: str) -> _Schedule:
    interval_ms = span_ms(span)
    if interval_ms is None or interval_ms < INTERVAL_MS_MIN:
        raise ScheduleError(f"schedule {_shown(schedule)}: expected `every` and a time of at least 1 s ({SPAN_FORMS})")

    def find(after_ms: int, anchor_ms: int) -> int:
        return after_ms + interval_ms - (after_ms - anchor_ms) % interval_ms

    def walk(after_ms: int, anchor_ms: int) -> Iterator[int]:
        return count(find(after_ms, anchor_ms), interval_ms)

    return _Schedule(find, walk)


def _calendar(text: str, schedule: str, zone: str) -> _Schedule:
    try:
        calendar = read_calendar(text)
    except ValueError as error:
        raise ScheduleError(f"schedule {_shown(schedule)}: {error}") from error
    tz = _zone(calendar.zone or zone)

    @lru_cache(maxsize=SLOTS_REMEMBERED)
    def slot_after(after_ms: int) -> int | None:
        return next(slots_after(calendar, tz, after_ms), None)

    return _Schedule(lambda after_ms, _: slot_after(after_ms), lambda after_ms, _: slots_after(calendar, tz, after_ms))


def _cron(text: str, schedule: str, zone: str) -> _Schedule:
    from cronsim import CronSim

    if text.startswith("@") and text.lower() not in MACROS:
        raise ScheduleError(f"schedule {_shown(schedule)}: expected one of {', '.join(MACROS)}")
    expression = MACROS.get(text.lower(), text)
    _refuse_bad_fields(expression, schedule)
    tz = _zone(zone)

    def walk(after_ms: int, _anchor_ms: int) -> Iterator[int]:
        for slot in CronSim(expression, datetime.fromtimestamp(after_ms // 1000, tz)):
            slot_ms = round(slot.timestamp()) * 1000
            # Within the hour that comes twice the expression's clock time has come before already.
            if slot_ms > after_ms:
                yield slot_ms
                after_ms = slot_ms

    @lru_cache(maxsize=SLOTS_REMEMBERED)
    def slot_after(after_ms: int) -> int | None:
        return next(walk(after_ms, 0), None)

    return _Schedule(lambda after_ms, _: slot_after(after_ms), walk)


def _refuse_bad_fields(expression: str, schedule: str) -> None:
    """Name the field that is wrong, by trying each in an expression that is right otherwise."""
    from cronsim import CronSim, CronSimError

    start = datetime(2024, 1, 1, tzinfo=UTC)
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        raise ScheduleError(
            f"schedule {_shown(schedule)}: expected five fields (minute hour day month weekday), a name like @daily, "
            f"an interval like `every 15m`, or a calendar event of systemd like `Mon..Fri 02:00`; got {len(fields)} fields"
        )
    for index, name in enumerate(_FIELDS):
        single = ["*"] * len(_FIELDS)
        single[index] = fields[index]
        try:
            CronSim(" ".join(single), start)
        except (CronSimError, ValueError, AssertionError, IndexError, TypeError) as error:
            raise ScheduleError(
                f"schedule {_shown(schedule)}: the {name}, {_shown(fields[index])}, cannot be read"
            ) from error
    try:
        next(CronSim(expression, start))
    except StopIteration:
        raise ScheduleError(f"schedule {_shown(schedule)}: no such day will come") from None
    except (CronSimError, ValueError, AssertionError, IndexError, TypeError) as error:
        raise ScheduleError(f"schedule {_shown(schedule)}: no such day exists") from error


def _shown(text: str) -> str:
    """A part of the input as an error text may repeat it."""
    return repr(text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…")


@lru_cache(maxsize=64)
def _zone(name: str):  # type: ignore[no-untyped-def]  # zoneinfo reads files, so it is loaded only where it is needed
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError(f"zone {_shown(name)}: expected an IANA name like Europe/Berlin or UTC") from error
