"""Operators as rows. All of them are in the state from the start on: there are few."""

from __future__ import annotations

from typing import Final

import apsw
import msgspec

from jobsight.core.state import State
from jobsight.core.users import User

# Every operator, in the order of the struct.
SELECT_ROWS: Final = "SELECT name, scope, password_ref, created_ms, changed_ms, author FROM users ORDER BY name"

# An operator as of now.
REPLACE_ROW: Final = """
INSERT OR REPLACE INTO users (name, scope, password_ref, created_ms, changed_ms, author) VALUES (?, ?, ?, ?, ?, ?)
"""

# One that is gone.
DELETE_ROW: Final = "DELETE FROM users WHERE name = ?"


def load_users(connection: apsw.Connection, state: State) -> None:
    """Bring every operator into a state."""
    for row in connection.execute(SELECT_ROWS):
        user = User(**dict(zip(User.__struct_fields__, row, strict=True)))
        state.users[user.name] = user


def write_users(connection: apsw.Connection, state: State) -> None:
    """Store those that have changed, inside the transaction of a flush."""
    for name in state.changes.users:
        user = state.users.get(name)
        if user is None:
            connection.execute(DELETE_ROW, (name,))
        else:
            connection.execute(REPLACE_ROW, msgspec.structs.astuple(user))
