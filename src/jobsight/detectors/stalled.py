"""stalled: a job is alive, but its progress does not rise."""

from __future__ import annotations

from typing import Final

from jobsight.core.check import RUNS_LEARNED_MIN, Check
from jobsight.core.events import DeadlinePassed
from jobsight.core.gaps import extended_ms
from jobsight.core.rules import STALLED
from jobsight.core.spans import span_text
from jobsight.detectors.base import JobDetector, Watched, found, has_fired, is_as_found
from jobsight.detectors.history import durations_of, quantile

STALL_MS_MIN: Final = 5 * 60_000
"""What is learned is never shorter than this."""


def limit_ms(check: Check) -> int | None:
    """How long progress may stand still: as set; else as long as 99 % of whole runs take, once 20 are known; None before."""
    if check.expected.stall_after_ms is not None:
        return check.expected.stall_after_ms
    durations = durations_of(check)
    return max(STALL_MS_MIN, round(quantile(sorted(durations), 0.99))) if len(durations) >= RUNS_LEARNED_MIN else None


def deadline_ms(watched: Watched) -> int | None:
    """When the progress will have stood still for too long, ms UTC; None before it has risen once in this run."""
    job, span_ms = watched.job, limit_ms(watched.check)
    if span_ms is None or not _has_risen(watched) or has_fired(watched, STALLED):
        return None
    return extended_ms(watched.gaps, job.moved_ms, job.moved_ms + span_ms)


def detect(watched: Watched, at_ms: int) -> DeadlinePassed | None:
    """That the progress stands still."""
    due_ms = deadline_ms(watched)
    if due_ms is None or at_ms < due_ms:
        return None
    stands = span_text(due_ms - watched.job.moved_ms)
    text = f"the progress of a job stands at {watched.job.progress_max:g} % for {stands}"
    return found(watched, STALLED, due_ms, text)


def holds(watched: Watched) -> bool:
    """Whether the progress is still where it was."""
    return is_as_found(watched, STALLED)


def _has_risen(watched: Watched) -> bool:
    """Whether the run has told progress after its start: with a single value nobody knows how it goes on."""
    job = watched.job
    return 0 < job.progress_max < 100 and job.started_ms is not None and job.moved_ms > job.started_ms


STALLED_DETECTOR = JobDetector(STALLED, deadline_ms, detect, holds)
