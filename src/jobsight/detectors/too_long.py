"""too_long: a job runs longer than it may, or past the time by which it must have ended; told while it still runs."""

from __future__ import annotations

from jobsight.core.events import DeadlinePassed
from jobsight.core.gaps import extended_ms
from jobsight.core.rules import TOO_LONG
from jobsight.core.spans import span_text
from jobsight.detectors.base import JobDetector, Watched, found, has_fired, until_it_ends


def deadline_ms(watched: Watched) -> int | None:
    """By when the job must have ended, ms UTC; None for no such limit, or when it was said already."""
    if has_fired(watched, TOO_LONG):
        return None
    return min((due_ms for due_ms in (_runtime_ms(watched), _finish_ms(watched)) if due_ms is not None), default=None)


def detect(watched: Watched, at_ms: int) -> DeadlinePassed | None:
    """That the job still runs after its time."""
    due_ms = deadline_ms(watched)
    if due_ms is None or at_ms < due_ms:
        return None
    expected = watched.check.expected
    if due_ms == _runtime_ms(watched):
        text = f"a job runs for more than {span_text(expected.max_runtime_ms or 0)}"
    else:
        text = f"a job still runs {span_text(expected.finish_by_ms or 0)} after its time"
    return found(watched, TOO_LONG, due_ms, text)


def _runtime_ms(watched: Watched) -> int | None:
    limit_ms, started_ms = watched.check.expected.max_runtime_ms, watched.run.started_ms
    return None if limit_ms is None else extended_ms(watched.gaps, started_ms, started_ms + limit_ms)


def _finish_ms(watched: Watched) -> int | None:
    limit_ms, slot_ms = watched.check.expected.finish_by_ms, watched.run.slot_ms
    return None if limit_ms is None or slot_ms is None else extended_ms(watched.gaps, slot_ms, slot_ms + limit_ms)


TOO_LONG_DETECTOR = JobDetector(TOO_LONG, deadline_ms, detect, until_it_ends)
