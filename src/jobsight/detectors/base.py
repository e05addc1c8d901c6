"""What every detector is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from jobsight.core.check import Check, Run
from jobsight.core.deadlines import BASIS
from jobsight.core.events import DeadlinePassed
from jobsight.core.gaps import Gap
from jobsight.core.job import Job


class Watched(Struct, frozen=True):
    """A running job of a task with a check, and the times in which nothing could be seen."""

    job: Job
    check: Check
    run: Run
    gaps: Sequence[Gap]


class JobDetector(Struct, frozen=True):
    """
    A rule about running jobs.

    Attributes:
        deadline_ms: When the rule will have something to say unless something is heard before, ms UTC; None for never.
        detect: What it has to say at a moment; None for nothing.
        holds: Whether what it has found still holds; it is asked when the job was heard.
    """

    rule: str
    deadline_ms: Callable[[Watched], int | None]
    detect: Callable[[Watched, int], DeadlinePassed | None]
    holds: Callable[[Watched], bool]


def found(watched: Watched, rule: str, deadline_ms: int, text: str) -> DeadlinePassed:
    """A deadline of a running job that has passed, as an event."""
    return DeadlinePassed(
        subject_kind="job",
        subject=watched.job.job_id,
        rule=rule,
        deadline_ms=deadline_ms,
        basis_ms=BASIS[rule](watched.job, watched.check),
        revision=watched.check.revision,
        text=text,
    )


def has_fired(watched: Watched, rule: str) -> bool:
    """Whether the rule has found the same thing already: nothing has changed since in what it looks at."""
    return watched.run.fired.get(rule) == BASIS[rule](watched.job, watched.check)


def is_as_found(watched: Watched, rule: str) -> bool:
    """Whether the fact on which a finding stood is still what it was."""
    return has_fired(watched, rule)


def until_it_ends(watched: Watched) -> bool:
    """A finding that holds as long as the job runs."""
    return True
