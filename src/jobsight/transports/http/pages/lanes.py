"""The lanes of the schedule: when runs were and are expected, and what became of it. Arithmetic and geometry only."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

from msgspec import Struct

from jobsight.core.check import Expectation
from jobsight.core.schedule import reader_of, slots_within
from jobsight.view.latest import Run

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
SLOTS_MAX: Final = 240
"""Slots of one task in the two days that are drawn one by one; a task with more is drawn as a band."""

KNOWN_MAX: Final = 2_048
"""Tasks whose slots are remembered."""

WIDTH: Final = 960
HEIGHT: Final = 20
_SCALE: Final = WIDTH / (2 * DAY_MS)
_RUN_MIN, _RUN_GAP = 1.5, 0.5
_FATES: Final = ("ran", "late", "missed", "due", "next")

Span = tuple[int, int]
"""Start and end of a run, ms UTC; of one that still runs, until now."""


class Slot(Struct, frozen=True, kw_only=True):
    """
    A moment at which a run is expected, and what became of it.

    Attributes:
        fate: ran, late (it started after its grace), missed, due (its grace still runs) or next.
        job_id: The run that took it.
    """

    at_ms: int
    fate: str
    job_id: str | None = None


class Lane(Struct, frozen=True, kw_only=True):
    """
    A task's two days in a box of `WIDTH` by `HEIGHT`; now is in the middle.

    Attributes:
        paths: Fate and outline of all its slots.
        runs: The outline of its runs: how long each took.
        is_band: There are too many slots to be drawn one by one.
        overlaps: Runs that began before the one before had ended.
        label: The same in words.
    """

    paths: list[tuple[str, str]]
    runs: str
    is_band: bool
    overlaps: int
    label: str


def slots_of(expected: Expectation, runs: Sequence[Run], at_ms: int, since_ms: int, anchor_ms: int) -> list[Slot]:
    """
    The slots of a task from a day ago to a day ahead, each with its fate; empty for a task with too many of them.

    Args:
        expected: Its check, with a schedule.
        runs: Of its latest jobs, in any order.
        at_ms: Now. since_ms: nothing was expected before. anchor_ms: intervals are counted from here. All ms UTC.
    """
    assert expected.schedule is not None
    moments = _moments(expected.schedule, expected.tz, at_ms, since_ms, anchor_ms)
    if len(moments) > SLOTS_MAX:
        return []
    starts = sorted([(run.start_ms, run.job_id) for run in runs])
    past = [moment for moment in moments if max(since_ms, at_ms - DAY_MS) <= moment <= at_ms]
    ahead = [moment for moment in moments if at_ms < moment <= at_ms + DAY_MS]
    until = [*(moment - expected.early_margin_ms for moment in past[1:]), at_ms + 1][: len(past)]
    slots = [_judged(expected, moment, end, starts, at_ms) for moment, end in zip(past, until, strict=True)]
    return [*slots, *(Slot(at_ms=moment, fate="next") for moment in ahead)]


def lane_of(slots: Sequence[Slot], runs: Sequence[Run], at_ms: int) -> Lane:
    """The picture of a task's slots and runs."""
    outlines: dict[str, list[str]] = {}
    for slot in slots:
        outlines.setdefault(slot.fate, []).append(_tick(slot.fate, (slot.at_ms - at_ms + DAY_MS) * _SCALE))
    spans = sorted([(run.start_ms, at_ms if run.end_ms is None else run.end_ms) for run in runs])
    overlaps = _overlaps(spans, at_ms)
    words = ", ".join(f"{len(outlines[fate])} {fate}" for fate in _FATES if fate in outlines)
    words = words or "too many runs to be drawn one by one"
    if overlaps:
        words += f", {overlaps} overlapping"
    return Lane(
        paths=[(fate, "".join(ticks)) for fate, ticks in sorted(outlines.items())],
        runs=_runs(spans, at_ms),
        is_band=not slots,
        overlaps=overlaps,
        label=words,
    )


class _Known(NamedTuple):
    """The slots after one moment up to another one, ms UTC; one more than `SLOTS_MAX` where there are more."""

    after_ms: int
    until_ms: int
    moments: list[int]


