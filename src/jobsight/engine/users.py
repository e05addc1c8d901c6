"""Operators who sign in: who they are, and whether a password is theirs."""

from __future__ import annotations

import re
import secrets
from typing import Any, Final, Protocol

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from jobsight.core.events import UserSet
from jobsight.core.state import State
from jobsight.core.users import User
from jobsight.engine.tokens import TokenRegistry
from jobsight.errors import NotFoundError, UsageError

USERS_PATH: Final = "/api/v1/users"
"""Under which a service makes, lists, changes and removes them."""

USER_SCOPES: Final = ("read", "operate", "admin")
"""Words of the scopes that an operator can have."""

USERS_MAX: Final = 1_000
PASSWORD_CHARACTERS_MIN: Final = 8
PASSWORD_CHARACTERS_MAX: Final = 1_000
NAME_EXPECTED: Final = "1 to 64 letters, digits, and . _ @ + - after the first"

# argon2id with what OWASP asks for at least: a sign-in costs some tens of milliseconds and 19 MiB, one at a time.
HASH_TIME_COST: Final = 2
HASH_MEMORY_KIB: Final = 19 * 1024
HASH_LANES: Final = 1

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", re.ASCII)


class Passwords(Protocol):
    """Where hashes are kept, by references."""

    def write(self, ref: str, text: str) -> None:
        """Keep a hash durably; JobsightError where it cannot be kept."""

    def read(self, ref: str) -> str | None:
        """The hash of a reference; None where there is none."""

    def delete(self, ref: str) -> None:
        """Forget a hash; a second call does nothing."""


class Users:
    """
    The operators of the state, and their passwords.

    Args:
        state: As the log says.
        passwords: Keeps the hashes.
    """

    def __init__(self, state: State, passwords: Passwords) -> None:
        self._state = state
        self._passwords = passwords
        self._hasher = PasswordHasher(time_cost=HASH_TIME_COST, memory_cost=HASH_MEMORY_KIB, parallelism=HASH_LANES)
        self._nobodys = ""

    def find(self, name: str) -> User | None:
        """The operator of a name."""
        return self._state.users.get(name)

    def require(self, name: str) -> User:
        """The operator of a name; NotFoundError where there is none."""
        user = self.find(name)
        if user is None:
            raise NotFoundError(f"there is no user {name!r}; jobsight user list shows who there is")
        return user

    def all(self) -> list[User]:
        """Every operator, by name."""
        return sorted(self._state.users.values(), key=lambda user: user.name)

    def require_new(self, name: str, scope: str, password: str) -> None:
        """Raises UsageError where no operator of this name, scope and password can be added."""
        if _NAME.fullmatch(name) is None:
            raise UsageError(f"name: expected {NAME_EXPECTED}")
        if scope not in USER_SCOPES:
            raise UsageError(f"scope: expected one of {', '.join(USER_SCOPES)}")
        if name in self._state.users:
            raise UsageError(f"there is a user {name} already; give a new password: jobsight user password {name}")
        if len(self._state.users) >= USERS_MAX:
            raise UsageError(f"there are {USERS_MAX} users already")
        require_password(password)

    def keep(self, name: str, scope: str, password: str, author: str) -> UserSet:
        """
        Hash a password and keep the hash; slow on purpose.

        Args:
            name, scope: Of the operator.
            password: Checked before.
            author: Who makes the change.

        Returns:
            What the log gets. Once it holds, `forget` the reference before.

        Raises:
            JobsightError: The hash cannot be stored.
        """
        ref = secrets.token_hex(8)
        self._passwords.write(ref, self._hasher.hash(password))
        return UserSet(name=name, scope=scope, password_ref=ref, author=author)

    def forget(self, ref: str) -> None:
        """Delete the hash of a reference that is used no more."""
        self._passwords.delete(ref)

    def is_password(self, user: User | None, password: str) -> bool:
        """Whether a password is this operator's. Takes the same time for nobody; slow on purpose, and for any thread."""
        self._nobodys = self._nobodys or self._hasher.hash(secrets.token_hex(16))
        kept = None if user is None else self._passwords.read(user.password_ref)
        try:
            self._hasher.verify(self._nobodys if kept is None else kept, password)
        except (VerificationError, InvalidHashError):
            return False
        return kept is not None


def require_password(password: str) -> None:
    """Raises UsageError where a password is too short or too long. Nothing else makes a password better."""
    if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
        raise UsageError(f"password: expected {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters")


def describe_user(user: User) -> dict[str, Any]:
    """An operator as lists show it."""
    return {
        "name": user.name,
        "scope": user.scope,
        "created_ms": user.created_ms,
        "changed_ms": user.changed_ms,
        "author": user.author,
    }


def is_guarded(state: State) -> bool:
    """Whether anybody has a token or can sign in: from then on everybody needs one or the other."""
    return bool(state.users) or not TokenRegistry(state).is_empty
