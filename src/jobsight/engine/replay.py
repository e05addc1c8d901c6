"""
Rules over the recorded past: the reports of a log once more, with other checks, and what would have been told then.

The same `apply`, the same detectors and the same ticker as in a running monitor; only the clock is that of the record.
Nothing is written, nobody is told.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, cast

import msgspec
from msgspec import Struct

from jobsight.core.alert import PENDING, Alert
from jobsight.core.apply import apply, apply_internal
from jobsight.core.check import Expectation, Origin
from jobsight.core.decision import Reason
from jobsight.core.events import (
    AlertAcknowledged,
    AlertResolved,
    AnyReport,
    Batch,
    CheckRemoved,
    CheckSet,
    Event,
    InternalEvent,
    MaintenanceSet,
    MonitorBlind,
    MonitorTrouble,
    RetentionPassed,
    RoutingSet,
    SettingsChanged,
    SilenceEnded,
    SilenceSet,
)
from jobsight.core.job import Job
from jobsight.core.outbox import Delivery, NoticeKind
from jobsight.core.routing import Route
from jobsight.core.state import State, forget_changes
from jobsight.engine.recovery import jobs_named
from jobsight.engine.ticker import Ticker, is_of_ticker
from jobsight.engine.writer import FLUSH_EVENTS, FLUSH_MS

ENDED_KEPT: Final = 200_000
"""Ended jobs that are remembered, so that late and repeated reports of them are known; then the oldest are forgotten."""

OWN_PLACES_FROM: Final = 1 << 40
"""What the replay itself finds stands behind every place of the log."""

CHANNEL: Final = "(any)"
"""Stands in for a channel where the record knows none."""

AUTHOR: Final = "config"
PAGING: Final = frozenset({NoticeKind.TRIGGER, NoticeKind.REPEAT, NoticeKind.SUMMARY})
"""Kinds of notifications that call somebody."""


class Rules(Struct, frozen=True, kw_only=True):
    """
    What is to hold over the past.

    Attributes:
        checks: By task; they take the place of all that the configuration file, or anybody for these tasks, had set.
        routes: Who is told what; None as it was.
        retries_max: The node's retry limit; UNSET as it was.
    """

    checks: Mapping[str, Expectation] = {}
    routes: Sequence[Route] | None = None
    retries_max: int | None | msgspec.UnsetType = msgspec.UNSET


class Seed(Struct, frozen=True, kw_only=True):
    """What held when the log began, where its beginning is gone: checks by task, with who set them, channels, routes, limits."""

    checks: Mapping[str, tuple[Expectation, Origin]] = {}
    channels: Sequence[str] = ()
    routes: Sequence[Route] = ()
    retries_max: int | None = None


class Page(Struct, frozen=True, kw_only=True):
    """A notification that calls somebody: when it was decided on (ms UTC), for which channel, about what."""

    at_ms: int
    channel: str
    kind: str
    rule: str
    subject: str
    title: str


class Raised(Struct, frozen=True, kw_only=True):
    """An alert that was opened: by which rule, at what, when (ms UTC), and when it was over."""

    rule: str
    subject: str
    opened_ms: int
    resolved_ms: int | None
    text: str


class Replay:
    """
    Takes batches of a log in their order.

    Args:
        rules: What is to hold.
        seed: What held when the log began.
        began_ms: When that was, ms UTC.
    """

    def __init__(self, rules: Rules, seed: Seed, began_ms: int) -> None:
        self.state: Final = State(retries_max=seed.retries_max)
        self.pages: Final[list[Page]] = []
        self.forgotten = 0
        self.events = 0
        self.now_ms = began_ms
        self._rules: Final = rules
        self._alerts: Final[dict[str, Alert]] = {}
        self._ended: Final[OrderedDict[str, Job]] = OrderedDict()
        self._flush_due_ms: int | None = None
        self._own_place = OWN_PLACES_FROM
        self._away: Final[set[tuple[int, int]]] = set()
        self.ticker: Final = Ticker(self.state, self._say, lambda: self.now_ms)
        self._begin(seed)

    def take(self, batch: Batch, *, is_internal: bool) -> None:
        """
        The next batch of the record; until its time, whatever passes in between passes.

        Within its millisecond the order of the record holds: deadlines are looked at where the record shows that they were,
        and otherwise once everything that came in this millisecond is known.
        """
        self._come_to(batch.accept_ms)
        self.events += len(batch.events)
        if is_internal:
            self._take_internal(batch)
        else:
            self._apply(batch.seq, batch.accept_ms, batch.sources, batch.events, is_internal=False)

    def be_away(self, blind: MonitorBlind) -> None:
        """Nobody watched for a while, or the clock was set forward, as the record says: no deadline is looked at meanwhile."""
        self.run_until(max(self.now_ms, blind.from_ms))
        self._flush()
        self.now_ms = max(self.now_ms, blind.to_ms)
        self.ticker.pass_over(blind)
        self._away.add((blind.from_ms, blind.to_ms))

    def run_until(self, end_ms: int) -> None:
        """Time goes on to a moment, ms UTC, and what is due by then is done when it is due."""
        self._come_to(end_ms)
        while (due_ms := self._due_ms()) is not None and due_ms <= end_ms:
            self._look()

    def _come_to(self, at_ms: int) -> None:
        """Time goes on to a moment, ms UTC, and what is due before it is done when it is due."""
        if at_ms < self.now_ms:  # the clock was set back; the record says so itself
            self._flush()
        while (due_ms := self._due_ms()) is not None and due_ms < at_ms:
            self.now_ms = max(self.now_ms, due_ms)
            self._look()
        self.now_ms = self.state.alive_ms = at_ms  # a replay that does not look has not been away

    def _due_ms(self) -> int | None:
        """When there is something to do next, ms UTC; None for never."""
        tick_ms = self.ticker.due_ms()
        due_ms = [self._flush_due_ms, None if tick_ms is None else self.now_ms + tick_ms]
        return min((one_ms for one_ms in due_ms if one_ms is not None), default=None)

    def _look(self) -> None:
        """What a running monitor does when it wakes."""
        if self._flush_due_ms is not None and self._flush_due_ms <= self.now_ms:
            self._flush()
        self.ticker.tick()

    def alerts(self) -> list[Raised]:
        """Every alert that came to fire, the oldest first."""
        fired = [alert for alert in self._alerts.values() if has_fired(alert)]
        return [raised_of(alert) for alert in sorted(fired, key=lambda one: one.opened_ms)]

    def _begin(self, seed: Seed) -> None:
        rules = self._rules
        events: list[InternalEvent] = []
        if rules.retries_max is not msgspec.UNSET:
            events.append(self._settings(SettingsChanged(max_retries=None, author=AUTHOR)))
        events.append(self._routing(list(seed.channels), list(seed.routes)))
        for task, (expected, origin) in seed.checks.items():
            if task not in rules.checks and origin != Origin.CONFIG:
                events.append(CheckSet(task=task, expected=expected, origin=origin, author=AUTHOR))
        events += [
            CheckSet(task=task, expected=expected, origin=Origin.CONFIG, author=AUTHOR)
            for task, expected in rules.checks.items()
        ]
        self._say(events, lambda is_stored: None)

    def _take_internal(self, batch: Batch) -> None:
        """What the ticker has found stands in batches of its own, in the order in which they were said."""
        kept: list[InternalEvent] = []
        has_looked = False
        for event in cast("list[InternalEvent]", batch.events):
            if is_of_ticker(event):
                if not has_looked:
                    self._look()
                has_looked = True
            elif isinstance(event, MonitorBlind):
                if (event.from_ms, event.to_ms) not in self._away:
                    self.ticker.pass_over(event)
            elif (wanted := self._kept(event)) is not None:
                kept.append(wanted)
        if kept:
            self._apply(batch.seq, batch.accept_ms, [None] * len(kept), kept, is_internal=True)

    def _kept(self, event: InternalEvent) -> InternalEvent | None:
        """An event of the record as it holds here; None for what the rules find anew, or what is of no concern."""
        match event:
            case SettingsChanged():
                return self._settings(event)
            case RoutingSet():
                return self._routing(event.channels, event.routes)
            case CheckSet():
                return None if event.task in self._rules.checks or event.origin == Origin.CONFIG else event
            case CheckRemoved():
                return None if event.task in self._rules.checks else event
            case AlertAcknowledged() | AlertResolved():
                fingerprint = event.alert_id.rpartition("-")[0]
                alert = self.state.open_by_id.get(event.alert_id) or self.state.open_by_fingerprint.get(fingerprint)
                return None if alert is None else msgspec.structs.replace(event, alert_id=alert.alert_id)
            case SilenceSet() | SilenceEnded() | MaintenanceSet() | MonitorTrouble() | RetentionPassed():
                return event
            case _:
                return None

    def _settings(self, event: SettingsChanged) -> SettingsChanged:
        wanted = self._rules.retries_max
        return event if isinstance(wanted, msgspec.UnsetType) else msgspec.structs.replace(event, max_retries=wanted)

    def _routing(self, channels: list[str], routes: list[Route]) -> RoutingSet:
        wanted = self._rules.routes
        return RoutingSet(
            channels=channels or [CHANNEL], routes=routes if wanted is None else list(wanted), author=AUTHOR
        )

    def _say(self, events: list[InternalEvent], done: Callable[[bool], None]) -> None:
        """What the ticker sees stands in no log: it is applied at once."""
        self._own_place += 1
        self._apply(self._own_place, self.now_ms, [None] * len(events), events, is_internal=True)
        done(True)

    def _apply(
        self, seq: int, accept_ms: int, sources: list[str | None], events: Sequence[Event], *, is_internal: bool
    ) -> None:
        batch = Batch(seq=seq, accept_ms=accept_ms, sources=sources, events=list(events))
        self._fetch(batch, is_internal=is_internal)
        applied = apply_internal(self.state, batch) if is_internal else apply(self.state, batch)
        for alert in applied.alerts:
            self._alerts[alert.alert_id] = alert
        if self.state.fresh:
            self.pages.extend(page_of(one) for one in self.state.fresh if one.kind in PAGING)
            for one in self.state.fresh:
                self.state.outbox.pop(one.delivery_id, None)
            self.state.fresh.clear()
        if self._flush_due_ms is None:
            self._flush_due_ms = accept_ms + FLUSH_MS
        is_expected_anew = is_internal and any(isinstance(event, CheckSet) for event in events)
        if is_expected_anew or self.state.changes.events >= FLUSH_EVENTS:
            self._flush()

    def _fetch(self, batch: Batch, *, is_internal: bool) -> None:
        """Bring the ended jobs that these events concern back to mind."""
        if not self._ended:
            return
        if is_internal:
            named: Iterable[str] = jobs_named(batch)
        else:
            named = (report.job_id for report in cast("list[AnyReport]", batch.events))
        for job_id in named:
            job = self._ended.get(job_id)  # it stays: `apply` lets go of a job that a deadline has not changed
            if job is not None:
                self.state.jobs[job_id] = job

    def _flush(self) -> None:
        changes = self.state.changes
        self.ticker.register(changes)
        ended = [job for job in changes.jobs if job.ended_ms is not None]
        forget_changes(self.state)
        for job in ended:
            self._ended[job.job_id] = job
            self._ended.move_to_end(job.job_id)
        while len(self._ended) > ENDED_KEPT:
            job_id, _ = self._ended.popitem(last=False)
            self.forgotten += job_id not in self.state.jobs
        self._flush_due_ms = None


def page_of(delivery: Delivery) -> Page:
    """A notification as a page."""
    notice = delivery.notice
    return Page(
        at_ms=delivery.created_ms,
        channel=delivery.channel,
        kind=str(delivery.kind),
        rule=notice.rule or "(several)",
        subject=notice.task or notice.queue or "(none)",
        title=notice.title,
    )


def has_fired(alert: Alert) -> bool:
    """Whether an alert ever came to fire; one that stayed below its threshold did not."""
    if not alert.decisions:
        return alert.state != PENDING
    return any(one.reason not in (Reason.BELOW_THRESHOLD, Reason.RECOVERED_UNTOLD) for one in alert.decisions)


def raised_of(alert: Alert) -> Raised:
    """An alert as it is compared."""
    return Raised(
        rule=alert.rule,
        subject=alert.task or alert.queue or "(none)",
        opened_ms=alert.opened_ms,
        resolved_ms=alert.resolved_ms,
        text=alert.text or alert.last_error,
    )