_known: Final[dict[tuple[str, str, int, int], _Known]] = {}


def _moments(schedule: str, zone: str, at_ms: int, since_ms: int, anchor_ms: int) -> list[int]:
    """Slots from a day before the hour, or from when on any was expected, to a day after the next hour; as many as `_Known` has."""
    hour_ms = at_ms - at_ms % HOUR_MS
    after_ms, until_ms = hour_ms - DAY_MS - 1, hour_ms + HOUR_MS + DAY_MS
    is_young = since_ms > after_ms
    key = (schedule, zone, anchor_ms if _is_anchored(schedule, zone) else 0, since_ms if is_young else 0)
    known = _known.get(key)
    if known is None or (known.after_ms, known.until_ms) != (after_ms, until_ms):
        moments = _went_on(known, schedule, zone, after_ms, until_ms, max(after_ms, since_ms - 1), anchor_ms)
        if len(_known) >= KNOWN_MAX:
            _known.clear()
        known = _known[key] = _Known(after_ms, until_ms, moments)
    return known.moments


def _went_on(
    known: _Known | None, schedule: str, zone: str, after_ms: int, until_ms: int, first_ms: int, anchor_ms: int
) -> list[int]:
    """What is known of the slots, and those that come after it: an hour later nearly all of them are the same."""
    moments: list[int] = []
    is_before = known is not None and known.after_ms <= after_ms and first_ms <= known.until_ms <= until_ms
    if known is not None and is_before and len(known.moments) <= SLOTS_MAX:
        moments = known.moments[bisect_right(known.moments, first_ms) :]
        first_ms = known.until_ms
    further = slots_within(schedule, zone, first_ms, until_ms, anchor_ms)
    return [*moments, *islice(further, SLOTS_MAX + 1 - len(moments))]


@lru_cache(maxsize=2_048)
def _is_anchored(schedule: str, zone: str) -> bool:
    """Whether slots are counted from an anchor, as those of an interval are; others are where the clock puts them."""
    find = reader_of(schedule, zone)
    return find(0, 0) != find(0, 1)


def _judged(expected: Expectation, slot_ms: int, end_ms: int, starts: Sequence[tuple[int, str]], at_ms: int) -> Slot:
    early_ms = slot_ms - expected.early_margin_ms
    place = bisect_left(starts, (early_ms,))
    last_ms = slot_ms + expected.start_grace_ms
    if place == len(starts) or starts[place][0] >= end_ms:
        return Slot(at_ms=slot_ms, fate="due" if at_ms <= last_ms else "missed")
    start_ms, job_id = starts[place]
    return Slot(at_ms=slot_ms, fate="ran" if start_ms <= last_ms else "late", job_id=job_id)


def _tick(fate: str, x: float) -> str:
    if fate == "missed":
        return f"M{x - 3:.1f} 3l6 6m0-6l-6 6"
    if fate == "late":
        return f"M{x:.1f} 2v9M{x:.1f} 2h4"
    return f"M{x:.1f} 2v9"


def _runs(spans: Sequence[Span], at_ms: int) -> str:
    """The outline of all runs of the last day; those that touch on the picture are one."""
    begin_ms = at_ms - DAY_MS
    drawn: list[list[float]] = []
    reach = -1.0
    for start_ms, end_ms in spans:
        if end_ms < begin_ms:
            continue
        left = (start_ms - begin_ms) * _SCALE if start_ms > begin_ms else 0.0
        right = (end_ms - begin_ms) * _SCALE
        if right < left + _RUN_MIN:
            right = left + _RUN_MIN
        if left > reach + _RUN_GAP:
            drawn.append([left, right])
            reach = right
        elif right > reach:
            drawn[-1][1] = reach = right
    return "".join([f"M{left:.1f} 14h{right - left:.1f}v4h-{right - left:.1f}z" for left, right in drawn])


def _overlaps(spans: Sequence[Span], at_ms: int) -> int:
    begin_ms, before_ms, count = at_ms - DAY_MS, 0, 0
    for start_ms, end_ms in spans:
        if before_ms > start_ms >= begin_ms:
            count += 1
        before_ms = end_ms
    return count
