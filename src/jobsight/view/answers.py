"""What the view answers: plain values, named as on the wire. Times are milliseconds since the epoch, UTC."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from jobsight.core.outbox import Delivery
from jobsight.core.rollup import Rollup


class JobAnswer(Struct, frozen=True, kw_only=True, gc=False):
    """
    The latest state of a job.

    Attributes:
        progress: Percent.
        duration_ms: Of its latest completion; None when it was not told.
        updated_ms: Accept time of its latest event; `ended_ms` of its end, None while it is active.
        events: How many events it has had.
    """

    job_id: str
    status: str
    progress: float | None
    duration_ms: float | None
    resource_usage: dict[str, int | float | None] | None
    task: str | None
    queue: str | None
    host: str | None
    labels: dict[str, str] | None
    attempt: int | None
    retries: int | None
    max_retries: int | None
    error: str | None
    message: str | None
    created_ms: int
    started_ms: int | None
    updated_ms: int
    ended_ms: int | None
    events: int


class JobPage(Struct, frozen=True, kw_only=True):
    """
    Some jobs, the newest first.

    Attributes:
        cursor: Asks for the next page; None when this is the last. A page may be short, or empty, and still have a
            cursor: one call reads a bounded number of rows.
        count: Jobs that match in all, as the counters know it; None where they cannot tell (a filter by time).
        as_of_seq: The place in the log up to which the answer is true.
    """

    jobs: list[JobAnswer]
    cursor: str | None
    count: int | None
    as_of_seq: int


class FacetValue(Struct, frozen=True, kw_only=True, gc=False):
    """A status, task, queue or host (None: jobs without one), and how many of the counted jobs have it."""

    value: str | None
    count: int


class Facets(Struct, frozen=True, kw_only=True):
    """
    How many jobs match, and of what they are, as far as was counted.

    Attributes:
        count: Jobs that were counted, the newest ones.
        is_all: No other job matches; otherwise there may be more.
        status, task, queue, host: The most frequent values among those counted.
    """

    count: int
    is_all: bool
    status: list[FacetValue]
    task: list[FacetValue]
    queue: list[FacetValue]
    host: list[FacetValue]


class JobsFound(Struct, frozen=True, kw_only=True):
    """
    Some jobs that match a filter.

    Attributes:
        cursor: Asks for the next page; None when this is the last. A page may be short, or empty, and still have one.
        facets: On the first page only.
        searched_from_ms: The search has passed over the jobs first heard of since then, ms UTC; None: over all of them.
    """

    jobs: list[JobAnswer]
    cursor: str | None
    facets: Facets | None
    searched_from_ms: int | None
    as_of_seq: int


class Subject(Struct, frozen=True, kw_only=True, gc=False):
    """What jobs are about: where they stand, their task and queue, and the error of those without a task."""

    status: str
    task: str | None
    queue: str | None
    error: str | None


class JobsMet(Struct, frozen=True, kw_only=True):
    """
    What some jobs that match a filter are about, without the jobs themselves.

    Attributes:
        count: Jobs that were met.
        subjects: Each but once.
        lost: The ids of those that stand lost, the newest first.
        cursor: Goes on with the older ones; None where there are no others.
    """

    count: int
    subjects: list[Subject]
    lost: list[str]
    cursor: str | None


class AlertAnswer(Struct, frozen=True, kw_only=True, gc=False):
    """One episode of a problem; the attributes are those of `core.alert.Alert`."""

    alert_id: str
    fingerprint: str
    rule: str
    task: str | None
    queue: str | None
    state: str
    count: int
    jobs_failed: int
    first_error: str
    last_error: str
    first_job_id: str
    last_job_id: str
    last_retries: int
    opened_ms: int
    updated_ms: int
    resolved_ms: int | None
    reason: str | None
    severity: str | None = None
    text: str | None = None
    acknowledged_ms: int | None = None
    by: str | None = None
    comment: str | None = None


class Episode(Struct, frozen=True, array_like=True, gc=False):
    """An episode in short: what it is about, and from when until when (ms UTC; None: it is open)."""

    alert_id: str
    rule: str
    task: str | None
    queue: str | None
    opened_ms: int
    resolved_ms: int | None


class AlertPage(Struct, frozen=True, kw_only=True):
    """Some alerts, the newest first; `cursor` asks for the next page, None when this is the last."""

    alerts: list[AlertAnswer]
    cursor: str | None
    as_of_seq: int


class AlertDetail(AlertAnswer, frozen=True, kw_only=True, gc=False):
    """
    An episode with all that is known of it.

    Attributes:
        job_ids: Jobs at which a condition was found and holds still.
        told: Channel -> when it was last told, ms UTC.
        suppressed: Why nobody is told now: silence or inhibition.
    """

    labels: dict[str, str]
    owner: str | None
    runbook_url: str | None
    failures_in_row: int | None
    last_success_ms: int | None
    job_ids: list[str]
    told: dict[str, int]
    suppressed: str | None


class AlertFilter(Struct, frozen=True, kw_only=True):
    """Which alerts are wanted; None for all. `state` may be `open`. `since_ms`: changed since then, ms UTC."""

    state: str | None = None
    task: str | None = None
    rule: str | None = None
    severity: str | None = None
    queue: str | None = None
    since_ms: int | None = None


class AlertRows(Struct, frozen=True, kw_only=True):
    """Some alerts, the newest first; `cursor` asks for the next page, None when this is the last."""

    alerts: list[AlertDetail]
    cursor: str | None
    as_of_seq: int


class DeliveryRows(Struct, frozen=True, kw_only=True):
    """Some notifications, the newest first; `cursor` asks for the next page, None when this is the last."""

    deliveries: list[Delivery]
    cursor: str | None
    as_of_seq: int


class AuditAnswer(Struct, frozen=True, kw_only=True):
    """
    One action of somebody.

    Attributes:
        seq, index: Place of the event in the log.
        author: Who was let in: `token:<id>`, `local:<user>`, `config`; for alerts with the name that was given.
        action: What was done, the type of the event.
        subject: What it was done to: a task, an alert_id, a channel; empty for the monitor as a whole.
        detail: The rest of the event.
    """

    seq: int
    index: int
    at_ms: int
    author: str
    action: str
    subject: str
    detail: dict[str, Any]


class AuditPage(Struct, frozen=True, kw_only=True):
    """Some actions, the newest first; `cursor` asks for the next page, None when this is the last."""

    entries: list[AuditAnswer]
    cursor: str | None
    as_of_seq: int


class SeriesPoint(Struct, frozen=True, kw_only=True):
    """What ended within the bucket that starts at `bucket_ms`."""

    bucket_ms: int
    rollup: Rollup


class Applied(Struct, frozen=True, kw_only=True):
    """
    Up to where the view is true: the log's identity, the place in it, the checksum there.

    `jobs_total` counts the jobs ever seen, `retained` those that are still stored.
    """

    log_id: str | None
    applied_seq: int
    checksum: bytes
    jobs_total: int
    retained: int


class MeasureSummary(Struct, frozen=True, kw_only=True, gc=False):
    """Mean and maximum of one measure of resource usage over `count` completions, in the measure's own unit."""

    count: int
    mean: float
    max: float


class Summary(Struct, frozen=True, kw_only=True):
    """
    What ended within a range of time.

    Attributes:
        ends: Terminal status -> ends, as they happened (a reopened job that ends again counts again).
        p50_ms, p95_ms, p99_ms: Durations, within `histogram.RELATIVE_ERROR_MAX`; None without any.
        max_ms: The longest duration, exact.
        failure_rate: Failed ends among those that completed, failed or were lost (lost counts as failed); None without any.
        throughput_per_s: Ends a second.
    """

    ends: dict[str, int]
    avg_duration_ms: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    failure_rate: float | None
    throughput_per_s: float
    resource_usage: dict[str, MeasureSummary]
