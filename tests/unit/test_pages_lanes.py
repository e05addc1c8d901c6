"""The slots of a schedule's lane, hour by hour: the same as if each look worked them all out, and not worked out by each."""

from __future__ import annotations

import sys
from types import FrameType

import pytest

from jobsight.core.check import Expectation
from jobsight.core.schedule import slots_within
from jobsight.transports.http.pages.lanes import DAY_MS, HOUR_MS, SLOTS_MAX, slots_of

NOON_MS = 1_793_016_000_000
"""2026-10-26T12:00:00Z: in the two days before it lies the hour that comes twice in Berlin."""


def shown(expected: Expectation, at_ms: int, since_ms: int, anchor_ms: int) -> list[int]:
    """The slots that a lane shows."""
    return [slot.at_ms for slot in slots_of(expected, [], at_ms, since_ms, anchor_ms)]


@pytest.mark.parametrize("schedule", ["7 * * * *", "30 2 * * *", "*/15 * * * *", "every 50m", "Mon..Fri 02:30"])
@pytest.mark.parametrize("since_h", [-30, -5])
def test_as_hours_pass_the_slots_are_those_of_the_schedule(schedule: str, since_h: int) -> None:
    """From a day ago, or from when on one was expected, to a day ahead; forwards, and after the clock was set back."""
    expected = Expectation(schedule=schedule, tz="Europe/Berlin")
    since_ms = NOON_MS + since_h * HOUR_MS

    for at_ms in [*range(NOON_MS, NOON_MS + 30 * HOUR_MS, HOUR_MS * 2 // 3), NOON_MS + HOUR_MS]:
        after_ms = max(at_ms - DAY_MS, since_ms) - 1
        wanted = slots_within(schedule, "Europe/Berlin", after_ms, at_ms + DAY_MS, since_ms)
        assert list(wanted) == shown(expected, at_ms, since_ms, since_ms)


def test_tasks_with_the_same_interval_have_slots_of_their_own() -> None:
    """They are counted from where each of them began."""
    expected = Expectation(schedule="every 7h")

    assert [3, 10, 17, 24] == [
        (one - NOON_MS) // HOUR_MS for one in shown(expected, NOON_MS, NOON_MS, NOON_MS + 3 * HOUR_MS)
    ]
    assert [1, 8, 15, 22] == [
        (one - NOON_MS) // HOUR_MS for one in shown(expected, NOON_MS, NOON_MS, NOON_MS + HOUR_MS)
    ]


def test_an_hour_later_only_the_slots_of_that_hour_are_worked_out() -> None:
    """Each of them takes some steps through the calendar, and a page has lanes of forty tasks."""
    expected, since_ms = Expectation(schedule="7 * * * *"), NOON_MS - 3 * DAY_MS
    walked: list[str] = []

    def see(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name == "advance":
            walked.append("slot")

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        counts = []
        for at_ms in (NOON_MS, NOON_MS + 1, NOON_MS + HOUR_MS):
            walked.clear()
            shown(expected, at_ms, since_ms, anchor_ms=at_ms + HOUR_MS)
            counts.append(len(walked))
    finally:
        sys.setprofile(before)

    assert counts[0] > 48
    assert counts[1] == 0, "wherever the next slot is by now"
    assert 0 < counts[2] < 4


def test_too_many_slots_stay_too_many() -> None:
    """A band is drawn for them, in the next hour as well."""
    expected = Expectation(schedule="* * * * *")

    assert [[], [], []] == [shown(expected, NOON_MS + hours * HOUR_MS, 0, 0) for hours in (0, 1, 2)]
    assert 2 * 24 * 4 + 1 == len(shown(Expectation(schedule="*/15 * * * *"), NOON_MS, 0, 0)) < SLOTS_MAX
