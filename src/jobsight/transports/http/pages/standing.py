"""
How every task stands: its health, and its place among all of them, the worst first.

Made on the loop's thread from what memory knows, for thousands of tasks at once, and kept for a while: for the longer, the
longer it took.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from time import perf_counter
from typing import Final

from jobsight.core.alert import PENDING, Alert
from jobsight.core.health import Health, health_of
from jobsight.core.job import COMPLETED
from jobsight.core.state import State
from jobsight.engine.recent import Recent

KEPT_TIMES: Final = 50
"""It is made anew once so many times as long as it took has passed: a fiftieth of the thread's time at most."""

Key = tuple[str | None, str | None]
"""Of a task: its name and None; of the jobs without a task: None and their queue."""

Place = tuple[int, int, str]
"""Health, when its alerts began (negative: the latest first), name."""

Placed = tuple[int, int, str, Key]
"""A place, and whose it is."""


def name_of(key: Key) -> str:
    """As lists show it."""
    task, queue = key
    if task is not None:
        return task
    return "no task, no queue" if queue is None else f"queue {queue}"


def troubles_of(alerts: Iterable[Alert]) -> dict[Key, list[Alert]]:
    """The open alerts of each task. Those about the monitor itself belong to none; those only pending make nobody ill."""
    found: dict[Key, list[Alert]] = {}
    for alert in alerts:
        if alert.state == PENDING or (alert.task is None and alert.rule.startswith("self.")):
            continue
        key: Key = (alert.task, None) if alert.task is not None else (None, alert.queue)
        found.setdefault(key, []).append(alert)
    return found


class Standing:
    """The places of all tasks. Belongs to the loop's thread, as the state does."""

    def __init__(self) -> None:
        self._keys: dict[Key, str] = {}
        self._pairs: dict[Key, list[Key]] = {}
        self._pairs_seen = 0
        self._placed: list[Placed] = []
        self._good_until = 0.0
        self._actions = -1

    def all(self, state: State, recent: Recent) -> list[Placed]:
        """Every task, and every queue with jobs without one, the worst first."""
        began = perf_counter()
        if began >= self._good_until or self._actions != recent.actions:
            self._placed = self._made(state, recent)
            ended = perf_counter()
            self._good_until, self._actions = ended + (ended - began) * KEPT_TIMES, recent.actions
        return self._placed

    def _made(self, state: State, recent: Recent) -> list[Placed]:
        keys, tasks = self._known(state), recent.tasks
        placed: list[Placed] = []
        for key, name in keys.items():
            figures = tasks.get(key[0]) if key[0] is not None else None
            health = _health_without_task(state, key) if figures is None else figures.health
            placed.append((health, 0, name, key))
        troubles = {key: alerts for key, alerts in troubles_of(state.open_by_id.values()).items() if key in keys}
        if troubles:
            placed = [one for one in placed if one[3] not in troubles]
            placed += [_ill(key, keys[key], alerts, recent) for key, alerts in troubles.items()]
        placed.sort(key=lambda one: one[:3])
        return placed

    def pairs_of(self, state: State, key: Key) -> Sequence[Key]:
        """Under which pairs of task and queue the jobs of somebody are counted; nothing where none was heard of."""
        self._meet(state)
        return self._pairs.get(key, ())

    def _meet(self, state: State) -> None:
        """Take note of new pairs. Counters never go, and come in their order."""
        if len(state.pairs) == self._pairs_seen:
            return
        for task, queue in islice(state.pairs, self._pairs_seen, None):
            key: Key = (task, None) if task is not None else (None, queue)
            if key not in self._keys:
                self._keys[key] = name_of(key)
            self._pairs.setdefault(key, []).append((task, queue))
        self._pairs_seen = len(state.pairs)

    def _known(self, state: State) -> dict[Key, str]:
        """Everybody by name; a task with a check alone may go."""
        self._meet(state)
        only_checked: dict[Key, str] = {(task, None): task for task in state.checks if (task, None) not in self._keys}
        return {**self._keys, **only_checked} if only_checked else self._keys


def _health_without_task(state: State, key: Key) -> Health:
    """Of jobs without a task only counters are known, and of a task that has ended nothing not even those."""
    counters = state.pairs.get(key) if key[0] is None else None
    return Health.HEALTHY if counters is not None and counters.statuses.get(COMPLETED) else Health.IDLE


def _ill(key: Key, name: str, alerts: list[Alert], recent: Recent) -> Placed:
    figures = recent.tasks.get(key[0]) if key[0] is not None else None
    statuses = [] if figures is None or figures.last_status is None else [figures.last_status]
    health = health_of([alert.rule for alert in alerts], statuses)
    return int(health), -min(alert.opened_ms for alert in alerts), name, key
