"""Making tokens and recognising them. What is kept of a secret is its SHA-256, which is found by the token's id."""

from __future__ import annotations

import hmac
import re
import secrets
from enum import Enum
from hashlib import sha256
from typing import Any, Final

from msgspec import Struct

from jobsight.core.events import TokenCreated
from jobsight.core.state import State
from jobsight.core.tokens import SCOPES, Token, TokenScope

SECRET_BYTES: Final = 32
ID_CHARACTERS: Final = 10
TOKENS_PATH: Final = "/api/v1/tokens"
"""Under which a service makes, lists and revokes them."""

TOKENS_MAX: Final = 10_000
"""Tokens that may ever be created; they stay listed after they were revoked."""

_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"
_TEXT: Final = re.compile(r"js_(?P<scope>[a-z]+)_(?P<id>[a-z0-9]{1,32})_(?P<secret>[0-9a-f]{64})", re.ASCII)


class NewToken(Struct, frozen=True, kw_only=True):
    """A token at its birth: `text` is shown once and never kept, `event` is what the log gets."""

    text: str
    event: TokenCreated


class Denial(Enum):
    """Why a token does not open anything."""

    MALFORMED = "this is no token of the form js_<scope>_<id>_<secret>"
    UNKNOWN = "this token is not known here"
    REVOKED = "this token was revoked"
    EXPIRED = "this token has expired"


def new_token(scope: TokenScope, *, note: str, expires_ms: int | None, author: str) -> NewToken:
    """
    Make a token of 256 random bits.

    Args:
        scope: What it will allow.
        note: What it is for.
        expires_ms: When it ends, ms since the epoch, UTC; None for never.
        author: Who asks for it.
    """
    token_id = "".join(secrets.choice(_ALPHABET) for _ in range(ID_CHARACTERS))
    secret = secrets.token_hex(SECRET_BYTES)
    event = TokenCreated(
        token_id=token_id,
        scope=scope.word,
        sha256=_digest(secret),
        note=note,
        expires_ms=expires_ms,
        author=author,
    )
    return NewToken(text=f"js_{scope.word}_{token_id}_{secret}", event=event)


class TokenRegistry:
    """
    The tokens of the state, and when each was last used since the start.

    Args:
        state: As the log says.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.last_used_ms: dict[str, int] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is no token but revoked ones. An expired one counts: the end of its time opens nothing."""
        return all(token.revoked_ms is not None for token in self._state.tokens.values())

    def find(self, text: str, now_ms: int) -> Token | Denial:
        """The token that a text stands for, noted as used now; or why it is good for nothing."""
        match = _TEXT.fullmatch(text)
        if match is None:
            return Denial.MALFORMED
        token = self._state.tokens.get(match["id"])
        if token is None or token.scope != match["scope"] or not _is_secret_of(token, match["secret"]):
            return Denial.UNKNOWN
        if token.revoked_ms is not None:
            return Denial.REVOKED
        if token.is_expired(now_ms):
            return Denial.EXPIRED
        self.last_used_ms[token.token_id] = now_ms
        return token

    def all(self) -> list[Token]:
        """Every token, the oldest first."""
        return sorted(self._state.tokens.values(), key=lambda token: token.created_ms)


def describe(token: Token, tokens: TokenRegistry, now_ms: int) -> dict[str, Any]:
    """A token as lists show it; `last_used_ms` is since the start of the service."""
    state = "revoked" if token.revoked_ms is not None else "expired" if token.is_expired(now_ms) else "active"
    return {
        "token_id": token.token_id,
        "scope": token.scope,
        "state": state,
        "note": token.note,
        "created_ms": token.created_ms,
        "expires_ms": token.expires_ms,
        "revoked_ms": token.revoked_ms,
        "last_used_ms": tokens.last_used_ms.get(token.token_id),
        "author": token.author,
    }


def scope_of(token: Token) -> TokenScope:
    """What a token allows."""
    return SCOPES[token.scope]


def _digest(secret: str) -> str:
    return sha256(bytes.fromhex(secret)).hexdigest()


def _is_secret_of(token: Token, secret: str) -> bool:
    return hmac.compare_digest(_digest(secret), token.sha256)
