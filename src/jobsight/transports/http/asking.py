"""Asking the view off the loop's thread, so that a slow query never holds up a report."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

from msgspec import Struct
from typing_extensions import override

from jobsight.core.outbox import Delivery
from jobsight.core.rollup import Rollup
from jobsight.engine.answers import Records
from jobsight.engine.receipts import ReceiptSource
from jobsight.errors import JobsightError, UsageError
from jobsight.protocol.refusals import Code
from jobsight.transports.http.exchange import RETRY_SECONDS, HttpRefusal
from jobsight.view.answers import (
    AlertFilter,
    AlertPage,
    AlertRows,
    Applied,
    AuditPage,
    DeliveryRows,
    JobAnswer,
    JobPage,
    JobsFound,
    SeriesPoint,
)
from jobsight.view.job_filter import JobFilter
from jobsight.view.latest import LatestJob
from jobsight.view.rollup_queries import StoredBucket

THREADS: Final = 2
"""Queries that run at once; each thread has a connection of its own."""

WAITING_MAX: Final = 256
"""Queries that may wait for a thread; above, they are refused."""

Answered = TypeVar("Answered")


class Viewing(ReceiptSource, Protocol):
    """What queries need of a view, as of its last flush."""

    def applied(self) -> Applied:
        """Up to where the view is true."""
        ...

    def job(self, job_id: str) -> JobAnswer | None:
        """A job; None when it is not stored."""
        ...

    def history_refs(self, job_id: str) -> list[int]:
        """Where a job's events stand in the log."""
        ...

    @override
    def list_jobs(
        self,
        *,
        status: str | None = None,
        task: str | None = None,
        queue: str | None = None,
        host: str | None = None,
        since_ms: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
        is_enough: Callable[[], bool] | None = None,
    ) -> JobPage:
        """Jobs that match, the newest first."""
        ...

    def search(
        self,
        wanted: JobFilter,
        *,
        now_ms: int,
        limit: int = 100,
        cursor: str | None = None,
        is_enough: Callable[[], bool] = bool,
    ) -> JobsFound:
        """Jobs that match a filter, and how many there are of what."""
        ...

    def rollup_series(
        self, width_s: int, since_ms: int, until_ms: int, task: str | None = None, *, has_task: bool = True
    ) -> list[SeriesPoint]:
        """Buckets in which something ended, oldest first."""
        ...

    def rollup_sum(
        self, since_ms: int, until_ms: int | None = None, task: str | None = None, *, has_task: bool = True
    ) -> Rollup:
        """All that ended within a range."""
        ...

    def stored_series(
        self, width_s: int, since_ms: int, until_ms: int, task: str | None = None, *, has_task: bool = True
    ) -> list[StoredBucket]:
        """The same as they are stored."""
        ...

    def stored_sums(self, since_ms: int, tasks: Sequence[str]) -> dict[str, list[bytes]]:
        """For each task the buckets, as they are stored, whose sum is all that ended since a moment."""
        ...

    def alerts(
        self, state: str | None = None, task: str | None = None, *, limit: int = 100, cursor: str | None = None
    ) -> AlertPage:
        """Alerts, the newest episode first."""
        ...

    def latest(self, task: str, limit: int) -> list[LatestJob]:
        """The latest jobs of a task, in short."""
        ...

    def latest_of(self, tasks: Sequence[str], limit: int) -> dict[str, list[LatestJob]]:
        """The latest jobs of some tasks, in short."""
        ...

    def latest_without_task(self, limit: int) -> dict[str | None, list[LatestJob]]:
        """The latest jobs without a task by their queue, in short."""
        ...

    def oldest_in(self, status: str) -> int | None:
        """When the oldest job that stands in a status was first heard of."""
        ...

    def list_alerts(self, wanted: AlertFilter, *, limit: int = 100, cursor: str | None = None) -> AlertRows:
        """Alerts that match a filter, with all that is known of them."""
        ...

    def list_deliveries(
        self,
        *,
        state: str | None = None,
        channel: str | None = None,
        alert_id: str | None = None,
        since_ms: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> DeliveryRows:
        """Notifications that match, the newest first."""
        ...

    def delivery(self, delivery_id: str) -> Delivery | None:
        """One notification; None for none."""
        ...

    def deliveries_between(self, first_key: str, before_key: str) -> list[Delivery]:
        """Every notification whose dedup key lies between two texts."""
        ...

    def audit(
        self,
        *,
        author: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        since_ms: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> AuditPage:
        """Who has changed what, the newest first."""
        ...

    def close(self) -> None:
        """Release the files."""
        ...


class Source(Struct, frozen=True, kw_only=True):
    """What one thread reads from: the view, and the log for histories. `log_bytes`: what the log takes on the disk."""

    view: Viewing
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
