"""
A program may fork at any moment. What another thread was importing then stays half made in the child, for good: so the
client's thread imports under a lock, and a fork waits for it.
"""

from __future__ import annotations

import os
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Final

FORK_WAIT_S: Final = 5.0
"""A fork waits at most so long; imports take far less."""

_lock: Final = threading.RLock()
_held: Final = threading.local()


class Unforked:
    """As a context manager: no fork happens within it."""

    def __enter__(self) -> None:
        _lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _lock.release()


def _before() -> None:
    _held.is_held = _lock.acquire(timeout=FORK_WAIT_S)


def _after() -> None:
    if getattr(_held, "is_held", False):
        _held.is_held = False
        _lock.release()


os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
