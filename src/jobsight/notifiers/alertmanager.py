"""Alertmanager, API v2. It forgets, so open alerts are told again and again, and resolved ones for a while."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from jobsight.notifiers.base import Making, Notification, NotificationKind, cleaned
from jobsight.notifiers.http_channel import HttpNotifier, PostOf, checked_url
from jobsight.notifiers.masking import Secret
from jobsight.notifiers.outgoing import Post, basic
from jobsight.notifiers.plain import rfc3339, web_url
from jobsight.notifiers.settings import HttpSettings
from jobsight.notifiers.templates import Texts, texts_of

REPOST_EVERY_MS: Final = 60_000
REPOST_RESOLVED_MS: Final = 5 * 60_000
FIRING_MS: Final = 5 * 60_000
"""An alert that is not told again for so long ends there. Source: Alertmanager's own `resolve_timeout`."""

WATCHDOG: Final = "Watchdog"
"""Name of the alert that always fires. Source: the rule of that name in kube-prometheus, which routes know."""

ALERTS_AT_ONCE: Final = 500
"""Alerts in one request."""

PATH: Final = "/api/v2/alerts"

_NAME: Final = re.compile(r"[^A-Za-z0-9_]")
_TAKEN: Final = frozenset({"alertname", "dedup_key", "task", "queue", "rule", "severity", "owner"})


class AlertmanagerSettings(HttpSettings, frozen=True, kw_only=True):
    """
    Attributes:
        url: Its address, without a path of the API: http://alertmanager:9093.
        username, password: For basic authentication.
        token: For a bearer token instead.
    """

    url: Secret
    username: Secret | None = None
    password: Secret | None = None
    token: Secret | None = None


class Alertmanager(HttpNotifier):
    """
    Posts one alert a notification; and, since Alertmanager forgets, all that holds once more when asked to.

    Args:
        post_all: From alerts as Alertmanager takes them to the request.
        further: As `HttpNotifier`.
    """

    def __init__(
        self,
        settings: AlertmanagerSettings,
        making: Making,
        *,
        post_of: PostOf,
        post_all: Callable[[Sequence[Mapping[str, Any]]], Post],
    ) -> None:
        super().__init__(
            settings, making, post_of=post_of, repost_every_ms=REPOST_EVERY_MS, repost_resolved_ms=REPOST_RESOLVED_MS
        )
        self._post_all = post_all
        self._source = making.source
        self._began_ms: int | None = None

    async def repost(self, notifications: Sequence[Notification], *, is_well: bool, now_ms: int) -> None:
        """
        Tell again what holds, in as few requests as may be; with it an alert that always fires while all is well, so that
        its absence can be noticed.

        Raises:
            DeliveryError: A request was not taken.
        """
        alerts = []
        if is_well:
            self._began_ms = now_ms if self._began_ms is None else min(self._began_ms, now_ms)
            alerts.append(watchdog(self._source, began_ms=self._began_ms, now_ms=now_ms))
        for notification in notifications:
            clean = cleaned(notification)
            alerts.append(alert_of(clean, await texts_of(self._templates, clean), now_ms=now_ms))
        for start in range(0, len(alerts), ALERTS_AT_ONCE):
            await self._client.send(self._post_all(alerts[start : start + ALERTS_AT_ONCE]), now_ms=now_ms)


def make(settings: AlertmanagerSettings, making: Making) -> HttpNotifier:
    """A channel that posts one alert a notification, and wants it told again every minute."""
    base = checked_url(settings.url, where=f"channels.{making.name}.url").reveal().rstrip("/")
    url = Secret(base if base.endswith(PATH) else base + PATH)
    headers: dict[str, Secret | str] = {"Content-Type": "application/json"}
    if settings.token is not None:
        headers["Authorization"] = Secret(f"Bearer {settings.token.reveal()}")
    elif settings.username is not None and settings.password is not None:
        headers["Authorization"] = Secret(basic(settings.username.reveal(), settings.password.reveal()))

    def post_all(alerts: Sequence[Mapping[str, Any]]) -> Post:
        return Post(url=url, body=msgspec.json.encode(alerts), headers=headers)

    def post_of(notification: Notification, texts: Texts, now_ms: int) -> Post:
        return post_all([alert_of(notification, texts, now_ms=now_ms)])

    return Alertmanager(settings, making, post_of=post_of, post_all=post_all)


def watchdog(source: str, *, began_ms: int, now_ms: int) -> dict[str, Any]:
    """The alert that always fires: while it does, this monitor is well and Alertmanager hears it."""
    return {
        "labels": {"alertname": WATCHDOG, "severity": "none", "source": source},
        "annotations": {
            "summary": "Jobsight is well. Route this alert to a dead-man's switch: it has to fire all the time."
        },
        "startsAt": rfc3339(began_ms),
        "endsAt": rfc3339(now_ms + FIRING_MS),
    }


def alert_of(notification: Notification, texts: Texts, *, now_ms: int) -> dict[str, Any]:
    """
    The alert. Its labels are its identity, so they are the same from trigger to resolve: the dedup key is one of them,
    which keeps a late resolve of one episode from ending the next.
    """
    labels = {
        **{_label_name(name): value for name, value in notification.labels.items()},
        "alertname": notification.rule or f"jobsight_{notification.kind}",
        "dedup_key": notification.dedup_key,
        "task": notification.task,
        "queue": notification.queue,
        "severity": notification.severity,
        "owner": notification.owner,
    }
    annotations = {
        "summary": texts.title,
        "description": texts.text,
        "runbook_url": web_url(notification.runbook_url),
        "acknowledge_url": web_url(notification.links.acknowledge),
        "silence_url": web_url(notification.links.silence),
        "acknowledged": "true" if notification.kind is NotificationKind.ACKNOWLEDGE else None,
    }
    opened_ms = notification.opened_ms if notification.opened_ms is not None else notification.at_ms
    is_over = notification.kind is NotificationKind.RESOLVE
    resolved_ms = notification.resolved_ms if notification.resolved_ms is not None else notification.at_ms
    ends_ms = min(max(resolved_ms, opened_ms), now_ms) if is_over else now_ms + FIRING_MS
    alert: dict[str, Any] = {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        # Alertmanager refuses an alert that ends before it starts.
        "startsAt": rfc3339(min(opened_ms, ends_ms)),
        "endsAt": rfc3339(ends_ms),
    }
    generator = web_url(notification.links.open)
    return {**alert, "generatorURL": generator} if generator else alert


def _label_name(name: str) -> str:
    plain = _NAME.sub("_", name)
    return f"label_{plain}" if plain in _TAKEN or not plain or plain[0].isdigit() else plain
