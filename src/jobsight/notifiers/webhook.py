"""Webhook: a CloudEvents body in JSON, signed."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import field

from jobsight.errors import ConfigError
from jobsight.notifiers.base import Making, Notification, delivery_key
from jobsight.notifiers.http_channel import HttpNotifier, checked_headers, checked_url
from jobsight.notifiers.masking import Secret
from jobsight.notifiers.outgoing import Post
from jobsight.notifiers.plain import rfc3339
from jobsight.notifiers.settings import HttpSettings
from jobsight.notifiers.templates import Texts

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - a mark of the format, no secret


class WebhookSettings(HttpSettings, frozen=True, kw_only=True):
    """
    Attributes:
        url: Where to post to.
        secret: Signs the body; `whsec_` and base64, or any text.
        headers: Sent along, an Authorization for example.
    """

    url: Secret
    secret: Secret | None = None
    headers: Mapping[str, Secret] = field(default_factory=dict)


def make(settings: WebhookSettings, making: Making) -> HttpNotifier:
    """A channel that posts each notification as one CloudEvent."""
    checked_url(settings.url, where=f"channels.{making.name}.url")
    checked_headers(settings.headers, where=f"channels.{making.name}.headers")

    if settings.secret is not None:
        _checked_secret(settings.secret, where=f"channels.{making.name}.secret")

    def post_of(notification: Notification, texts: Texts, now_ms: int) -> Post:
        return signed_event(settings, notification, texts, source=making.source, now_ms=now_ms)

    return HttpNotifier(settings, making, post_of=post_of)


def signed_event(
    settings: WebhookSettings, notification: Notification, texts: Texts, *, source: str, now_ms: int
) -> Post:
    """
    The request: an event whose id is the delivery key, so that a receiver can tell a repeated try.

    Source: CloudEvents 1.0.2, JSON format, structured mode; Standard Webhooks for the three signature headers.
    """
    body = msgspec.json.encode(event_of(notification, texts, source=source))
    headers: dict[str, Secret | str] = {
        **settings.headers,
        "Content-Type": "application/cloudevents+json; charset=utf-8",
    }
    if settings.secret is not None:
        key = delivery_key(notification)
        headers |= signature(body, secret=settings.secret, message_id=key, at_s=now_ms // 1000)
    return Post(url=settings.url, body=body, headers=headers)


def event_of(notification: Notification, texts: Texts, *, source: str) -> dict[str, Any]:
    """The CloudEvent that tells of a notification; `data` holds every field of it."""
    return {
        "specversion": "1.0",
        "id": delivery_key(notification),
        "source": source,
        "type": f"jobsight.alert.{notification.kind}",
        "subject": notification.task or notification.queue or notification.dedup_key,
        "time": rfc3339(notification.at_ms),
        "datacontenttype": "application/json",
        "data": {**msgspec.to_builtins(notification), "headline": texts.title, "text": texts.text},
    }


def signature(body: bytes, *, secret: Secret, message_id: str, at_s: int) -> dict[str, Secret | str]:
    """
    The headers that prove who sent a body and when.

    Args:
        message_id: The same for every try of one notification.
        at_s: The time of this try, in seconds since the epoch.
    """
    signed = b".".join((message_id.encode(), str(at_s).encode(), body))
    digest = b64encode(hmac.new(_key(secret), signed, sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(at_s), "webhook-signature": f"v1,{digest}"}


def settings_from_url(url: str) -> dict[str, Any]:
    """`https://host/path`: the URL is all that is needed."""
    return {"url": url}


def _key(secret: Secret) -> bytes:
    value = secret.reveal()
    if value.startswith(SECRET_PREFIX):
        return b64decode(value.removeprefix(SECRET_PREFIX), validate=True)
    return value.encode()


def _checked_secret(secret: Secret, *, where: str) -> None:
    try:
        is_empty = not _key(secret)
    except Base64Error:
        raise ConfigError(f"{where} begins with {SECRET_PREFIX}, but no base64 follows") from None
    if is_empty:
        raise ConfigError(f"{where} is empty: anybody could sign with it")
