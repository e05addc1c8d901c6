"""Asking the view off the loop's thread, so that a slow query never holds up a report."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from msgspec import Struct

from jobsight.engine.answers import Records
from jobsight.errors import JobsightError, UsageError
from jobsight.protocol.refusals import Code
from jobsight.transports.http.exchange import RETRY_SECONDS, HttpRefusal
from jobsight.view.queries import Reader

THREADS: Final = 2
"""Queries that run at once; each thread has a connection of its own."""

WAITING_MAX: Final = 256
"""Queries that may wait for a thread; above, they are refused."""

Answered = TypeVar("Answered")


class Source(Struct, frozen=True, kw_only=True):
    """What one thread reads from: the view, and the log for histories. `log_bytes`: what the log takes on the disk."""

    view: Reader
    log: Records
    log_bytes: Callable[[], int]
    close: Callable[[], None]


class Asking:
    """
    A few threads that answer queries, each from its own connections.

    Args:
        open_source: Opens the connections of a thread, when it is first asked.
    """

    def __init__(self, open_source: Callable[[], Source]) -> None:
        self._open_source = open_source
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="jobsight-read")
        self._own = threading.local()
        self._opened: list[Source] = []
        self._waiting = 0

    async def ask(self, question: Callable[[Source], Answered]) -> Answered:
        """
        What a question answers; it runs in another thread and must not touch the state.

        Raises:
            HttpRefusal: The question is none (400), the view cannot be read now, or too many wait (503).
        """
        if self._waiting >= WAITING_MAX:
            raise _unavailable("too many queries at once; try again")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, question)
        except UsageError as error:
            raise HttpRefusal(400, Code.MALFORMED_REQUEST, str(error)) from error
        except JobsightError as error:
            raise _unavailable(str(error)) from error
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Wait for what is being answered, and release the files."""
        self._pool.shutdown(cancel_futures=True)
        for source in self._opened:
            source.close()

    def _run(self, question: Callable[[Source], Answered]) -> Answered:
        source: Source | None = getattr(self._own, "source", None)
        if source is None:
            source = self._own.source = self._open_source()
            self._opened.append(source)
        return question(source)


def _unavailable(text: str) -> HttpRefusal:
    after = (b"retry-after", b"%d" % RETRY_SECONDS)
    return HttpRefusal(503, Code.TEMPORARILY_UNAVAILABLE, text, headers=(after,))
