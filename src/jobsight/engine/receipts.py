"""Receipts beside a running monitor: from the view alone, or from the state in memory with what the view adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from jobsight.core.alert import Alert
from jobsight.core.explanations import SeenJob
from jobsight.core.outbox import Delivery
from jobsight.core.receipts import Receipt, WhyNot, receipt_of, why_not_of
from jobsight.core.state import State
from jobsight.view.answers import JobPage

JOBS_SEEN: Final = 10
"""Latest jobs of a task that are looked at."""

END_OF_TIME_MS: Final = 1 << 62


class ReceiptSource(Protocol):
    """What receipts need of a view."""

    def watching(self) -> State:
        """A state that knows everything but jobs."""
        ...

    def find_alert(self, name: str) -> Alert | None:
        """An alert by its id or its fingerprint."""
        ...

    def last_resolved(self, task: str) -> Alert | None:
        """The latest alert of a task that is over."""
        ...

    def deliveries_of(self, keys: Sequence[str], from_ms: int, to_ms: int) -> list[Delivery]:
        """What was told under some dedup keys between two moments."""
        ...

    def list_jobs(self, *, task: str | None = None, limit: int = 100) -> JobPage:
        """Jobs that match, the newest first."""
        ...


def receipt_from_view(view: ReceiptSource, name: str, at_ms: int) -> Receipt | None:
    """The receipt of an alert by its id or fingerprint, as of the view's last flush; None where there is none."""
    alert = view.find_alert(name)
    return None if alert is None else receipt_of(view.watching(), alert, stored_deliveries(view, alert), at_ms)


def why_not_from_view(view: ReceiptSource, task: str, at_ms: int) -> WhyNot:
    """Why nobody was told about a task, as of the view's last flush."""
    return why_not_of(view.watching(), task, at_ms, jobs=seen_jobs(view, task), last=view.last_resolved(task))


def open_alert(state: State, name: str) -> Alert | None:
    """An alert in memory by its id or its fingerprint: an open one, or one that was resolved a moment ago."""
    found = state.open_by_id.get(name) or state.open_by_fingerprint.get(name)
    return found or next((alert for alert in state.changes.alerts if name in (alert.alert_id, alert.fingerprint)), None)


def stored_deliveries(view: ReceiptSource, alert: Alert) -> list[Delivery]:
    """The notifications about an alert that the view knows, those of the summaries in which it stood among them."""
    keys = {alert.dedup_key, *(told.dedup_key for told in alert.told.values())}
    return view.deliveries_of(
        sorted(keys), alert.opened_ms, END_OF_TIME_MS if alert.resolved_ms is None else alert.resolved_ms
    )


def known_deliveries(state: State, alert: Alert, stored: Sequence[Delivery]) -> list[Delivery]:
    """The same, with what the outbox in memory knows better."""
    keys = {alert.dedup_key, *(told.dedup_key for told in alert.told.values())}
    found = {delivery.number: delivery for delivery in stored}
    found |= {
        one.number: one for one in state.outbox.values() if one.dedup_key in keys and one.created_ms >= alert.opened_ms
    }
    return [found[number] for number in sorted(found)]


def seen_jobs(view: ReceiptSource, task: str) -> list[SeenJob]:
    """The latest jobs of a task."""
    return [
        SeenJob(
            job_id=job.job_id,
            status=job.status,
            retries=job.retries,
            max_retries=job.max_retries,
            error=job.error,
            updated_ms=job.updated_ms,
        )
        for job in view.list_jobs(task=task, limit=JOBS_SEEN).jobs
    ]
