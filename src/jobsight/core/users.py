"""Operators who may sign in, as the log knows them. Of a password only the name of the place is known where its hash is kept."""

from __future__ import annotations

from msgspec import Struct


class User(Struct, kw_only=True):
    """
    An operator.

    Attributes:
        name: With it the operator signs in.
        scope: The word of the scope of a session, see `core.tokens`.
        password_ref: Which file of the folder's secrets holds the hash; another one after each change of the password.
        created_ms, changed_ms: ms since the epoch, UTC.
        author: Who changed this operator last.
    """

    name: str
    scope: str
    password_ref: str
    created_ms: int
    changed_ms: int
    author: str
