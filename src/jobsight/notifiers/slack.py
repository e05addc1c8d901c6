"""Slack, and what takes Slack's incoming webhooks: Mattermost, Rocket.Chat."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from jobsight.notifiers.base import Making, Notification
from jobsight.notifiers.harmless import cut
from jobsight.notifiers.http_channel import HttpNotifier, checked_url
from jobsight.notifiers.masking import Secret
from jobsight.notifiers.outgoing import Post
from jobsight.notifiers.plain import facts, links, passages
from jobsight.notifiers.settings import HttpSettings
from jobsight.notifiers.templates import Texts

# Source: Slack's reference of blocks.
HEADER_CHARACTERS_MAX: Final = 150
SECTION_CHARACTERS_MAX: Final = 2_900
FACTS_MAX: Final = 10
FALLBACK_CHARACTERS_MAX: Final = 3_500
"""Mattermost takes 16,383 characters, Rocket.Chat 5,000 unless set otherwise; escaping makes some of them longer."""

_MENTION: Final = re.compile(r"@(?=\w)")


class SlackSettings(HttpSettings, frozen=True, kw_only=True):
    """
    Attributes:
        url: The incoming webhook, a secret as a whole.
        format: `blocks` for Slack; `text` for Mattermost and Rocket.Chat, which show the text only.
    """

    url: Secret
    format: Literal["blocks", "text"] = "blocks"


def make(settings: SlackSettings, making: Making) -> HttpNotifier:
    """A channel that posts one message a notification."""
    checked_url(settings.url, where=f"channels.{making.name}.url")

    def post_of(notification: Notification, texts: Texts, now_ms: int) -> Post:
        message: dict[str, Any] = {"text": fallback(texts), "unfurl_links": False, "unfurl_media": False}
        if settings.format == "blocks":
            message["blocks"] = list(blocks(notification, texts, is_templated=settings.text_template is not None))
        return Post(
            url=settings.url,
            body=msgspec.json.encode(message),
            headers={"Content-Type": "application/json; charset=utf-8"},
        )

    return HttpNotifier(settings, making, post_of=post_of)


def fallback(texts: Texts) -> str:
    """
    The message as text, for notices on phones and for what shows no blocks: a line, and the rest as code.

    Nothing in it mentions anybody, links anywhere or ends the code: `&`, `<` and `>` are escaped as Slack asks for,
    an @ is parted from its name, three backticks become quotes.
    """
    title = cut(_escaped(texts.title).replace("`", "'"), HEADER_CHARACTERS_MAX * 2)
    body = cut(_escaped(texts.text).replace("```", "'''"), FALLBACK_CHARACTERS_MAX)
    return f"{title}\n```\n{body}\n```"


def blocks(notification: Notification, texts: Texts, *, is_templated: bool) -> Iterator[dict[str, Any]]:
    """The message as blocks. What came from jobs stands in `plain_text`, which Slack takes literally."""
    yield {"type": "header", "text": _literal(texts.title, HEADER_CHARACTERS_MAX)}
    if is_templated or notification.text:
        yield {"type": "section", "text": _literal(texts.text, SECTION_CHARACTERS_MAX)}
    else:
        yield from _composed(notification)
    buttons = [
        {"type": "button", "text": _literal(label, 75), "url": url, "action_id": f"jobsight-{label.lower()}"}
        for label, url in links(notification)
        if len(url) <= SECTION_CHARACTERS_MAX
    ]
    if buttons:
        yield {"type": "actions", "elements": buttons}
    yield {"type": "context", "elements": [_literal(notification.dedup_key, 300)]}


def _composed(notification: Notification) -> Iterator[dict[str, Any]]:
    lines = [f"{label}: {value}" for label, value in list(facts(notification))[: FACTS_MAX * 2]]
    yield {"type": "section", "text": _literal("\n".join([notification.title, *lines]), SECTION_CHARACTERS_MAX)}
    for heading, content in passages(notification):
        element = {"type": "text", "text": cut(f"{heading}: {content}", SECTION_CHARACTERS_MAX)}
        yield {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [element]}]}
    members = "\n".join(
        f"{member.count:,} × {member.task or member.queue or ''} {member.title}" for member in notification.members
    )
    if members:
        yield {"type": "section", "text": _literal(members, SECTION_CHARACTERS_MAX)}


def _literal(text: str, characters_max: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": cut(text, characters_max) or " ", "emoji": False}


def _escaped(text: str) -> str:
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, entity)
    return _MENTION.sub("@\u200b", text)
