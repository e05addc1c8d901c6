"""`/schedule`: the last and the next 24 hours: expected, ran, late, missed, overlapping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Annotated, Final

from msgspec import Meta, Struct

from jobsight.core.check import Expectation
from jobsight.core.state import State
from jobsight.transports.http.asking import Source
from jobsight.transports.http.pages.lanes import DAY_MS, Lane, Slot, lane_of, slots_of
from jobsight.transports.http.pages.schedule_words import schedule_words
from jobsight.transports.http.pages.site import Ground, Page, Wanted
from jobsight.transports.http.pages.words import query_of
from jobsight.view.latest import Run

LANES: Final = 40
"""Tasks of a page."""

RUNS_READ: Final = 100
"""Runs of a task from which its slots are judged; a task that runs more often is drawn as a band."""

COMING_SHOWN: Final = 8
WRONG_SHOWN: Final = 20
HOURS: Final = (-24, -18, -12, -6, 0, 6, 12, 18, 24)


class ScheduleParameters(Struct, frozen=True, kw_only=True):
    """Of the schedule: a part of the name, and the name after which the page begins."""

    name: Annotated[str, Meta(max_length=256)] = ""
    after: Annotated[str, Meta(max_length=256)] | None = None


class Planned(Struct, frozen=True, kw_only=True):
    """A task with a schedule, as the state knows it; times in ms UTC."""

    task: str
    expected: Expectation
    since_ms: int
    slot_ms: int | None


class Entry(Struct, frozen=True, kw_only=True):
    """One task: its schedule in words, its lane, and when it is next (ms UTC)."""

    task: str
    words: str
    owner: str | None
    lane: Lane
    next_ms: int | None


class Wrong(Struct, frozen=True, kw_only=True):
    """
    Slots of one task in a row that were missed, or taken late.

    Attributes:
        from_ms, at_ms: The first and the last of them; `count` of them there are.
        job_id: The run that took the last one, if any.
    """

    task: str
    from_ms: int
    at_ms: int
    count: int
    fate: str
    job_id: str | None


class Schedule(Struct, frozen=True, kw_only=True):
    """
    The schedule, as its template shows it.

    Attributes:
        marks: Moments of the axis, ms UTC, and their places on it.
        coming: What is next, in its order.
        wrong: What was missed or late within the last day, the latest first.
        total, matching: Tasks with a schedule, and those that are asked for.
    """

    entries: list[Entry]
    marks: list[tuple[int, int]]
    coming: list[Entry]
    wrong: list[Wrong]
    wrong_total: int
    total: int
    matching: int
    name: str
    first: str | None
    next: str | None


def look(ground: Ground, wanted: Wanted) -> Callable[[Source], Schedule]:
    """Take what is expected from the state; the view adds the runs."""
    query: ScheduleParameters = wanted.query
    everything = _planned(ground.state)
    chosen = [one for one in everything if query.name.lower() in one.task.lower()]
    rest = [one for one in chosen if query.after is None or one.task > query.after]
    page = rest[:LANES]

    def finish(source: Source) -> Schedule:
        entries: list[Entry] = []
        wrong: list[Wrong] = []
        runs = source.view.runs_of([one.task for one in page], RUNS_READ)
        for one in page:
            entry, bad = _entry(one, runs[one.task], wanted.at_ms)
            entries.append(entry)
            wrong += bad
        dated = [entry for entry in entries if entry.next_ms is not None]
        return Schedule(
            entries=entries,
            marks=_marks(wanted.at_ms),
            coming=sorted(dated, key=lambda entry: entry.next_ms or 0)[:COMING_SHOWN],
            wrong=sorted(wrong, key=lambda one: -one.at_ms)[:WRONG_SHOWN],
            wrong_total=sum(one.count for one in wrong),
            total=len(everything),
            matching=len(chosen),
            name=query.name,
            first=None if query.after is None else "/schedule" + query_of({"name": query.name or None}),
            next="/schedule" + query_of({"name": query.name or None, "after": page[-1].task})
            if len(rest) > LANES
            else None,
        )

    return finish


def _planned(state: State) -> list[Planned]:
    return sorted(
        (
            Planned(task=check.task, expected=check.expected, since_ms=check.since_ms, slot_ms=check.slot_ms)
            for check in state.checks.values()
            if check.expected.schedule is not None
        ),
        key=lambda one: one.task,
    )


def _entry(one: Planned, runs: list[Run], at_ms: int) -> tuple[Entry, list[Wrong]]:
    assert one.expected.schedule is not None
    slots = slots_of(one.expected, runs, at_ms, one.since_ms, one.slot_ms or one.since_ms)
    oldest_ms = runs[-1].start_ms if len(runs) == RUNS_READ else 0
    known = [slot for slot in slots if slot.at_ms >= oldest_ms]
    entry = Entry(
        task=one.task,
        words=schedule_words(one.expected.schedule, one.expected.tz),
        owner=one.expected.owner,
        lane=lane_of(known, runs, at_ms),
        next_ms=next((slot.at_ms for slot in known if slot.fate == "next"), one.slot_ms),
    )
    return entry, _wrong(one.task, known)


def _wrong(task: str, slots: Sequence[Slot]) -> list[Wrong]:
    found: list[Wrong] = []
    for fate, group in groupby(slots, key=lambda slot: slot.fate):
        row = list(group)
        if fate in ("missed", "late"):
            first, last = row[0], row[-1]
            found.append(
                Wrong(
                    task=task,
                    from_ms=first.at_ms,
                    at_ms=last.at_ms,
                    count=len(row),
                    fate=fate,
                    job_id=last.job_id,
                )
            )
    return found


def _marks(at_ms: int) -> list[tuple[int, int]]:
    """Moments on the axis, and their places in parts of a thousand."""
    return [(at_ms + hours * DAY_MS // 24, round((hours + 24) * 1000 / 48)) for hours in HOURS]


SCHEDULE: Final = Page(
    path="/schedule", template="schedule.html", section="schedule", look=look, parameters=ScheduleParameters
)
