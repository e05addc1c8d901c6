"""The health of a task, by its open alerts and its latest jobs; of nothing else, and above all not of long gone failures."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from jobsight.core.job import COMPLETED, FAILED, LOST, TERMINAL

ALERTS_OF_FAILURE = frozenset({"job_failed", "failure_rate", "lost"})
"""Rules whose open alert means that a task fails; the open alert of any other rule means that it is late or odd."""


class Health(IntEnum):
    """How a task is, the worst first."""

    FAILING = 1
    LATE = 2
    SHAKY = 3
    HEALTHY = 4
    IDLE = 5

    @property
    def word(self) -> str:
        """As it is shown."""
        return self.name.lower()


def health_of(rules: Sequence[str], statuses: Sequence[str]) -> Health:
    """
    How a task is.

    Args:
        rules: Of its open alerts.
        statuses: Where its latest jobs stand, the newest first.

    Returns:
        FAILING: it has an open alert about failures, or its last job that ended was failed or lost. LATE: another alert
        is open: it did not start, or takes too long. SHAKY: some of its latest jobs have failed. IDLE: none has ended.
    """
    ended = [status for status in statuses if status in TERMINAL]
    bad = [status for status in ended if status in (FAILED, LOST)]
    if any(rule in ALERTS_OF_FAILURE for rule in rules) or (ended and ended[0] in (FAILED, LOST)):
        return Health.FAILING
    if rules:
        return Health.LATE
    if bad:
        return Health.SHAKY
    return Health.HEALTHY if COMPLETED in ended else Health.IDLE
