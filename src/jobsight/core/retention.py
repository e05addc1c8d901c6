"""
Retention: cutoffs that only move forward. A job whose end lies before its cutoff is gone from that event on, whatever was
deleted by then; figures over all jobs stay as they are.
"""

from __future__ import annotations

from jobsight.core.events import RetentionPassed
from jobsight.core.kept import Kept, is_gone
from jobsight.core.state import State


def pass_retention(state: State, event: RetentionPassed, at_ms: int) -> None:
    """Move the cutoffs, never back, and let go of the jobs that are gone with them."""
    old = state.kept
    state.kept = Kept(
        completed_from_ms=max(old.completed_from_ms, min(event.completed_before_ms, at_ms)),
        other_from_ms=max(old.other_from_ms, min(event.other_before_ms, at_ms)),
        as_of_ms=max(old.as_of_ms, at_ms),
    )
    for job in [job for job in state.jobs.values() if is_gone(state.kept, job.status, job.ended_ms)]:
        del state.jobs[job.job_id]
        if job.is_dirty:  # in the view it may still be active
            state.changes.gone.add(job.number)
