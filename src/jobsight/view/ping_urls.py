"""Ping URLs as rows. All of them are in the state from the start on: each ping asks for one."""

from __future__ import annotations

from typing import Final

import apsw
import msgspec

from jobsight.core.ping_urls import PingUrl
from jobsight.core.state import State

# Every ping URL, in the order of its struct.
SELECT_PING_URLS: Final = """
SELECT ping_id, secret, task, note, created_ms, author, revoked_ms FROM ping_urls ORDER BY created_ms
"""

# A ping URL as it is now.
REPLACE_PING_URL: Final = """
INSERT OR REPLACE INTO ping_urls (ping_id, secret, task, note, created_ms, author, revoked_ms)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""


def load_ping_urls(connection: apsw.Connection, state: State) -> None:
    """Bring every ping URL into a state."""
    for row in connection.execute(SELECT_PING_URLS):
        url = PingUrl(**dict(zip(PingUrl.__struct_fields__, row, strict=True)))
        state.ping_urls[url.ping_id] = url
        if url.revoked_ms is None:
            state.ping_secrets[url.secret] = url


def write_ping_urls(connection: apsw.Connection, state: State) -> None:
    """Store those that have changed, inside the transaction of a flush."""
    if state.changes.ping_urls:
        rows = [msgspec.structs.astuple(url) for url in state.changes.ping_urls.values()]
        connection.executemany(REPLACE_PING_URL, rows)
