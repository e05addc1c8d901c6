"""What all channels over HTTP share: words, one request, one receipt. A channel of this kind only says which request."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import httpx

from jobsight.errors import ConfigError
from jobsight.notifiers.base import Making, Notification, Receipt, cleaned, delivery_key
from jobsight.notifiers.masking import Mask, Secret
from jobsight.notifiers.outgoing import HttpClient, Post
from jobsight.notifiers.settings import HttpSettings, secrets_in
from jobsight.notifiers.templates import Templates, Texts, texts_of

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


PostOf = Callable[[Notification, Texts, int], Post]
"""From a notification, its words and the time of this try (ms UTC) to the request that tells of it."""


class HttpNotifier:
    """
    A channel that sends one request a notification.

    Args:
        post_of: The channel's own part.
        repost_every_ms, repost_resolved_ms: As in `Notifier`.

    Raises:
        ConfigError: A template, the proxy or the file of authorities cannot be used.
    """

    def __init__(
        self,
        settings: HttpSettings,
        making: Making,
        *,
        post_of: PostOf,
        repost_every_ms: int | None = None,
        repost_resolved_ms: int = 0,
    ) -> None:
        self.name = making.name
        self.repost_every_ms = repost_every_ms
        self.repost_resolved_ms = repost_resolved_ms
        self._post_of = post_of
        self._templates = Templates(
            where=f"channels.{making.name}", title=settings.title_template, text=settings.text_template
        )
        self._client = HttpClient(
            mask=Mask(secrets_in(settings)),
            limits=making.limits,
            ca_file=settings.ca_file,
            proxy=settings.proxy,
            is_guarded=making.is_guarded,
        )

    async def send(self, notification: Notification, *, now_ms: int) -> Receipt:
        """Send one request; its status is the answer."""
        notification = cleaned(notification)
        texts = await texts_of(self._templates, notification)
        post = self._post_of(notification, texts, now_ms)
        answer = await self._client.send(_keyed(post, notification), now_ms=now_ms)
        return Receipt(detail=str(answer.status), problem=texts.problem)

    async def close(self) -> None:
        """Close what is still open."""
        await self._client.close()


def checked_url(url: Secret, *, where: str) -> Secret:
    """
    A URL that can be posted to.

    Raises:
        ConfigError: It is none; never shows it.
    """
    text = url.reveal()
    try:
        parsed = httpx.URL(text)
        is_usable = parsed.scheme in {"http", "https"} and bool(parsed.host) and text.isprintable() and " " not in text
    except (httpx.InvalidURL, ValueError):
        is_usable = False
    if not is_usable:
        raise ConfigError(f"{where} needs a URL that begins with https:// (or http:// inside of your network)")
    return url


def checked_headers(headers: Mapping[str, Secret], *, where: str) -> Mapping[str, Secret]:
    """
    Headers that can be sent.

    Raises:
        ConfigError: A name or a value has characters that no header may have; never shows a value.
    """
    for name, value in headers.items():
        text = value.reveal()
        if not _HEADER_NAME.fullmatch(name):
            raise ConfigError(f"{where} names a header {name!r}, which is no header's name")
        if not (text.isascii() and text.isprintable()):
            raise ConfigError(f"{where}.{name} has characters that no header may have: printable ASCII only")
    return headers


def _keyed(post: Post, notification: Notification) -> Post:
    headers = {"Idempotency-Key": delivery_key(notification), **post.headers}
    return Post(url=post.url, body=post.body, headers=headers, method=post.method)
