"""ntfy: push messages to phones and desktops, from ntfy.sh or a server of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from jobsight.errors import ConfigError
from jobsight.notifiers.base import Making, Notification, NotificationKind
from jobsight.notifiers.harmless import cut, cut_bytes
from jobsight.notifiers.http_channel import HttpNotifier, checked_url
from jobsight.notifiers.masking import Secret
from jobsight.notifiers.outgoing import Post, basic
from jobsight.notifiers.plain import links
from jobsight.notifiers.settings import HttpSettings
from jobsight.notifiers.templates import Texts

# Source: ntfy's documentation of publishing as JSON. A longer message would arrive as a file.
MESSAGE_BYTES_MAX: Final = 3_900
ACTIONS_MAX: Final = 3
PRIORITIES: Final[Mapping[str, int]] = {"critical": 5, "error": 4, "warning": 4, "info": 3}
QUIET: Final[Mapping[NotificationKind, int]] = {
    NotificationKind.RESOLVE: 3,
    NotificationKind.ACKNOWLEDGE: 2,
    NotificationKind.TEST: 3,
}
TAGS: Final[Mapping[NotificationKind, str]] = {
    NotificationKind.TRIGGER: "rotating_light",
    NotificationKind.REPEAT: "rotating_light",
    NotificationKind.ACKNOWLEDGE: "eyes",
    NotificationKind.RESOLVE: "white_check_mark",
    NotificationKind.SUMMARY: "warning",
    NotificationKind.TEST: "test_tube",
}


class NtfySettings(HttpSettings, frozen=True, kw_only=True):
    """
    Attributes:
        url: Server and topic: https://ntfy.sh/my-topic. Whoever knows the topic reads along: it is a secret.
        token: An access token (`tk_...`).
        username, password: Instead of a token.
    """

    url: Secret
    token: Secret | None = None
    username: Secret | None = None
    password: Secret | None = None


def make(settings: NtfySettings, making: Making) -> HttpNotifier:
    """A channel that publishes one message a notification."""
    parts = urlsplit(checked_url(settings.url, where=f"channels.{making.name}.url").reveal())
    folder, _, topic = parts.path.rstrip("/").rpartition("/")
    if not topic:
        raise ConfigError(f"channels.{making.name}.url needs a topic: https://ntfy.sh/my-topic")
    server = Secret(urlunsplit((parts.scheme, parts.netloc, folder + "/", "", "")))
    headers: dict[str, Secret | str] = {"Content-Type": "application/json"}
    if settings.token is not None:
        headers["Authorization"] = Secret(f"Bearer {settings.token.reveal()}")
    elif settings.username is not None and settings.password is not None:
        headers["Authorization"] = Secret(basic(settings.username.reveal(), settings.password.reveal()))

    def post_of(notification: Notification, texts: Texts, now_ms: int) -> Post:
        return Post(url=server, body=msgspec.json.encode(message_of(notification, texts, topic=topic)), headers=headers)

    return HttpNotifier(settings, making, post_of=post_of)


def message_of(notification: Notification, texts: Texts, *, topic: str) -> dict[str, Any]:
    """The message. A tap opens the alert; the buttons open links, they send nothing by themselves."""
    usual = PRIORITIES.get(notification.severity, 4)
    message: dict[str, Any] = {
        "topic": topic,
        "title": cut(texts.title, 250),
        "message": cut_bytes(texts.text, MESSAGE_BYTES_MAX),
        "priority": min(usual, QUIET.get(notification.kind, usual)),
        "tags": [TAGS[notification.kind]],
    }
    targets = list(links(notification))
    if notification.links.open and targets:
        message["click"] = targets[0][1]
    if targets:
        message["actions"] = [{"action": "view", "label": label, "url": url} for label, url in targets[:ACTIONS_MAX]]
    return message


def settings_from_url(url: str) -> dict[str, Any]:
    """`ntfy://ntfy.sh/my-topic` (https), or `ntfy+http://10.0.0.5:8080/my-topic`."""
    return {"url": url.replace("ntfy://", "https://", 1)}
