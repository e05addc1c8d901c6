"""How operators are added, given another password and removed: the hash first, then the event, then the hash before it goes."""

from __future__ import annotations

import asyncio

from jobsight.core.events import UserRemoved
from jobsight.core.users import User
from jobsight.engine.users import Users, require_password
from jobsight.engine.writer import Writer
from jobsight.transports.http.exchange import HttpRefusal
from jobsight.transports.http.wishing import record, refusing


class UserChanges:
    """
    Changes operators.

    Args:
        writer: Takes the events.
        users: Knows who there is, and keeps the hashes.
    """

    def __init__(self, writer: Writer, users: Users) -> None:
        self._writer = writer
        self.users = users

    def require(self, name: str) -> User:
        """The operator of a name; HttpRefusal (404) where there is none."""
        with refusing():
            return self.users.require(name)

    async def add(self, name: str, scope: str, password: str, author: str) -> None:
        """Let somebody sign in. Raises HttpRefusal."""
        with refusing():
            self.users.require_new(name, scope, password)
        await self._store(name, scope, password, author)

    async def change_password(self, user: User, password: str, author: str) -> None:
        """Give somebody another password; what the one before has opened ends. Raises HttpRefusal."""
        with refusing():
            require_password(password)
        await self._store(user.name, user.scope, password, author)

    async def remove(self, user: User, author: str) -> None:
        """Let somebody sign in no more. Raises HttpRefusal."""
        await record(self._writer, [UserRemoved(name=user.name, author=author)])
        self.users.forget(user.password_ref)

    async def _store(self, name: str, scope: str, password: str, author: str) -> None:
        event = await asyncio.to_thread(self.users.keep, name, scope, password, author)
        before = self.users.find(name)
        try:
            await record(self._writer, [event])
        except HttpRefusal as why:
            if why.status == 503:  # it is certain that no event names the hash
                self.users.forget(event.password_ref)
            raise
        if before is not None:
            self.users.forget(before.password_ref)
