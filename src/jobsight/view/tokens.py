"""Tokens as rows. All of them are in the state from the start on: there are few, and each request asks for one."""

from __future__ import annotations

from typing import Final

import apsw
import msgspec

from jobsight.core.state import State
from jobsight.core.tokens import Token

# Every token, in the order of its struct.
SELECT_ROWS: Final = """
SELECT token_id, scope, sha256, note, created_ms, expires_ms, author, revoked_ms FROM tokens ORDER BY created_ms
"""

# A token as it is now.
REPLACE_ROW: Final = """
INSERT OR REPLACE INTO tokens (token_id, scope, sha256, note, created_ms, expires_ms, author, revoked_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""

_FIELDS: Final = Token.__struct_fields__[:-1]


def load_tokens(connection: apsw.Connection, state: State) -> None:
    """Bring every token into a state."""
    for row in connection.execute(SELECT_ROWS):
        token = Token(**dict(zip(_FIELDS, row, strict=True)))
        state.tokens[token.token_id] = token


def write_tokens(connection: apsw.Connection, state: State) -> None:
    """Store those that have changed, inside the transaction of a flush."""
    if state.changes.tokens:
        connection.executemany(REPLACE_ROW, [msgspec.structs.astuple(token)[:-1] for token in state.changes.tokens])
