"""Figures of alerts and of telling people: what fires, what waits, what was taken, how late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from msgspec import Struct
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from jobsight.core.alert import FIRING
from jobsight.core.outbox import DeliveryState
from jobsight.core.state import State
from jobsight.engine.instruments import DELIVERY_BOUNDS_S, LATE_BOUNDS_S, Instruments
from jobsight.transports.http.buckets import cumulative


class Telling(Struct, frozen=True, kw_only=True):
    """
    As of one moment.

    Attributes:
        firing: By rule and severity. `checks`: of tasks; `silences`: that hold or are to come.
        waiting: Notifications by channel; `oldest_seconds`: how long the oldest has waited, 0 for none.
        deliveries: Tries by channel and outcome, since the start; for the rest see `Instruments`.
        is_well: Nothing is wrong with the monitor itself.
    """

    firing: dict[tuple[str, str], int]
    checks: int
    silences: int
    waiting: dict[str, int]
    oldest_seconds: float
    deliveries: dict[tuple[str, str], int]
    delivery_counts: dict[str, list[int]]
    delivery_seconds: dict[str, float]
    late_counts: list[int]
    late_seconds: float
    is_well: bool


def telling(state: State, own: Instruments, now_ms: int) -> Telling:
    """The figures of this moment (ms UTC); on the loop's thread."""
    waiting = dict.fromkeys(state.routing.channels, 0)
    oldest_ms = now_ms
    for one in state.outbox.values():
        if one.state == DeliveryState.WAITING:
            waiting[one.channel] = waiting.get(one.channel, 0) + 1
            oldest_ms = min(oldest_ms, one.created_ms)
    firing = Counter((one.rule, str(one.severity)) for one in state.open_by_id.values() if one.state == FIRING)
    return Telling(
        firing=dict(firing),
        checks=len(state.checks),
        silences=len(state.silences),
        waiting=waiting,
        oldest_seconds=(now_ms - oldest_ms) / 1000,
        deliveries=dict(own.deliveries),
        delivery_counts={channel: list(counts) for channel, counts in own.delivery_counts.items()},
        delivery_seconds=dict(own.delivery_seconds),
        late_counts=list(own.late_counts),
        late_seconds=own.late_seconds,
        is_well=not own.faults(),
    )


def telling_metrics(now: Telling) -> Iterator[Metric]:
    """The same, as the library writes it."""
    firing = GaugeMetricFamily("jobsight_alerts_firing", "Alerts that fire.", labels=["rule", "severity"])
    for (rule, severity), count in sorted(now.firing.items()):
        firing.add_metric([rule, severity], count)
    outbox = GaugeMetricFamily("jobsight_outbox", "Notifications that wait for delivery.", labels=["channel"])
    for channel, count in sorted(now.waiting.items()):
        outbox.add_metric([channel], count)
    tries = CounterMetricFamily(
        "jobsight_deliveries", "Tries of notifications since the start.", labels=["channel", "outcome"]
    )
    for (channel, outcome), count in sorted(now.deliveries.items()):
        tries.add_metric([channel, outcome], count)
    took = HistogramMetricFamily(
        "jobsight_delivery_seconds", "From the decision to the channel's yes, since the start.", labels=["channel"]
    )
    for channel, counts in sorted(now.delivery_counts.items()):
        took.add_metric([channel], cumulative(DELIVERY_BOUNDS_S, counts), now.delivery_seconds[channel])
    late = HistogramMetricFamily("jobsight_deadline_lateness_seconds", "How late passed deadlines were seen.")
    late.add_metric([], cumulative(LATE_BOUNDS_S, now.late_counts), now.late_seconds)
    yield from (firing, outbox, tries, took, late)
    oldest = "How long the oldest notification has waited; 0 for none."
    yield GaugeMetricFamily("jobsight_outbox_oldest_seconds", oldest, value=now.oldest_seconds)
    yield GaugeMetricFamily("jobsight_checks", "Tasks of which something is expected.", value=now.checks)
    yield GaugeMetricFamily("jobsight_silences", "Silences that hold or are to come.", value=now.silences)
    yield GaugeMetricFamily(
        "jobsight_well", "1 while nothing is wrong with the monitor itself.", value=int(now.is_well)
    )
