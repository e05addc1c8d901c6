"""A check: what is expected of a task, and what is known of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct, field

START_GRACE_MS: Final = 5 * 60_000
"""A run must start within this after its slot, unless set otherwise."""

EARLY_MARGIN_MS: Final = 60_000
"""A run this much before its slot counts for that slot, unless set otherwise."""

HEARTBEAT_GRACE_MS_MIN: Final = 30_000
"""Added to a heartbeat interval before its absence means something; half the interval where that is more."""

OVERDUE_UNTIL_LOST: Final = 3
"""After so many intervals without a word a job is lost."""

RUNS_ACTIVE_MAX: Final = 1_000
"""Active runs of one task that are watched one by one."""

RUNS_KEPT: Final = 100
"""Ended runs of a task from which is learned."""

RUNS_LEARNED_MIN: Final = 20
"""Below so many known runs only explicit limits act."""

SLOTS_KEPT: Final = 64
"""Missed slots that are remembered, so that a late report can take them back."""

STARTS_KEPT: Final = 64
"""Starts that are remembered until their slots are judged."""

SLOTS_COUNTED_MAX: Final = 1_000
"""Slots that are counted one by one after a long time; there may be more."""


class Severity(StrEnum):
    """How bad it is: critical is repeated until somebody acknowledges it, a warning is told once."""

    WARNING = "warning"
    CRITICAL = "critical"


class Origin(StrEnum):
    """Who has defined a check; a report may not change what the config file or the API says."""

    CONFIG = "config"
    API = "api"
    REPORT = "report"


class Bounds(Struct, frozen=True, kw_only=True):
    """Within which a measure of a completed run has to lie; None for no bound. In the measure's own unit."""

    min: float | None = None
    max: float | None = None


class Expectation(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    What is expected of a task. Lengths of time in milliseconds; None: not expected.

    Attributes:
        schedule: When it starts, see `core.schedule`; `tz` is the IANA zone in which that is read.
        start_grace_ms: A run must start within this after its slot.
        early_margin_ms: A run this much before its slot counts for that slot.
        finish_by_ms: A run must end within this after its slot; `max_runtime_ms`: and run no longer than this.
        heartbeat_ms: A running job must be heard at least this often.
        stall_after_ms: The progress of a running job must reach a new maximum within this.
        min_runtime_ms: A run that is done sooner is suspicious.
        measures: So is one whose measure lies outside of these bounds.
        max_retries: The retry limit of its jobs.
        failure_threshold: Failures in a row that open an alert; `recovery_threshold`: successes in a row that close it.
        failure_rate_max: The share of failed runs (0 to 1) above which the task as a whole is in trouble.
        depends_on: While an alert of one of these tasks fires, those of this one are not told.
    """

    schedule: str | None = None
    tz: str = "UTC"
    start_grace_ms: int = START_GRACE_MS
    early_margin_ms: int = EARLY_MARGIN_MS
    finish_by_ms: int | None = None
    max_runtime_ms: int | None = None
    heartbeat_ms: int | None = None
    stall_after_ms: int | None = None
    min_runtime_ms: int | None = None
    measures: Mapping[str, Bounds] = field(default_factory=dict)
    max_retries: int | None = None
    failure_threshold: int = 1
    recovery_threshold: int = 1
    failure_rate_max: float | None = None
    severity: Severity = Severity.CRITICAL
    labels: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    runbook_url: str | None = None
    depends_on: tuple[str, ...] = ()


class Run(Struct, kw_only=True, gc=False):
    """
    An active job of a task with a check.

    Attributes:
        started_ms: When it began, by its own report; ms UTC.
        slot_ms: The slot that it belongs to, if any.
        fired: Rules that have found something in this run, and on which fact: none fires twice on the same one.
    """

    job_id: str
    started_ms: int
    slot_ms: int | None = None
    fired: dict[str, int] = field(default_factory=dict)


class EndedRun(Struct, kw_only=True, array_like=True, gc=False):
    """A run that is over; its number among all ends of the task counts from 1. `duration_ms` None: not told."""

    number: int
    job_id: str
    is_success: bool
    ended_ms: int
    duration_ms: int | None = None
    out_of_bounds: str | None = None


class Check(Struct, kw_only=True, gc=False):
    """
    The expectation of a task and the state of its runs. Mutable, and only `apply` changes it; what most of 100,000
    checks have nothing of is a tuple, as an empty one takes no room.

    Attributes:
        revision: Place in the log of the event that set it: a deadline belongs to one revision.
        since_ms: When it was set; no slot before is expected.
        slot_ms: The slot that is waited for, or whose grace still runs; None until it is planned, or without a schedule.
        judged_ms: The last slot that was judged, met or missed.
        last_start_ms, last_end_ms, last_success_ms: Of any run, ms UTC; None for never.
        starts: Of runs that no slot has taken yet, ms UTC.
        missed: Slots that passed without a start and were not taken back, the last ones of them.
        missed_in_row: Since the last start.
        failures_in_row, successes_in_row: Of ended runs.
        runs: Active ones by job_id; `ended` the last ended ones; `ends` counts all, `judged_ends` those that were looked at.
    """

    task: str
    expected: Expectation
    origin: Origin
    author: str
    revision: int
    since_ms: int
    slot_ms: int | None = None
    judged_ms: int | None = None
    last_start_ms: int | None = None
    last_end_ms: int | None = None
    last_success_ms: int | None = None
    starts: tuple[int, ...] = ()
    missed: tuple[int, ...] = ()
    missed_in_row: int = 0
    failures_in_row: int = 0
    successes_in_row: int = 0
    runs: dict[str, Run] = field(default_factory=dict)
    ended: tuple[EndedRun, ...] = ()
    ends: int = 0
    judged_ends: int = 0
    is_dirty: bool = False


def heartbeat_span_ms(expected: Expectation) -> int | None:
    """How long a running job may be silent: the heartbeat interval and its grace; None where none is expected."""
    if expected.heartbeat_ms is None:
        return None
    return expected.heartbeat_ms + max(HEARTBEAT_GRACE_MS_MIN, expected.heartbeat_ms // 2)


def start_deadline_ms(check: Check, slot_ms: int) -> int:
    """The last moment at which a run of a slot may start, ms UTC."""
    return slot_ms + check.expected.start_grace_ms


def is_start_of(check: Check, slot_ms: int, started_ms: int) -> bool:
    """Whether a start lies within what belongs to a slot."""
    return slot_ms - check.expected.early_margin_ms <= started_ms <= start_deadline_ms(check, slot_ms)
