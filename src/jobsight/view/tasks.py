"""The names of tasks that were ever admitted, one row each. All are in the state: their number is bounded."""

from __future__ import annotations

from typing import Final

import apsw

from jobsight.core.state import State

# Every name.
SELECT_TASKS: Final = "SELECT name FROM tasks"

# A new one; the same again after a flush that was rolled back.
INSERT_TASK: Final = "INSERT OR IGNORE INTO tasks (name) VALUES (?)"

# The bound, and how often a name was not taken because of it.
SELECT_BOUND: Final = "SELECT tasks_max, tasks_folded FROM applied"

# The same after a flush.
UPDATE_BOUND: Final = "UPDATE applied SET tasks_max = ?, tasks_folded = ?"


def load_tasks(connection: apsw.Connection, state: State) -> None:
    """Bring every name into a state."""
    state.tasks = {name for (name,) in connection.execute(SELECT_TASKS)}
    for tasks_max, folded in connection.execute(SELECT_BOUND):
        state.tasks_max, state.tasks_folded = tasks_max, folded


def write_tasks(connection: apsw.Connection, state: State) -> None:
    """Store what is new, inside the transaction of a flush."""
    if state.changes.tasks:
        connection.executemany(INSERT_TASK, [(name,) for name in state.changes.tasks])
    if state.changes.is_bound_dirty:
        connection.execute(UPDATE_BOUND, (state.tasks_max, state.tasks_folded))
