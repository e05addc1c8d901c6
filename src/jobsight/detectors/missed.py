"""missed: a slot of a schedule has passed, and no run has started within its time."""

from __future__ import annotations

from collections.abc import Sequence

from jobsight.core.check import SLOTS_COUNTED_MAX, Check, start_deadline_ms
from jobsight.core.events import DeadlinePassed, SlotPlanned
from jobsight.core.gaps import Gap, extended_ms
from jobsight.core.rules import MISSED
from jobsight.core.schedule import next_slot_ms


def plan(check: Check) -> SlotPlanned | None:
    """The first slot of a schedule after it was set; None where it is known, or there is no schedule."""
    expected = check.expected
    if expected.schedule is None or check.slot_ms is not None:
        return None
    slot_ms = next_slot_ms(expected.schedule, expected.tz, check.since_ms, check.since_ms)
    return SlotPlanned(task=check.task, revision=check.revision, slot_ms=slot_ms)


def deadline_ms(check: Check, gaps: Sequence[Gap]) -> int | None:
    """When the slot that is waited for can be judged, ms UTC; None where none is."""
    if check.slot_ms is None:
        return None
    return extended_ms(gaps, check.slot_ms, start_deadline_ms(check, check.slot_ms))


def detect(check: Check, gaps: Sequence[Gap], at_ms: int) -> DeadlinePassed | None:
    """
    That the grace of a slot is over, and of all that have passed since; whether they were met, `apply` decides.

    Of more slots than are counted one by one, the rest is skipped.
    """
    due_ms, slot_ms, expected = deadline_ms(check, gaps), check.slot_ms, check.expected
    if due_ms is None or slot_ms is None or expected.schedule is None or at_ms < due_ms:
        return None
    slots: list[int] = []
    following: int | None = slot_ms
    while following is not None and extended_ms(gaps, following, start_deadline_ms(check, following)) <= at_ms:
        slots.append(following)
        after_ms = at_ms if len(slots) == SLOTS_COUNTED_MAX else following
        following = next_slot_ms(expected.schedule, expected.tz, after_ms, check.since_ms)
        if len(slots) == SLOTS_COUNTED_MAX:
            break
    return DeadlinePassed(
        subject_kind="check",
        subject=check.task,
        rule=MISSED,
        deadline_ms=due_ms,
        basis_ms=slot_ms,
        revision=check.revision,
        next_ms=following,
        slots=slots if len(slots) > 1 else None,
    )
