"""A state that is watched: reports and events go in, time is stepped, deadlines pass; and everything can be replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec

from jobsight.core.alert import Alert
from jobsight.core.apply import apply, apply_internal
from jobsight.core.check import Expectation, Origin
from jobsight.core.events import AnyReport, Batch, CheckSet, Event, InternalEvent, RoutingSet
from jobsight.core.state import State, forget_changes
from jobsight.core.statistics import pair_for
from jobsight.engine.ticker import Ticker

START_MS = 1_772_323_200_000
"""2026-03-01T00:00:00Z."""

FLUSH_MS = 200
SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000


class WatchedState:
    """A monitor without its disk: a state, its ticker, and every batch that was applied."""

    def __init__(self, start_ms: int = START_MS, *, keeps_batches: bool = True) -> None:
        self.now_ms = start_ms
        self.state = State()
        self.batches: list[tuple[bool, Batch]] = []
        self.raised: list[Alert] = []
        self.deadlines: list[Any] = []
        self._keeps_batches = keeps_batches
        self._stored: dict[str, Any] = {}
        self._flush_due_ms: int | None = None
        self.ticker = self._new_ticker()

    def report(self, *reports: AnyReport) -> list[Alert]:
        """Workers report; returns the alerts that changed."""
        return self._apply(list(reports), is_internal=False)

    def tell(self, *events: InternalEvent) -> list[Alert]:
        """Events of the monitor; returns the alerts that changed."""
        return self._apply(list(events), is_internal=True)

    def expect(self, task: str, **fields: Any) -> None:
        """Set the check of a task."""
        self.tell(CheckSet(task=task, expected=Expectation(**fields), origin=Origin.API, author="test"))
        self.flush()

    def route(self, *channels: str, routes: list[Any] | None = None) -> None:
        """Say which channels there are."""
        self.tell(RoutingSet(channels=list(channels), routes=routes or [], author="test"))

    def step(self, passed_ms: int) -> None:
        """Time goes on, and what is due is done when it is due."""
        self.run_until(self.now_ms + passed_ms)

    def run_until(self, end_ms: int) -> None:
        """Time goes on to a moment, ms UTC."""
        while True:
            waits = [end_ms - self.now_ms]
            if self._flush_due_ms is not None:
                waits.append(self._flush_due_ms - self.now_ms)
            due_ms = self.ticker.due_ms()
            if due_ms is not None:
                waits.append(due_ms)
            self.now_ms += max(0, min(waits))
            if self._flush_due_ms is not None and self._flush_due_ms <= self.now_ms:
                self.flush()
            self.ticker.tick()
            if self.now_ms >= end_ms and self.ticker.due_ms() != 0:
                return

    def jump(self, passed_ms: int) -> None:
        """The clock is another one, and nobody was there in between: a suspend, or a clock that was set."""
        self.now_ms += passed_ms
        if self._flush_due_ms is not None:
            self._flush_due_ms += passed_ms  # that is counted by a clock that nobody can set
        self.ticker.tick()

    def restart(self, down_ms: int) -> None:
        """The monitor ends, and starts again later."""
        self.flush()
        self.state.alive_ms = self.now_ms
        self.now_ms += down_ms
        self.state = stored_and_loaded(self.state)
        for job in self._stored.values():  # what is fetched from the view is counted where the new state counts
            job.counters = pair_for(self.state.pairs, job.task, job.queue)
        self.ticker = self._new_ticker()
        self.ticker.tick()

    def flush(self) -> None:
        """The view is brought up to date."""
        self.ticker.register(self.state.changes)
        if self._keeps_batches:
            self._stored.update({job.job_id: job for job in self.state.changes.jobs if job.ended_ms is not None})
        forget_changes(self.state)
        self._flush_due_ms = None

    def open(self) -> list[tuple[str, str | None, str]]:
        """Rule, task and state of the open alerts."""
        return [(alert.rule, alert.task, alert.state) for alert in self.state.open_by_id.values()]

    def replayed(self) -> State:
        """The state that the same batches give again."""
        state = State()
        for is_internal, batch in self.batches:
            if is_internal:
                apply_internal(state, batch)
            else:
                apply(state, batch)
        return state

    def _new_ticker(self) -> Ticker:
        return Ticker(self.state, self._submit, lambda: self.now_ms)

    def _submit(self, events: list[InternalEvent], done: Callable[[bool], None]) -> None:
        self.deadlines += events
        self._apply(cast("list[Event]", events), is_internal=True)
        done(True)

    def _apply(self, events: list[Any], *, is_internal: bool) -> list[Alert]:
        for job_id in {getattr(event, "job_id", None) or getattr(event, "subject", "") for event in events}:
            if job_id in self._stored and job_id not in self.state.jobs:
                self.state.jobs[job_id] = self._stored[job_id]
        seq = self.state.applied_seq + 1
        batch = Batch(seq=seq, accept_ms=self.now_ms, sources=["w"] * len(events), events=events)
        if self._keeps_batches:
            self.batches.append((is_internal, batch))
        applied = apply_internal(self.state, batch) if is_internal else apply(self.state, batch)
        self.raised += applied.alerts
        if self._flush_due_ms is None:
            self._flush_due_ms = self.now_ms + FLUSH_MS
        return applied.alerts


def stored_and_loaded(state: State) -> State:
    """What a state is after a start: the same, by way of the view."""
    from jobsight.view.store import View

    view = View.open(None)
    for collection in (state.jobs.values(), state.open_by_id.values()):
        for one in collection:
            one.is_dirty = False
    loaded = View.open(None)
    view.close()
    state.changes.jobs = [job for job in state.jobs.values() if job.ended_ms is None]
    for job in state.changes.jobs:
        job.is_stored = False
    state.changes.pairs = list(state.pairs.values())
    state.changes.alerts = list(state.open_by_id.values())
    state.changes.checks = dict(state.checks)
    state.changes.groups = dict(state.groups)
    state.changes.deliveries = list(state.outbox.values())
    state.changes.is_watch_dirty = True
    loaded.flush(state, b"")
    loaded.note_alive(state.alive_ms)
    fresh = loaded.load_state()
    fresh.deliveries_total = state.deliveries_total
    loaded.close()
    return fresh


def watching_of(state: State) -> dict[str, Any]:
    """All that watching has come to: checks, alerts, groups, the outbox; comparable."""
    return {
        "checks": {task: _plain(check) for task, check in state.checks.items()},
        "alerts": {alert_id: _plain(alert) for alert_id, alert in state.open_by_id.items()},
        "groups": {key: _plain(group) for key, group in state.groups.items()},
        "outbox": {key: _plain(delivery) for key, delivery in state.outbox.items()},
        "gaps": list(state.gaps),
        "silences": sorted(state.silences),
        "statuses": {job.job_id: job.status for job in state.jobs.values() if job.ended_ms is None},
        "unconfirmed": dict(state.unconfirmed),
    }


def _plain(thing: Any) -> Any:
    plain = msgspec.to_builtins(thing)
    plain.pop("is_dirty", None)
    return plain
