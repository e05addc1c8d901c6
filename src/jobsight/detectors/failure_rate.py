"""
failure_rate: too many of a task's last runs have failed.

It is found when even the lower bound of what the share may be (Wilson, 95 %) lies above the limit, and is over when even
the upper bound lies below: a few failures more or less do not make it come and go.
"""

from __future__ import annotations

from math import sqrt
from typing import Final

from jobsight.core.check import RUNS_LEARNED_MIN, Check
from jobsight.core.events import DeadlinePassed
from jobsight.core.rules import FAILURE_RATE

_Z: Final = 1.959963984540054
"""95 %: two-sided."""


def wilson(failures: int, runs: int) -> tuple[float, float]:
    """Between which shares the true one lies with 95 %; `runs` is at least 1."""
    share = failures / runs
    z2 = _Z * _Z
    middle = share + z2 / (2 * runs)
    spread = _Z * sqrt(share * (1 - share) / runs + z2 / (4 * runs * runs))
    scale = 1 + z2 / runs
    return (middle - spread) / scale, (middle + spread) / scale


def deadline_ms(check: Check) -> int | None:
    """When there is something to judge: with the last end of a run, once 20 are known; None where no limit is set."""
    if check.expected.failure_rate_max is None or len(check.ended) < RUNS_LEARNED_MIN:
        return None
    return check.ended[-1].ended_ms


def detect(check: Check, at_ms: int) -> DeadlinePassed | None:
    """That too many runs fail."""
    due_ms, limit = deadline_ms(check), check.expected.failure_rate_max
    if due_ms is None or limit is None:
        return None
    failures, runs = _counts(check)
    if wilson(failures, runs)[0] <= limit:
        return None
    return DeadlinePassed(
        subject_kind="check",
        subject=check.task,
        rule=FAILURE_RATE,
        deadline_ms=due_ms,
        basis_ms=check.ends,
        revision=check.revision,
        text=f"{failures} of the last {runs} runs have failed, at most {limit:.0%} is expected",
    )


def holds(check: Check) -> bool:
    """Whether it is not yet sure that fewer runs fail than the limit says."""
    limit = check.expected.failure_rate_max
    if limit is None or not check.ended:
        return False
    return wilson(*_counts(check))[1] >= limit


def _counts(check: Check) -> tuple[int, int]:
    return sum(not run.is_success for run in check.ended), len(check.ended)
