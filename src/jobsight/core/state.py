"""What `apply` works on: the jobs in memory, the counters, the open alerts, and what has changed since the last flush."""

from __future__ import annotations

from msgspec import Struct, field

from jobsight.core.alert import Alert
from jobsight.core.audit import AuditEntry
from jobsight.core.check import Check
from jobsight.core.flapping import Flap
from jobsight.core.gaps import Gap
from jobsight.core.groups import ChannelPace, Group
from jobsight.core.job import Job
from jobsight.core.kept import Kept
from jobsight.core.limits import SILENCE_MS, TASKS_MAX
from jobsight.core.outbox import Delivery, DeliveryState
from jobsight.core.ping_urls import PingUrl
from jobsight.core.rollup import Rollup, RollupKey
from jobsight.core.routing import Routing
from jobsight.core.silences import Maintenance, Silence
from jobsight.core.statistics import Counters, PairCounters
from jobsight.core.tokens import Token
from jobsight.core.users import User


class Changes(Struct, kw_only=True):
    """
    What differs from the view: the last state of each thing that changed.

    `rollups` are additions of the finest width, not whole buckets. `checks`, `groups` and `users` hold those that are gone too:
    they are stored if the state still has them. `gone`: numbers of jobs that are kept no longer, while the view does not
    know of their end yet. `is_watch_dirty`: routing, windows, silences or gaps differ. `is_set_back`: moments were brought
    nearer, so that deadlines may pass sooner than they did.
    """

    jobs: list[Job] = field(default_factory=list)
    pairs: list[PairCounters] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    rollups: dict[RollupKey, Rollup] = field(default_factory=dict)
    ping_urls: dict[str, PingUrl] = field(default_factory=dict)
    checks: dict[str, Check] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    users: dict[str, None] = field(default_factory=dict)
    tasks: list[str] = field(default_factory=list)
    is_bound_dirty: bool = False
    gone: set[int] = field(default_factory=set)
    audit: list[AuditEntry] = field(default_factory=list)
    is_watch_dirty: bool = False
    is_set_back: bool = False
    events: int = 0


class State(Struct, kw_only=True):
    """
    The state of the monitor after `applied_seq`.

    Attributes:
        applied_seq: The last batch that was applied; 0 for none.
        jobs_total: Jobs ever seen; also the number of the newest.
        jobs: By job_id: all active jobs, the ended ones that are not flushed yet, and those fetched for the batch at hand.
        counters: Over all jobs; `pairs` the same by (task, queue).
        open_by_fingerprint: Alerts that are not resolved; `open_by_id` the same by alert_id; `open_by_task` those about
            failed jobs by task; `open_without_task` counts those of jobs without one.
        retries_max: The node's retry limit, as the log says; None for none.
        silence_ms: After so long without a word an active job is called lost, quietly.
        tasks: Names that were admitted; `tasks_max` bounds them, `tasks_folded` counts how often one was not.
        kept: From when on ended jobs and roll-ups are kept.
        tokens: By token_id: every token that was ever created, the revoked ones too.
        users: By name, the operators who may sign in.
        ping_urls: By ping_id, the revoked ones too; `ping_secrets`: by secret, those that are good.
        checks: By task.
        unconfirmed: Jobs that say by a status word that they failed -> when that raises an alert, ms UTC, at the earliest.
        gaps: Times in which the monitor was blind, in their order.
        silences: By id, those that have not ended; `maintenance`: windows that make them.
        routing: Who is told what. `groups` by key, `paces` by channel: what was told, and what waits.
        inhibited: Alerts that are held back by those of other tasks.
        flaps: By fingerprint, problems that have lately come or gone.
        outbox: Notifications that wait for delivery, by delivery_id; `fresh`: those that nobody has taken over yet.
        alive_ms: When the monitor is known to have watched last, ms UTC; the ticker keeps it, as the log knows only when
            something happened. 0 for unknown.
        changes: What was not flushed yet.
    """

    applied_seq: int = 0
    jobs_total: int = 0
    jobs: dict[str, Job] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)
    pairs: dict[tuple[str | None, str | None], PairCounters] = field(default_factory=dict)
    open_by_fingerprint: dict[str, Alert] = field(default_factory=dict)
    open_by_id: dict[str, Alert] = field(default_factory=dict)
    open_by_task: dict[str, Alert] = field(default_factory=dict)
    open_without_task: int = 0
    retries_max: int | None = None
    silence_ms: int = SILENCE_MS
    tasks: set[str] = field(default_factory=set)
    tasks_max: int = TASKS_MAX
    tasks_folded: int = 0
    kept: Kept = Kept()
    tokens: dict[str, Token] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    ping_urls: dict[str, PingUrl] = field(default_factory=dict)
    ping_secrets: dict[str, PingUrl] = field(default_factory=dict)
    checks: dict[str, Check] = field(default_factory=dict)
    unconfirmed: dict[str, int] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    silences: dict[str, Silence] = field(default_factory=dict)
    maintenance: dict[str, Maintenance] = field(default_factory=dict)
    routing: Routing = field(default_factory=Routing)
    groups: dict[str, Group] = field(default_factory=dict)
    paces: dict[str, ChannelPace] = field(default_factory=dict)
    inhibited: dict[str, None] = field(default_factory=dict)
    flaps: dict[str, Flap] = field(default_factory=dict)
    outbox: dict[str, Delivery] = field(default_factory=dict)
    deliveries_total: int = 0
    fresh: list[Delivery] = field(default_factory=list)
    alive_ms: int = 0
    changes: Changes = field(default_factory=Changes)


def forget_changes(state: State) -> None:
    """The changes are stored now: begin anew. Jobs that have ended leave the memory; the view answers for them from here on."""
    changes = state.changes
    state.changes = Changes()
    for job in changes.jobs:
        job.is_dirty = job.is_renamed = False
        job.is_stored = True
        job.events_stored += len(job.refs)
        del job.refs[:]
        if job.ended_ms is not None and state.jobs.get(job.job_id) is job:
            del state.jobs[job.job_id]
    for pair in changes.pairs:
        pair.is_dirty = False
    for alert in changes.alerts:
        alert.is_dirty = False
    for token in changes.tokens:
        token.is_dirty = False
    for check in changes.checks.values():
        check.is_dirty = False
    for group in changes.groups.values():
        group.is_dirty = False
    for delivery in changes.deliveries:
        delivery.is_dirty = False
        if delivery.state != DeliveryState.WAITING:
            state.outbox.pop(delivery.delivery_id, None)


def touch_alert(state: State, alert: Alert) -> None:
    """An alert has changed; it is stored with the next flush."""
    if not alert.is_dirty:
        alert.is_dirty = True
        state.changes.alerts.append(alert)


def touch_check(state: State, check: Check) -> None:
    """A check has changed; it is stored with the next flush."""
    if not check.is_dirty:
        check.is_dirty = True
        state.changes.checks[check.task] = check
