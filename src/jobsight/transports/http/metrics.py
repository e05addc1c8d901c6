"""`GET /metrics`: figures for Prometheus, written by its own library from a snapshot, off the loop's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import override

from jobsight import __version__
from jobsight.core.limits import OTHER
from jobsight.core.state import State
from jobsight.core.statistics import NAMED_STATUSES
from jobsight.core.tokens import TokenScope
from jobsight.engine.instruments import COMMIT_BOUNDS_S, Instruments
from jobsight.engine.recent import DURATION_BOUNDS_S, Recent, TaskFigures
from jobsight.transports.http import parameters
from jobsight.transports.http.asking import Asking, Source
from jobsight.transports.http.buckets import cumulative
from jobsight.transports.http.metrics_of_alerts import Telling, telling, telling_metrics
from jobsight.transports.http.routes import Endpoint

PATH: Final = "/metrics"

TASKS_MAX: Final = 1_000
"""Tasks with series of their own: those that ended something last."""

WORDS_MAX: Final = 50
"""Status words without a meaning of their own that have a series each; the jobs of further ones are counted under `OTHER`."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """Everything that is exposed, as of one moment."""

    statuses: dict[str, int]
    alerts: dict[str, int]
    tasks: list[tuple[str, TaskFigures]]
    tasks_left_out: int
    reports: int
    events: int
    pings: int
    refused: dict[str, int]
    commits: int
    failed_commits: int
    commit_counts: list[int]
    commit_seconds: float
    view_lag: int
    log_bytes: int
    telling: Telling


class Metrics:
    """
    The figures of this monitor.

    Args:
        state, instruments, recent: Where they are; read on the loop's thread.
        asking: Whose threads write them out.
        clock_ms: Wall time, ms since the epoch, UTC.
        expires_ms: A task that ended nothing for so long has no series any more.
    """

    def __init__(
        self,
        *,
        state: State,
        instruments: Instruments,
        recent: Recent,
        asking: Asking,
        clock_ms: Callable[[], int],
        expires_ms: int,
    ) -> None:
        self._state = state
        self._instruments = instruments
        self._recent = recent
        self._asking = asking
        self._clock_ms = clock_ms
        self._expires_ms = expires_ms

    def endpoint(self) -> Endpoint:
        """The route."""
        return Endpoint(method="GET", path=PATH, needs=TokenScope.READ, handle=self.handle)

    async def handle(self, request: Request) -> Response:
        """Answer one scrape."""
        parameters.read(request.query_params.multi_items(), parameters.NoParameters)
        snapshot = self.snapshot()
        encode, kind = choose_encoder(request.headers.get("accept", ""))

        def write(source: Source) -> bytes:
            registry = CollectorRegistry(auto_describe=False)
            registry.register(_Snapshots(replace(snapshot, log_bytes=source.log_bytes())))
            ProcessCollector(registry=registry)
            return encode(registry)

        body = await self._asking.ask(write)
        return Response(body, headers={"content-type": kind, "cache-control": "no-store"})

    def snapshot(self) -> Snapshot:
        """The figures of this moment; the size of the log is still to be filled in."""
        state, own = self._state, self._instruments
        alerts: dict[str, int] = {"firing": 0, "acknowledged": 0}
        for alert in state.open_by_id.values():
            alerts[alert.state] = alerts.get(alert.state, 0) + 1
        oldest_ms = self._clock_ms() - self._expires_ms
        alive = [(name, one) for name, one in self._recent.tasks.items() if one.heard_ms >= oldest_ms]
        alive.sort(key=lambda found: found[1].heard_ms, reverse=True)
        return Snapshot(
            statuses=_statuses(state.counters.statuses),
            alerts=alerts,
            tasks=[
                (name, replace(one, ends=dict(one.ends), duration_counts=list(one.duration_counts)))
                for name, one in alive[:TASKS_MAX]
            ],
            tasks_left_out=len(self._recent.tasks) - len(alive[:TASKS_MAX]),
            reports=own.reports,
            events=own.events,
            pings=own.pings,
            refused=dict(own.refused),
            commits=own.commits,
            failed_commits=own.failed_commits,
            commit_counts=list(own.commit_counts),
            commit_seconds=own.commit_seconds,
            view_lag=state.changes.events,
            log_bytes=0,
            telling=telling(state, own, self._clock_ms()),
        )


class _Snapshots(Collector):
    """Hands a snapshot to the library."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    @override
    def collect(self) -> Iterator[Metric]:
        yield from _monitor(self._snapshot)
        yield from _jobs(self._snapshot)
        yield from telling_metrics(self._snapshot.telling)


