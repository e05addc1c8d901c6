"""What the state knows of every task, at a glance; jobs without a task stand under their queue."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from jobsight.core.alert import PENDING, Alert
from jobsight.core.check import Expectation
from jobsight.core.health import Health, health_of
from jobsight.core.job import FAILED, LOST, QUEUED, TERMINAL
from jobsight.transports.http.pages.site import Ground

Place = tuple[int, int, str]
"""Health, when its alerts began (negative: the latest first), name."""


class Glance(Struct, kw_only=True):
    """
    A task, or a queue's jobs without a task, as memory knows it.

    Attributes:
        task: None for jobs without one; then `queue` is theirs.
        running, queued, total, failed: Jobs that stand there; `running` is everything active but queued.
        last_end_ms, last_status, last_success_ms: Of the latest jobs; None for never, and for jobs without a task.
        rules: Of its open alerts; `since_ms`: when the first of them was opened.
        expected: Its check; `next_ms`: the slot that is waited for.
    """

    task: str | None
    queue: str | None
    running: int = 0
    queued: int = 0
    total: int = 0
    failed: int = 0
    last_end_ms: int | None = None
    last_status: str | None = None
    last_success_ms: int | None = None
    rules: list[str] = []
    since_ms: int | None = None
    owner: str | None = None
    expected: Expectation | None = None
    next_ms: int | None = None

    @property
    def name(self) -> str:
        """As lists show it."""
        if self.task is not None:
            return self.task
        return "no task, no queue" if self.queue is None else f"queue {self.queue}"

    @property
    def health(self) -> Health:
        """As far as memory knows it: only the last end counts."""
        return health_of(self.rules, [] if self.last_status is None else [self.last_status])


def glances(ground: Ground) -> list[Glance]:
    """Every task and every queue with jobs without one, the worst first. Reads the state: on the loop's thread."""
    found = _found(ground, lambda task: True)
    return sorted(found.values(), key=place_of)


def glance_of(ground: Ground, task: str) -> Glance | None:
    """One task; None where nothing was heard of it and nothing is expected. Reads the state: on the loop's thread."""
    return _found(ground, lambda name: name == task).get((task, None))


def _found(ground: Ground, is_wanted: Callable[[str | None], bool]) -> dict[tuple[str | None, str | None], Glance]:
    state = ground.state
    found: dict[tuple[str | None, str | None], Glance] = {}
    for (task, queue), pair in state.pairs.items():
        if is_wanted(task):
            glance = _at(found, task, queue)
            for word, number in pair.statuses.items():
                _count(glance, word, number)
    for task in state.checks:
        if is_wanted(task):
            _at(found, task, None)
    for alert in state.open_by_id.values():
        _alarm(found, alert)
    for glance in found.values():
        _complete(ground, glance)
    return found


def _at(found: dict[tuple[str | None, str | None], Glance], task: str | None, queue: str | None) -> Glance:
    key = (task, None) if task is not None else (None, queue)
    glance = found.get(key)
    if glance is None:
        glance = found[key] = Glance(task=task, queue=key[1])
    return glance


def _count(glance: Glance, word: str, number: int) -> None:
    glance.total += number
    if word == QUEUED:
        glance.queued += number
    elif word in (FAILED, LOST):
        glance.failed += number
    elif word not in TERMINAL:
        glance.running += number


def _alarm(found: dict[tuple[str | None, str | None], Glance], alert: Alert) -> None:
    """Alerts of the monitor about itself belong to no task; those that are only pending do not make one ill."""
    glance = found.get((alert.task, None) if alert.task is not None else (None, alert.queue))
    if glance is None or alert.state == PENDING or (alert.task is None and alert.rule.startswith("self.")):
        return
    glance.rules = [*glance.rules, alert.rule]
    glance.since_ms = min(alert.opened_ms, glance.since_ms or alert.opened_ms)
    glance.owner = glance.owner or alert.owner


def _complete(ground: Ground, glance: Glance) -> None:
    if glance.task is None:
        return
    figures = ground.recent.tasks.get(glance.task)
    if figures is not None:
        glance.last_end_ms, glance.last_status = figures.last_end_ms, figures.last_status
        glance.last_success_ms = figures.last_success_ms
    check = ground.state.checks.get(glance.task)
    if check is not None:
        glance.expected, glance.next_ms = check.expected, check.slot_ms
        glance.owner = check.expected.owner or glance.owner


def place_of(glance: Glance) -> Place:
    """Where it stands in the order: the worst first, and among the bad ones the latest."""
    return int(glance.health), -(glance.since_ms or 0), glance.name


def healthy_count(found: list[Glance]) -> int:
    """How many of them are neither failing nor late."""
    return sum(1 for glance in found if glance.health not in (Health.FAILING, Health.LATE))
