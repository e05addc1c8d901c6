"""What `apply` works on: the jobs in memory, the counters, the open alerts, and what has changed since the last flush."""

from __future__ import annotations

from msgspec import Struct, field

from jobsight.core.alert import Alert
from jobsight.core.job import Job
from jobsight.core.limits import SILENCE_MS
from jobsight.core.rollup import Rollup, RollupKey
from jobsight.core.statistics import Counters, PairCounters
from jobsight.core.tokens import Token


class Changes(Struct, kw_only=True):
    """
    What differs from the view: the last state of each thing that changed.

    `rollups` are additions of the finest width, not whole buckets.
    """

    jobs: list[Job] = field(default_factory=list)
    pairs: list[PairCounters] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    rollups: dict[RollupKey, Rollup] = field(default_factory=dict)
    events: int = 0


class State(Struct, kw_only=True):
    """
    The state of the monitor after `applied_seq`.

    Attributes:
        applied_seq: The last batch that was applied; 0 for none.
        jobs_total: Jobs ever seen; also the number of the newest.
        jobs: By job_id: all active jobs, the ended ones that are not flushed yet, and those fetched for the batch at hand.
        counters: Over all jobs; `pairs` the same by (task, queue).
        open_by_fingerprint: Alerts that are not resolved; `open_by_id` the same by alert_id.
        retries_max: The node's retry limit, as the log says; None for none.
        silence_ms: After so long without a word an active job is called lost, quietly.
        tokens: By token_id: every token that was ever created, the revoked ones too.
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
    retries_max: int | None = None
    silence_ms: int = SILENCE_MS
    tokens: dict[str, Token] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)


def forget_changes(state: State) -> None:
    """The changes are stored now: begin anew. Jobs that have ended leave the memory; the view answers for them from here on."""
    changes = state.changes
    state.changes = Changes()
    for job in changes.jobs:
        job.is_dirty = False
        job.is_stored = True
        job.events_stored += len(job.refs)
        del job.refs[:]
        if job.ended_ms is not None:
            state.jobs.pop(job.job_id, None)
    for pair in changes.pairs:
        pair.is_dirty = False
    for alert in changes.alerts:
        alert.is_dirty = False
    for token in changes.tokens:
        token.is_dirty = False
