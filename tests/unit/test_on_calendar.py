"""Calendar events of systemd timers as schedules: they mean what systemd means by them."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from jobsight.core.check import Expectation
from jobsight.core.schedule import ScheduleError, next_slot_ms, schedule_fault, slots_within
from jobsight.protocol.expectations import read_check

YEAR_MS = 366 * 86_400_000
BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def slots(schedule: str, zone: str, since: str, count: int) -> list[str]:
    """The next slots after a clock time, as UTC."""
    after_ms = round(datetime.fromisoformat(since).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1000
    found = islice(slots_within(schedule, zone, after_ms, after_ms + 20 * YEAR_MS), count)
    return [datetime.fromtimestamp(one // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") for one in found]


@pytest.mark.parametrize(
    ("schedule", "zone", "since", "expected"),
    [
        ("daily", "UTC", "2026-03-01 12:00", ["2026-03-02 00:00:00", "2026-03-03 00:00:00"]),
        ("OnCalendar=Mon..Fri 02:00", "UTC", "2026-03-06 12:00", ["2026-03-09 02:00:00", "2026-03-10 02:00:00"]),
        ("sat,sun 3:5", "UTC", "2026-03-06 12:00", ["2026-03-07 03:05:00", "2026-03-08 03:05:00"]),
        ("*-*-01 04:00 Asia/Kolkata", BERLIN, "2026-03-06 12:00", ["2026-03-31 22:30:00", "2026-04-30 22:30:00"]),
        ("*:0/25", "UTC", "2026-03-06 12:10", ["2026-03-06 12:25:00", "2026-03-06 12:50:00", "2026-03-06 13:00:00"]),
        ("*-02-29", "UTC", "2026-03-06 12:10", ["2028-02-29 00:00:00", "2032-02-29 00:00:00"]),
        ("Mon *-05~07/1", "UTC", "2026-03-06 12:10", ["2026-05-25 00:00:00", "2027-05-31 00:00:00"]),
        ("*-*~1 23:59:30", "UTC", "2026-02-06 12:10", ["2026-02-28 23:59:30", "2026-03-31 23:59:30"]),
        ("*-*~02..22/12", "UTC", "2026-11-02 04:15", ["2026-11-17 00:00:00", "2026-11-29 00:00:00"]),
        ("quarterly", "UTC", "2026-02-06 12:10", ["2026-04-01 00:00:00", "2026-07-01 00:00:00"]),
        # Spring: a time that the clock leaves out is left out.
        ("02:30", BERLIN, "2026-03-27 12:00", ["2026-03-28 01:30:00", "2026-03-30 00:30:00"]),
        ("02:30", NEW_YORK, "2026-03-07 12:00", ["2026-03-09 06:30:00"]),
        ("02:15", LORD_HOWE, "2026-10-03 12:00", ["2026-10-04 15:15:00"]),
        # Autumn: a time that comes twice counts the first time, at any pace.
        ("02:30", BERLIN, "2026-10-24 12:00", ["2026-10-25 00:30:00", "2026-10-26 01:30:00"]),
        ("01:30", NEW_YORK, "2026-10-31 12:00", ["2026-11-01 05:30:00", "2026-11-02 06:30:00"]),
        ("01:45", LORD_HOWE, "2026-04-04 12:00", ["2026-04-04 14:45:00", "2026-04-05 15:15:00"]),
        ("hourly", BERLIN, "2026-10-25 01:10", ["2026-10-25 00:00:00", "2026-10-25 02:00:00"]),
    ],
)
def test_a_calendar_event_comes_when_the_clock_of_its_zone_shows_it(
    schedule: str, zone: str, since: str, expected: list[str]
) -> None:
    """Weekdays, dates, the end of the month, steps, a zone of its own, and both clock changes."""
    assert expected == slots(schedule, zone, since, len(expected))
    if shutil.which("systemd-analyze") is not None:
        assert expected == said_by_systemd(schedule, zone, since, len(expected))


def said_by_systemd(schedule: str, zone: str, since: str, count: int) -> list[str]:
    """The same, as systemd itself works it out."""
    event = schedule.removeprefix("OnCalendar=")
    command = ["systemd-analyze", "calendar", f"--iterations={count}", f"--base-time={since}:00", event]
    answer = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "TZ": zone, "LC_ALL": "C"}
    )
    lines = [line.split(": ", 1) for line in answer.stdout.splitlines() if ": " in line]
    is_utc = zone == "UTC"
    wanted = [
        text for name, text in lines if ("in UTC" in name) or (is_utc and name.strip().startswith(("Next", "Iter")))
    ]
    return [" ".join(text.split()[1:3]) for text in wanted]


@pytest.mark.parametrize(
    ("schedule", "fault"),
    [
        ("25:00", "the hour, '25', does not lie between 0 and 23"),
        ("12:00:00.5", "the second, '00.5', cannot be read"),
        ("*-13-01", "the month, '13', does not lie between 1 and 12"),
        ("*-02-30 03:00", "no such day will come"),
        ("*:*/15", "the minute, '*/15', cannot be read"),
        ("*:59/15", "repeats nothing"),
        ("Fri..Mon 03:00", "expected [WEEKDAYS] [DATE] [TIME] [ZONE]"),
        ("03:00 Nowhere/City", "zone 'Nowhere/City': expected an IANA name"),
        ("OnCalendar=", "expected [WEEKDAYS] [DATE] [TIME] [ZONE]"),
        ("03:00 04:00", "expected [WEEKDAYS] [DATE] [TIME] [ZONE]"),
        ("0 2 * *", "expected five fields"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(schedule: str, fault: str) -> None:
    """With the part that is wrong; and what is no calendar event is told apart from one."""
    assert fault in (schedule_fault(schedule) or "")


def test_a_year_that_is_over_has_no_slot_any_more() -> None:
    """It is a schedule, and nothing is expected."""
    assert next_slot_ms("2020-05-01 03:00", "UTC", 1_772_323_200_000) is None
    with pytest.raises(ScheduleError):
        next_slot_ms("2021-02-29", "UTC", 0)


def test_a_check_takes_a_calendar_event() -> None:
    """Wherever checks are written, the same schedules are read."""
    assert (Expectation(schedule="Mon..Fri 02:00", tz=BERLIN), []) == read_check(
        {"schedule": "Mon..Fri 02:00", "tz": BERLIN}
    )


def test_the_monotone_walk_is_the_single_steps() -> None:
    """Walking gives what asking again from each slot gives, through the hour that comes twice."""
    since = round(datetime(2026, 10, 24, 23, tzinfo=ZoneInfo(BERLIN)).timestamp()) * 1000
    walked = list(slots_within("*:0/20", BERLIN, since, since + 6 * 3_600_000))
    stepped, at_ms = [], since
    while (slot_ms := next_slot_ms("*:0/20", BERLIN, at_ms)) is not None and slot_ms <= since + 6 * 3_600_000:
        stepped.append(slot_ms)
        at_ms = slot_ms

    assert stepped == walked
