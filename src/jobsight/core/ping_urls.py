"""Ping URLs as the log knows them: which of them stands for which task. Their secrets open nothing but reporting."""

from __future__ import annotations

from msgspec import Struct


class PingUrl(Struct, kw_only=True):
    """
    A ping URL that was made once.

    Attributes:
        ping_id: Names it in lists; no secret.
        secret: The UUID or the ping key in its path.
        task: Whose jobs its pings are; None for a ping key, whose URLs name the task themselves.
        note: What it is for, in the words of its author.
        created_ms, revoked_ms: ms since the epoch, UTC; None for never.
    """

    ping_id: str
    secret: str
    task: str | None
    note: str
    created_ms: int
    author: str
    revoked_ms: int | None = None
