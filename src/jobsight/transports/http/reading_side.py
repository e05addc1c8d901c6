"""The reading side of the service: what answers queries, watches, and tells of itself; put together in one place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from jobsight.engine.instruments import ObservedWriter
from jobsight.engine.recent import LATEST_ENDS
from jobsight.transports.http.alert_stream import AlertStream
from jobsight.transports.http.api import Api
from jobsight.transports.http.asking import Asking, Source
from jobsight.transports.http.channel_api import Telling
from jobsight.transports.http.exchange import HttpRefusal
from jobsight.transports.http.last_ends import LOOK_BACK_MS, TASKS_AT_ONCE, LastEnd, restore_last_ends
from jobsight.transports.http.live import Live
from jobsight.transports.http.metrics import Metrics
from jobsight.transports.http.pages.registry import dashboard
from jobsight.transports.http.pages.site import Ground
from jobsight.transports.http.receipts import receipt_endpoints
from jobsight.transports.http.routes import Endpoint
from jobsight.transports.http.tail import Tail
from jobsight.view.latest import LatestJob

WARM_AFTER_S: Final = 2.0
"""So long after the start pages are made ready; what has waited for the start comes first."""


class ReadingSide:
    """
    The routes of the reading side, and what they need while the service runs.

    Attributes:
        asking: Reads the view off the loop's thread.

    Args:
        writer: Whose state, instruments and recent ends are shown.
        open_source: Opens the view and the log for one more thread.
        telling: Who delivers; shown with the settings.
        clock_ms: Wall time, ms since the epoch, UTC.
        metrics_ms: For how long a task that ends nothing keeps its series in the metrics.
    """

    def __init__(
        self,
        writer: ObservedWriter,
        open_source: Callable[[], Source],
        telling: Telling,
        clock_ms: Callable[[], int],
        *,
        metrics_ms: int,
    ) -> None:
        self._catching_up: asyncio.Future[None] | None = None
        self._warming: asyncio.TimerHandle | None = None
        self._writer = writer
        self._clock_ms = clock_ms
        self.asking = Asking(open_source)
        api = Api(state=writer.state, recent=writer.recent, asking=self.asking, clock_ms=clock_ms)
        shown: dict[str, Any] = {
            "state": writer.state,
            "recent": writer.recent,
            "instruments": writer.instruments,
            "clock_ms": clock_ms,
        }
        self._live = Live(**shown)
        self._tail = Tail(writer.state, writer.instruments)
        self._alerts = AlertStream(writer.state)
        writer.on_alerts = self._alerts.show
        writer.on_applied = self._tail.show
        self._dashboard = dashboard(Ground(**shown, telling=telling), self.asking, writer)
        metrics = Metrics(**shown, asking=self.asking, expires_ms=metrics_ms)
        self.endpoints: list[Endpoint] = [
            *receipt_endpoints(writer.state, self.asking, clock_ms),
            *api.endpoints(),
            self._live.endpoint(),
            self._tail.endpoint(),
            self._alerts.endpoint(),
            metrics.endpoint(),
            *self._dashboard.endpoints,
        ]

    async def start(self) -> None:
        """Take over from the view what was known before the start."""
        tasks = list(dict.fromkeys(task for task, _ in self._writer.state.pairs))
        since_ms = self._clock_ms() - LOOK_BACK_MS
        for start in range(0, len(tasks), TASKS_AT_ONCE):
            found = await self.asking.ask(partial(_last_ends, tasks[start : start + TASKS_AT_ONCE], since_ms))
            for task, last in found.items():
                self._writer.recent.restore(task, *last)
        self._catching_up = asyncio.ensure_future(self._restore_health([task for task in tasks if task is not None]))

        self._warming = asyncio.get_running_loop().call_later(WARM_AFTER_S, self._dashboard.warm)

    async def _restore_health(self, tasks: Sequence[str]) -> None:
        """How the latest jobs of tasks have ended; no start waits for it."""
        for start in range(0, len(tasks), TASKS_AT_ONCE):
            some = tasks[start : start + TASKS_AT_ONCE]
            try:
                found = await self.asking.ask(partial(_latest_jobs, some))
            except HttpRefusal:
                return  # What ends from now on tells as well.
            for task, jobs in found.items():
                self._writer.recent.restore_spoilt(task, [job.status for job in jobs if job.ended_ms is not None])

    def stop(self) -> None:
        """End what goes on until somebody ends it."""
        if self._catching_up is not None:
            self._catching_up.cancel()
        if self._warming is not None:
            self._warming.cancel()
        self._live.stop()
        self._tail.stop()
        self._alerts.stop()

    def close(self) -> None:
        """Release the files."""
        self.asking.close()


def _last_ends(tasks: Sequence[str | None], since_ms: int, source: Source) -> dict[str | None, LastEnd]:
    return restore_last_ends(source.view, tasks, since_ms)


def _latest_jobs(tasks: Sequence[str], source: Source) -> dict[str, list[LatestJob]]:
    return source.view.latest_of(tasks, LATEST_ENDS)
