"""PagerDuty, Events API v2: an incident opens, is acknowledged and is resolved by the dedup key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from jobsight.errors import ConfigError
from jobsight.notifiers.base import Making, Notification, NotificationKind
from jobsight.notifiers.harmless import cut
from jobsight.notifiers.http_channel import HttpNotifier, checked_url
from jobsight.notifiers.masking import Secret
from jobsight.notifiers.outgoing import Post
from jobsight.notifiers.plain import facts, links, passages, rfc3339
from jobsight.notifiers.settings import HttpSettings
from jobsight.notifiers.templates import Texts

# Source: PagerDuty's reference of the Events API v2.
EVENTS_URL: Final = "https://events.pagerduty.com/v2/enqueue"
SUMMARY_CHARACTERS_MAX: Final = 1_024
SEVERITIES: Final = frozenset({"critical", "error", "warning", "info"})
ACTIONS: Final[Mapping[NotificationKind, str]] = {
    NotificationKind.ACKNOWLEDGE: "acknowledge",
    NotificationKind.RESOLVE: "resolve",
}
"""Everything else is a trigger; a repeated one joins the open incident of its dedup key."""


class PagerDutySettings(HttpSettings, frozen=True, kw_only=True):
    """
    Attributes:
        routing_key: Of an integration of the type "Events API v2".
        url: For accounts in the EU: https://events.eu.pagerduty.com/v2/enqueue.
    """

    routing_key: Secret
    url: Secret = Secret(EVENTS_URL)


def make(settings: PagerDutySettings, making: Making) -> HttpNotifier:
    """A channel that enqueues one event a notification."""
    checked_url(settings.url, where=f"channels.{making.name}.url")
    if not settings.routing_key.reveal():
        raise ConfigError(f"channels.{making.name}.routing_key is empty; it is that of an Events API v2 integration")

    def post_of(notification: Notification, texts: Texts, now_ms: int) -> Post:
        event = event_of(notification, texts, routing_key=settings.routing_key.reveal(), source=making.source)
        return Post(url=settings.url, body=msgspec.json.encode(event), headers={"Content-Type": "application/json"})

    return HttpNotifier(settings, making, post_of=post_of)


def event_of(notification: Notification, texts: Texts, *, routing_key: str, source: str) -> dict[str, Any]:
    """The event; a test comes as `info`, so that it wakes nobody whose rules heed the severity."""
    action = ACTIONS.get(notification.kind, "trigger")
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": notification.dedup_key,
        "client": "Jobsight",
    }
    if notification.links.open:
        event["client_url"] = notification.links.open
    if action != "trigger":
        return event
    severity = "info" if notification.kind is NotificationKind.TEST else notification.severity
    payload = {
        "summary": cut(texts.title, SUMMARY_CHARACTERS_MAX),
        "source": notification.task or notification.queue or source,
        "severity": severity if severity in SEVERITIES else "error",
        "timestamp": rfc3339(notification.opened_ms or notification.at_ms),
        "component": notification.task,
        "group": notification.queue,
        "class": notification.rule,
        "custom_details": {**dict(facts(notification)), **dict(passages(notification)), "Text": texts.text},
    }
    hrefs = [{"href": url, "text": label} for label, url in links(notification)]
    return event | {"payload": {key: value for key, value in payload.items() if value}, "links": hrefs}


def settings_from_url(url: str) -> dict[str, Any]:
    """`pagerduty://ROUTING_KEY`."""
    return {"routing_key": url.partition("://")[2].strip("/")}
