"""What a notification says of an alert, frozen at the moment of the decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from jobsight.core.alert import RESOLVED, RULE_JOB_FAILED, Alert, alert_text, error_kind
from jobsight.core.check import Severity
from jobsight.core.outbox import Notice, NoticeMember

MEMBERS_MAX: Final = 10
"""Alerts, or groups of alerts, that a summary names: the largest ones."""

ELSEWHERE_NAMED_MAX: Final = 5
"""Other places of the same error that a notification names."""

ERROR_CHARACTERS: Final = 1_024
"""How much of an error a notification carries."""


def title_of(alert: Alert) -> str:
    """What is wrong, in one sentence."""
    if alert.text:
        return alert.text
    if alert.rule == RULE_JOB_FAILED:
        return alert_text(alert.last_retries, alert.last_error)[:ERROR_CHARACTERS]
    return alert.last_error or alert.rule


def elsewhere(alert: Alert, others: Iterable[Alert]) -> list[str]:
    """The other tasks (or queues) at which an open alert is about the same kind of error, by name."""
    if alert.rule != RULE_JOB_FAILED or not alert.last_error:
        return []
    kind = error_kind(alert.last_error)
    found = {
        other.task or other.queue
        for other in others
        if other is not alert and other.rule == RULE_JOB_FAILED and error_kind(other.last_error) == kind
    }
    return sorted(name for name in found if name is not None and name not in (alert.task, alert.queue))


def notice_of(alert: Alert, at_ms: int, others: Sequence[str] = ()) -> Notice:
    """What is told of one alert; `others`: where its error was seen too."""
    is_over = alert.state == RESOLVED
    failures_in_row = alert.failures_in_row
    if failures_in_row is None and alert.rule == RULE_JOB_FAILED and alert.task is not None:
        failures_in_row = alert.count  # a success would have ended the episode
    return Notice(
        title=title_of(alert),
        at_ms=at_ms,
        severity=str(alert.severity),
        alert_id=alert.alert_id,
        rule=alert.rule,
        task=alert.task,
        queue=alert.queue,
        job_id=alert.last_job_id or None,
        error=alert.last_error[:ERROR_CHARACTERS] or None,
        last_success_ms=alert.last_success_ms,
        failures_in_row=failures_in_row,
        count=alert.count,
        opened_ms=alert.opened_ms,
        resolved_ms=alert.resolved_ms,
        downtime_ms=max(0, alert.resolved_ms - alert.opened_ms) if is_over and alert.resolved_ms is not None else None,
        first_error=alert.first_error[:ERROR_CHARACTERS] or None,
        last_error=alert.last_error[:ERROR_CHARACTERS] or None,
        elsewhere=tuple(others[:ELSEWHERE_NAMED_MAX]),
        elsewhere_count=len(others),
        acknowledged_by=alert.by,
        comment=alert.comment[:ERROR_CHARACTERS],
        owner=alert.owner,
        runbook_url=alert.runbook_url,
        labels=dict(alert.labels),
    )


def summary_of(name: str, alerts: Sequence[Alert], at_ms: int, groups: Mapping[str, str] | None = None) -> Notice:
    """
    What is told of several alerts at once.

    Args:
        name: What they have in common.
        alerts: All of them.
        at_ms: The moment, ms UTC.
        groups: In a storm, the group of each alert by its id: then the largest groups are named, not alerts.
    """
    is_critical = any(alert.severity == Severity.CRITICAL for alert in alerts)
    failures = sum(alert.count for alert in alerts)
    members = _alerts_named(alerts) if groups is None else _groups_named(alerts, groups)
    tasks = {alert.task for alert in alerts}
    queues = {alert.queue for alert in alerts}
    what = f"{len(alerts)} alerts" if groups is None else f"{len(alerts)} alerts in {len(members)} groups at once"
    return Notice(
        title=f"{what}: {name}" if groups is None else what,
        at_ms=at_ms,
        severity=str(Severity.CRITICAL if is_critical else Severity.WARNING),
        rule=alerts[0].rule if len({alert.rule for alert in alerts}) == 1 else None,
        task=next(iter(tasks)) if len(tasks) == 1 else None,
        queue=next(iter(queues)) if len(queues) == 1 else None,
        count=failures,
        opened_ms=min(alert.opened_ms for alert in alerts),
        members=tuple(members[:MEMBERS_MAX]),
        members_count=len(members),
    )


def _alerts_named(alerts: Sequence[Alert]) -> list[NoticeMember]:
    largest = sorted(alerts, key=lambda alert: (-alert.count, alert.opened_ms, alert.alert_id))
    return [
        NoticeMember(
            title=title_of(alert),
            severity=str(alert.severity),
            task=alert.task,
            queue=alert.queue,
            alert_id=alert.alert_id,
            count=alert.count,
        )
        for alert in largest
    ]


def _groups_named(alerts: Sequence[Alert], groups: Mapping[str, str]) -> list[NoticeMember]:
    counts: dict[str, int] = {}
    for alert in alerts:
        name = groups.get(alert.alert_id, alert.rule)
        counts[name] = counts.get(name, 0) + 1
    return [
        NoticeMember(title=name, count=count) for name, count in sorted(counts.items(), key=lambda it: (-it[1], it[0]))
    ]
