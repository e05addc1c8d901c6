"""overdue: a running job was not heard of for its heartbeat and the grace; after three of these it is lost."""

from __future__ import annotations

from jobsight.core.check import OVERDUE_UNTIL_LOST, heartbeat_span_ms
from jobsight.core.events import DeadlinePassed
from jobsight.core.gaps import extended_ms
from jobsight.core.rules import LOST, OVERDUE
from jobsight.core.spans import span_text
from jobsight.detectors.base import JobDetector, Watched, found, has_fired, is_as_found


def deadline_ms(watched: Watched) -> int | None:
    """When the job's silence will mean something, ms UTC; None where it may be silent."""
    span_ms = heartbeat_span_ms(watched.check.expected)
    if span_ms is None:
        return None
    heard_ms = watched.job.updated_ms
    spans = OVERDUE_UNTIL_LOST if has_fired(watched, OVERDUE) else 1
    return extended_ms(watched.gaps, heard_ms, heard_ms + spans * span_ms)


def detect(watched: Watched, at_ms: int) -> DeadlinePassed | None:
    """That the job is overdue; or, if that was said already, that it is lost."""
    due_ms = deadline_ms(watched)
    if due_ms is None or at_ms < due_ms:
        return None
    silent = span_text(due_ms - watched.job.updated_ms)
    if has_fired(watched, OVERDUE):
        text = f"a running job was not heard of for {silent}, and is lost"
        return found(watched, LOST, due_ms, text)
    interval = span_text(watched.check.expected.heartbeat_ms or 0)
    text = f"a running job was not heard of for {silent}, a word every {interval} is expected"
    return found(watched, OVERDUE, due_ms, text)


def holds(watched: Watched) -> bool:
    """Whether the job is as silent as it was when it was found."""
    return is_as_found(watched, OVERDUE)


OVERDUE_DETECTOR = JobDetector(OVERDUE, deadline_ms, detect, holds)
