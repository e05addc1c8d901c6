"""Schedules: when a run is expected, also where the clock changes."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from jobsight.core.schedule import (
    EXPRESSION_CHARACTERS_MAX,
    MACROS,
    ScheduleError,
    next_slot_ms,
    schedule_fault,
    slots_within,
)
from jobsight.core.spans import span_ms, span_text

HOUR_MS = 3_600_000


def at(text: str, zone: str, fold: int = 0) -> int:
    """A clock time in a zone, ms UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()) * 1000


def slots(schedule: str, zone: str, since: str, count: int) -> list[str]:
    """The next slots after a clock time, as UTC."""
    after_ms = at(since, zone)
    found = islice(slots_within(schedule, zone, after_ms, after_ms + 400 * 24 * HOUR_MS), count)
    return [datetime.fromtimestamp(one // 1000, ZoneInfo("UTC")).strftime("%m-%d %H:%M") for one in found]


@pytest.mark.parametrize(
    ("schedule", "zone", "since", "expected"),
    [
        # Spring: a time that does not exist fires as soon as the clock has jumped, once.
        ("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        ("30 2 * * *", "America/New_York", "2026-03-07T12:00", ["03-08 07:00", "03-09 06:30"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", ["10-03 15:30", "10-04 15:15"]),
        # Autumn: a time that comes twice fires once.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["10-25 00:30", "10-26 01:30"]),
        ("30 1 * * *", "America/New_York", "2026-10-31T12:00", ["11-01 05:30", "11-02 06:30"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00", ["04-04 14:45", "04-05 15:15"]),
        # What runs at any hour runs in the hour that comes twice, twice.
        ("0 * * * *", "Europe/Berlin", "2026-10-25T01:30", ["10-25 00:00", "10-25 01:00", "10-25 02:00"]),
        ("*/30 * * * *", "Australia/Lord_Howe", "2026-04-05T01:10", ["04-04 14:30", "04-04 15:00", "04-04 15:30"]),
    ],
)
def test_a_slot_is_where_the_clock_on_the_wall_puts_it(
    schedule: str, zone: str, since: str, expected: list[str]
) -> None:
    """Slots are worked out in the zone of the schedule, through both clock changes."""
    assert expected == slots(schedule, zone, since, len(expected))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("schedule", ["*/7 * * * *", "30 1,2,3 * * *", "15 */2 * * 1-5", "0 0 29 2 *", "every 50m"])
def test_slots_in_a_row_are_those_found_one_by_one(schedule: str, zone: str) -> None:
    """Through a year with both clock changes, from wherever one begins."""
    for began_ms in range(at("2026-01-01", "UTC"), at("2027-01-01", "UTC"), 23 * 24 * HOUR_MS + 1_234_567):
        row = list(islice(slots_within(schedule, zone, began_ms, began_ms + 40 * 24 * HOUR_MS, 5_000), 50))
        singly, slot_ms = [], next_slot_ms(schedule, zone, began_ms, 5_000)
        while slot_ms is not None and len(singly) < len(row):
            singly.append(slot_ms)
            slot_ms = next_slot_ms(schedule, zone, slot_ms, 5_000)

        assert singly == row


@pytest.mark.parametrize("fold", [0, 1])
def test_within_the_hour_that_comes_twice_no_slot_lies_in_the_past(fold: int) -> None:
    """Whoever asks after the slot gets the next day's, and not the same clock time of the hour before."""
    after_ms = at("2026-10-25T02:40", "Europe/Berlin", fold)
    slot_ms = next_slot_ms("30 2 * * *", "Europe/Berlin", after_ms)
    inside_ms = at("2026-10-25T02:10", "Europe/Berlin", fold=1)

    assert at("2026-10-26T02:30", "Europe/Berlin") == slot_ms
    assert slot_ms == next_slot_ms("30 2 * * *", "Europe/Berlin", inside_ms)


@pytest.mark.parametrize("name", MACROS)
def test_a_name_is_a_schedule(name: str) -> None:
    """@hourly to @yearly mean what cron means by them."""
    after_ms = at("2026-05-05T05:05", "UTC")

    assert next_slot_ms(MACROS[name], "UTC", after_ms) == next_slot_ms(name.upper(), "UTC", after_ms)


def test_an_interval_is_counted_from_its_anchor() -> None:
    """`every 15m` has a slot each quarter of an hour after the check was set, whatever the zone."""
    anchor_ms = 1_700_000_123_000

    assert anchor_ms + 900_000 == next_slot_ms("every 15m", "Europe/Berlin", anchor_ms, anchor_ms)
    assert anchor_ms + 900_000 == next_slot_ms("every 15m", "UTC", anchor_ms + 899_999, anchor_ms)
    assert anchor_ms + 1_800_000 == next_slot_ms("every 15m", "UTC", anchor_ms + 900_000, anchor_ms)


@pytest.mark.parametrize(
    ("schedule", "zone", "words"),
    [
        ("60 * * * *", "UTC", "the minute, '60'"),
        ("* 24 * * *", "UTC", "the hour, '24'"),
        ("* * 32 * *", "UTC", "the day of the month, '32'"),
        ("* * * 13 *", "UTC", "the month, '13'"),
        ("* * * * 9", "UTC", "the day of the week, '9'"),
        ("5-1 * * * *", "UTC", "the minute, '5-1'"),
        ("*/0 * * * *", "UTC", "the minute, '*/0'"),
        ("* * * * * *", "UTC", "got 6 fields"),
        ("", "UTC", "got 0 fields"),
        ("@reboot", "UTC", "expected one of @hourly"),
        ("0 0 31 2 *", "UTC", "no such day"),
        ("every", "UTC", "got 1 fields"),
        ("every day", "UTC", "a time of at least 1 s"),
        ("every 1ms", "UTC", "a time of at least 1 s"),
        ("* * * * *", "Nowhere/Land", "zone 'Nowhere/Land'"),
        ("* * * * *", "../../etc/passwd", "expected an IANA name"),
        ("1," * 5_000, "UTC", f"at most {EXPRESSION_CHARACTERS_MAX} characters"),
        ("1-" * 100 + "1 * * * *", "UTC", "the minute"),
    ],
)
def test_a_bad_schedule_names_what_is_wrong(schedule: str, zone: str, words: str) -> None:
    """An operator reads which field cannot be read, at once, however long or odd the text is."""
    assert words in (schedule_fault(schedule, zone) or "")
    with pytest.raises(ScheduleError):
        next_slot_ms(schedule, zone, 0)


@pytest.mark.parametrize(
    ("text", "length_ms"),
    [
        ("90s", 90_000),
        ("15m", 900_000),
        ("1h30m", 5_400_000),
        ("1h 30m", 5_400_000),
        ("2d", 172_800_000),
        ("250ms", 250),
        ("1w", 604_800_000),
        ("", None),
        ("5", None),
        ("m", None),
        ("-5m", None),
        ("5 years", None),
        ("1h30", None),
    ],
)
def test_a_length_of_time_is_read_as_people_write_it(text: str, length_ms: int | None) -> None:
    """A number and a unit, or several; anything else is none."""
    assert length_ms == span_ms(text)


def test_a_length_of_time_is_written_short() -> None:
    """At most two units, the largest first."""
    assert ["0s", "5ms", "59s", "1m", "1m 30s", "1h 30m", "2d 1h"] == [
        span_text(length_ms) for length_ms in (0, 5, 59_000, 60_000, 90_000, 5_400_000, 176_461_000)
    ]
