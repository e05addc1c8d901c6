"""Events applied to a state in memory, and states made comparable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from jobsight.core.alert import Alert
from jobsight.core.apply import Applied, apply, apply_internal
from jobsight.core.events import AnyReport, Batch, InternalEvent
from jobsight.core.state import State

NOW_MS = 1_700_000_000_000

Sent = tuple[str | None, AnyReport]
"""A report, and who has sent it."""


class Applier:
    """Applies batches to a state of its own, and remembers where each event stood."""

    def __init__(self) -> None:
        self.state = State()
        self.now_ms = NOW_MS
        self.order_of: dict[int, int] = {}

    def report(self, *reports: AnyReport, source: str | None = None) -> Applied:
        """Apply reports of one sender as one batch."""
        return self.send([(source, report) for report in reports])

    def send(self, sent: Sequence[Sent]) -> Applied:
        """Apply reports as one batch."""
        return apply(self.state, self._batch([one for _, one in sent], [source for source, _ in sent]))

    def tell(self, *events: InternalEvent) -> Applied:
        """Apply events of the monitor as one batch."""
        return apply_internal(self.state, self._batch(list(events), [None] * len(events)))

    def alerts(self) -> list[Alert]:
        """The open alerts, the oldest first."""
        return list(self.state.open_by_id.values())

    def snapshot(self) -> dict[str, Any]:
        """
        All of the state that anybody can see, with each event's place in the log replaced by its order of arrival.

        So two states can be compared that came about over other batches.
        """
        state = self.state
        return {
            "total": state.jobs_total,
            "counters": _without_zeros(state.counters),
            "pairs": [(pair.task, pair.queue, _without_zeros(pair)) for pair in state.pairs.values()],
            "jobs": [self._plain_job(job) for job in state.jobs.values()],
            "alerts": [self._plain_alert(alert) for alert in state.changes.alerts],
            "open": [
                [self._plain_alert(alert) for alert in index.values()]
                for index in (state.open_by_id, state.open_by_fingerprint, state.open_by_task)
            ],
            "rollups": {str(key): msgspec.to_builtins(rollup) for key, rollup in state.changes.rollups.items()},
            "settings": (state.retries_max, state.silence_ms),
        }

    def _batch(self, events: list[Any], sources: list[str | None]) -> Batch:
        seq = self.state.applied_seq + 1
        for index in range(len(events)):
            self.order_of[seq << 20 | index] = len(self.order_of)
        return Batch(seq=seq, accept_ms=self.now_ms, sources=sources, events=events)

    def _plain_job(self, job: Any) -> dict[str, Any]:
        plain = {name: getattr(job, name) for name in job.__slots__}
        plain["counters"] = (job.counters.task, job.counters.queue)
        plain["refs"] = [self.order_of[ref] for ref in job.refs]
        plain["alert_id"] = self._plain_alert_id(job.alert_id)
        return plain

    def _plain_alert(self, alert: Alert) -> dict[str, Any]:
        plain: dict[str, Any] = msgspec.structs.asdict(alert)
        plain["alert_id"] = self._plain_alert_id(alert.alert_id)
        return plain

    def _plain_alert_id(self, alert_id: str | None) -> tuple[str, int] | None:
        if alert_id is None:
            return None
        fingerprint, _, place = alert_id.rpartition("-")
        return fingerprint, self.order_of[int(place)]


def _without_zeros(counters: Any) -> tuple[dict[str, int], int, int]:
    counts = {word: count for word, count in counters.statuses.items() if count}
    return counts, counters.duration_sum_us, counters.duration_count
