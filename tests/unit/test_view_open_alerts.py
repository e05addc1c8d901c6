"""The list of what is open holds everything that nobody has resolved, whatever was done about it, the newest first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from watched_state import SECOND_MS, WatchedState

from jobsight.core.events import AlertAcknowledged, AlertResolved, JobFailed
from jobsight.view.answers import AlertFilter
from jobsight.view.queries import Reader
from jobsight.view.store import View

TASKS = ("fires", "pends", "is acknowledged", "fires too", "is over", "pends too")


@pytest.fixture
def reader() -> Iterator[Reader]:
    """Alerts in each state, two of them in some, stored."""
    watch, view = WatchedState(), View.open(None)
    for task in TASKS:
        if task.startswith("pends"):
            watch.expect(task, failure_threshold=2)
        watch.report(JobFailed(job_id=f"job of {task}", task=task, error="no route", retries=0))
        watch.step(SECOND_MS)
    alert_ids = {alert.task: alert.alert_id for alert in watch.state.open_by_id.values()}
    watch.tell(AlertAcknowledged(alert_id=alert_ids["is acknowledged"], by="me"))
    watch.tell(AlertResolved(alert_id=alert_ids["is over"], by="me"))
    watch.state.changes.alerts = list({alert.alert_id: alert for alert in watch.raised}.values())
    view.flush(watch.state, b"")
    yield view.reader()
    view.close()


def pages(reader: Reader, limit: int, **wanted: str) -> list[str | None]:
    """The tasks of all pages."""
    tasks: list[str | None] = []
    cursor: str | None = None
    while True:
        page = reader.list_alerts(AlertFilter(**wanted), limit=limit, cursor=cursor)  # type: ignore[arg-type]  # only words
        tasks += [alert.task for alert in page.alerts]
        cursor = page.cursor
        if cursor is None:
            return tasks


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_open_alerts_are_those_that_nobody_has_resolved(reader: Reader, limit: int) -> None:
    """An alert that somebody takes care of, or that waits for a second failure, is open; one that is over is not."""
    assert ["pends too", "fires too", "is acknowledged", "pends", "fires"] == pages(reader, limit, state="open")
    assert ["fires too", "fires"] == pages(reader, limit, state="firing")
    assert ["is acknowledged"] == pages(reader, limit, state="acknowledged")
    assert ["pends too", "pends"] == pages(reader, limit, state="pending")
    assert ["is over"] == pages(reader, limit, state="resolved")
    assert list(reversed(TASKS)) == pages(reader, limit)
    assert ["pends"] == pages(reader, limit, state="open", task="pends")
    assert [] == pages(reader, limit, state="open", task="is over")