def _monitor(now: Snapshot) -> Iterator[Metric]:
    build = GaugeMetricFamily("jobsight_build_info", "The version; always 1.", labels=["version"])
    build.add_metric([__version__], 1)
    yield build
    yield CounterMetricFamily("jobsight_reports", "Reports stored since the start.", value=now.reports)
    yield CounterMetricFamily("jobsight_monitor_events", "Events of the monitor itself since the start.", now.events)
    yield CounterMetricFamily("jobsight_pings", "Pings taken since the start.", value=now.pings)
    rejected = CounterMetricFamily(
        "jobsight_rejected", "Lines and requests not taken, since the start.", labels=["reason"]
    )
    for reason, count in sorted(now.refused.items()):
        rejected.add_metric([reason], count)
    yield rejected
    yield CounterMetricFamily("jobsight_commits", "Batches made durable since the start.", value=now.commits)
    yield CounterMetricFamily("jobsight_commit_failures", "Batches that could not be.", value=now.failed_commits)
    commit = HistogramMetricFamily("jobsight_commit_seconds", "How long a batch took to be durable.")
    commit.add_metric([], cumulative(COMMIT_BOUNDS_S, now.commit_counts), now.commit_seconds)
    yield commit
    yield GaugeMetricFamily("jobsight_view_lag_events", "Events that the view does not show yet.", value=now.view_lag)
    yield GaugeMetricFamily("jobsight_log_bytes", "What the log takes on the disk.", value=now.log_bytes)
    left_out = "Tasks without series of their own: nothing ended lately, or there are too many."
    yield GaugeMetricFamily("jobsight_tasks_left_out", left_out, value=now.tasks_left_out)


def _jobs(now: Snapshot) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("jobsight_jobs", "Jobs by the status in which they stand.", labels=["status"])
    for status, count in sorted(now.statuses.items()):
        jobs.add_metric([status], count)
    alerts = GaugeMetricFamily("jobsight_alerts", "Open alerts by their state.", labels=["state"])
    for state, count in sorted(now.alerts.items()):
        alerts.add_metric([state], count)
    ends = CounterMetricFamily("jobsight_ends", "Ends since the start, as they happened.", labels=["task", "status"])
    durations = HistogramMetricFamily(
        "jobsight_duration_seconds", "How long completed jobs took, since the start.", labels=["task"]
    )
    last_end = GaugeMetricFamily("jobsight_last_end_timestamp_seconds", "When a job last ended.", labels=["task"])
    success = "When a job last completed."
    last_success = GaugeMetricFamily("jobsight_last_success_timestamp_seconds", success, labels=["task"])
    for task, figures in now.tasks:
        for status, count in sorted(figures.ends.items()):
            ends.add_metric([task, status], count)
        if any(figures.duration_counts):
            buckets = cumulative(DURATION_BOUNDS_S, figures.duration_counts)
            durations.add_metric([task], buckets, figures.duration_sum_us / 1e6)
        if figures.last_end_ms is not None:
            last_end.add_metric([task], figures.last_end_ms / 1000)
        if figures.last_success_ms is not None:
            last_success.add_metric([task], figures.last_success_ms / 1000)
    yield from (jobs, alerts, ends, durations, last_end, last_success)


def _statuses(counted: Mapping[str, int]) -> dict[str, int]:
    """Jobs by status: the words with a meaning, and those of the others in which most jobs stand."""
    found = {word: counted.get(word, 0) for word in NAMED_STATUSES}
    others = sorted((word for word in counted if word not in found and counted[word]), key=lambda word: -counted[word])
    for place, word in enumerate(others):
        name = word if place < WORDS_MAX else OTHER
        found[name] = found.get(name, 0) + counted[word]
    return found
