"""The reference, the alert rules and the dashboard speak of metrics that there are, with labels that they have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from jobsight.core.alert import Alert
from jobsight.core.outbox import DeliveryState
from jobsight.core.state import State
from jobsight.engine.instruments import Instruments
from jobsight.engine.recent import Recent
from jobsight.transports.http.asking import Asking, Source
from jobsight.transports.http.metrics import Metrics, _Snapshots

ROOT = Path(__file__).resolve().parent.parent.parent
RULES = ROOT / "examples" / "prometheus" / "jobsight.rules.yml"
DASHBOARD = ROOT / "examples" / "grafana" / "jobsight.json"
REFERENCE = ROOT / "docs" / "reference" / "metrics.md"
ROW = re.compile(r"^\| `(jobsight_\w+)` \| (.*?) \|", re.MULTILINE)
USED = re.compile(r"(jobsight_\w+)(?:\{([^}]*)\})?")


def nothing() -> Source:
    """No snapshot asks the view."""
    raise AssertionError


def families() -> list[Metric]:
    """All that a monitor exposes that has one of everything."""
    recent, own, state = Recent(), Instruments(), State()
    recent.restore("t", 1_000, "completed", 1_000)
    recent.figures("t").duration_counts[0] = 1
    recent.figures("t").ends["completed"] = 1
    own.count_refused("http_400")
    own.count_delivery("mail", DeliveryState.DELIVERED, 0.3)
    state.routing.channels.append("mail")
    state.open_by_id["a"] = Alert(alert_id="a", fingerprint="f", rule="missed", task="t", queue=None, state="firing")
    metrics = Metrics(
        state=state, instruments=own, recent=recent, asking=Asking(nothing), clock_ms=lambda: 2_000, expires_ms=60_000
    )
    return list(_Snapshots(metrics.snapshot()).collect())


def labels_of() -> dict[str, set[str]]:
    """Every metric by the name under which it is documented -> its labels."""
    found = {}
    for family in families():
        is_counter = family.type == "counter"
        labels = {name for sample in family.samples for name in sample.labels} - {"le"}
        found[family.name + ("_total" if is_counter else "")] = labels
    return found


def histograms() -> set[str]:
    """Those of them with buckets."""
    return {family.name for family in families() if isinstance(family, HistogramMetricFamily)}


def wrong_uses(text: str) -> list[str]:
    """Uses of metrics that there are not, or with labels that they have not."""
    known, found = labels_of(), []
    for name, matchers in USED.findall(text):
        base = re.sub(r"_(bucket|sum|count)$", "", name) if name not in known else name
        is_part = base == name or base in histograms()
        wanted = set(re.findall(r"(\w+)\s*(?:=|!=|=~|!~)", matchers))
        if base not in known or not is_part or not wanted <= known[base] | {"le"}:
            found.append(f"{name}{{{matchers}}}")
    return found


def expressions(dashboard: dict[str, Any]) -> list[str]:
    """Every query of a dashboard."""
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_every_metric_is_described_with_its_labels_and_no_other() -> None:
    """docs/reference/metrics.md and `/metrics` say the same."""
    described = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in ROW.findall(REFERENCE.read_text())}

    assert labels_of() == described


def test_the_alert_rules_ask_for_metrics_that_there_are() -> None:
    """A rule over a metric that is misspelt never fires, and nobody notices."""
    text = RULES.read_text()
    expressions_there = re.findall(r"expr: (.+)", text)

    assert [] == wrong_uses("\n".join(expressions_there))
    assert len(expressions_there) == len(re.findall(r"- alert: Jobsight\w+", text)) >= 10
    assert len(re.findall(r"severity: (critical|warning)\}", text)) == len(expressions_there)


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    """Every panel has a query of ours, a title, and a place that no other panel takes."""
    dashboard = json.loads(DASHBOARD.read_text())
    places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]

    assert [] == wrong_uses("\n".join(expressions(dashboard)))
    assert all("jobsight" in one or "process_" in one for one in expressions(dashboard))
    assert len(places) == len(set(places)) == len({panel["title"] for panel in dashboard["panels"]})


def test_a_wrong_use_is_seen() -> None:
    """A name, a label or a bucket that there is not."""
    wrong = "jobsight_jobz jobsight_jobs{state='x'} jobsight_jobs_bucket jobsight_commit_seconds_bucket{le='1'}"

    assert ["jobsight_jobz{}", "jobsight_jobs{state='x'}", "jobsight_jobs_bucket{}"] == wrong_uses(wrong)
