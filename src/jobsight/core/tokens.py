"""Tokens as the log knows them: who may do what, until when. The secret itself is never known here, only its SHA-256."""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct


class TokenScope(IntEnum):
    """What a token allows; each allows what the ones below it allow."""

    INGEST = 1
    READ = 2
    OPERATE = 3
    ADMIN = 4

    @property
    def word(self) -> str:
        """As it is written in a token, in settings and in replies."""
        return self.name.lower()


SCOPES = {scope.word: scope for scope in TokenScope}
"""Scopes by their words, from the least to the most."""


class Token(Struct, kw_only=True):
    """
    A token that was created once.

    Attributes:
        token_id: Its public part; names the token in lists and as the sender of reports.
        scope: The word of its scope.
        sha256: Of its secret part, in hex.
        note: What it is for, in the words of its author.
        created_ms, expires_ms, revoked_ms: ms since the epoch, UTC; None for never.
        author: Who created it.
    """

    token_id: str
    scope: str
    sha256: str
    note: str
    created_ms: int
    expires_ms: int | None
    author: str
    revoked_ms: int | None = None
    is_dirty: bool = False

    def is_expired(self, now_ms: int) -> bool:
        """Whether its time is over."""
        return self.expires_ms is not None and self.expires_ms <= now_ms
