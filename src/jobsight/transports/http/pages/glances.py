"""What the state knows of some tasks, at a glance; jobs without a task stand under their queue."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from jobsight.core.alert import Alert
from jobsight.core.check import Expectation
from jobsight.core.health import Health, health_of
from jobsight.core.job import COMPLETED, FAILED, LOST, QUEUED, TERMINAL
from jobsight.transports.http.pages.site import Ground
from jobsight.transports.http.pages.standing import Key, name_of, troubles_of


class Glance(Struct, kw_only=True):
    """
    A task, or a queue's jobs without a task, as memory knows it.

    Attributes:
        task: None for jobs without one; then `queue` is theirs.
        running, queued, total, completed, failed: Jobs that stand there; `running` is everything active but queued.
        last_end_ms, last_status, last_success_ms: Of the latest jobs; None for never, and for jobs without a task.
        rules: Of its open alerts; `since_ms`: when the first of them was opened.
        expected: Its check; `next_ms`: the slot that is waited for.
        quiet_health: How it is by its latest ends alone.
    """

    task: str | None
    queue: str | None
    running: int = 0
    queued: int = 0
    total: int = 0
    completed: int = 0
    failed: int = 0
    last_end_ms: int | None = None
    last_status: str | None = None
    last_success_ms: int | None = None
    rules: list[str] = []
    since_ms: int | None = None
    owner: str | None = None
    expected: Expectation | None = None
    next_ms: int | None = None
    quiet_health: Health = Health.IDLE

    @property
    def name(self) -> str:
        """As lists show it."""
        return name_of((self.task, self.queue))

    @property
    def health(self) -> Health:
        """By its open alerts, and where there is none, by its latest ends; the same by which lists are ordered."""
        if not self.rules:
            return self.quiet_health
        return health_of(self.rules, [] if self.last_status is None else [self.last_status])


def glances(ground: Ground, keys: Sequence[Key]) -> list[Glance]:
    """Some tasks, in their order. Reads the state: on the loop's thread."""
    pairs = ground.state.pairs
    found = {key: Glance(task=key[0], queue=key[1]) for key in keys}
    for key, glance in found.items():
        for pair in ground.standing.pairs_of(ground.state, key):
            for word, number in pairs[pair].statuses.items():
                _count(glance, word, number)
    for key, alerts in troubles_of(ground.state.open_by_id.values()).items():
        if key in found:
            _alarm(found[key], alerts)
    for glance in found.values():
        _complete(ground, glance)
    return list(found.values())


def glance_of(ground: Ground, task: str) -> Glance | None:
    """One task; None where nothing was heard of it and nothing is expected. Reads the state: on the loop's thread."""
    state = ground.state
    if task not in state.checks and not ground.standing.pairs_of(state, (task, None)):
        return None
    return glances(ground, [(task, None)])[0]


def _count(glance: Glance, word: str, number: int) -> None:
    glance.total += number
    if word == QUEUED:
        glance.queued += number
    elif word in (FAILED, LOST):
        glance.failed += number
    elif word == COMPLETED:
        glance.completed += number
    elif word not in TERMINAL:
        glance.running += number


def _alarm(glance: Glance, alerts: Sequence[Alert]) -> None:
    glance.rules = [alert.rule for alert in alerts]
    glance.since_ms = min(alert.opened_ms for alert in alerts)
    glance.owner = next((alert.owner for alert in alerts if alert.owner), None)


def _complete(ground: Ground, glance: Glance) -> None:
    if glance.task is None:
        glance.quiet_health = Health.HEALTHY if glance.completed else Health.IDLE
        return
    figures = ground.recent.tasks.get(glance.task)
    if figures is not None:
        glance.last_end_ms, glance.last_status = figures.last_end_ms, figures.last_status
        glance.last_success_ms = figures.last_success_ms
        glance.quiet_health = figures.health
    check = ground.state.checks.get(glance.task)
    if check is not None:
        glance.expected, glance.next_ms = check.expected, check.slot_ms
        glance.owner = check.expected.owner or glance.owner
