"""Every limit of a send, by name."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

SEND_MS_MAX: Final = 30_000
"""One send in all, from the first lookup to the last byte of the answer."""

CONNECT_MS_MAX: Final = 5_000
READ_MS_MAX: Final = 10_000
"""One wait for the next bytes of an answer."""

ANSWER_BYTES_MAX: Final = 64 * 1024
"""So much of an answer is read; the rest is left with the sender."""

ANSWER_CHARACTERS_SHOWN: Final = 200
"""So much of an answer is quoted in a reason."""

RETRY_AFTER_MS_MAX: Final = 3_600_000
"""A channel that asks for more patience gets so much."""

FIELD_CHARACTERS_MAX: Final = 20_000
"""One text of a notification: an error of 16 KiB fits."""

DEDUP_KEY_CHARACTERS_MAX: Final = 200
"""Source: PagerDuty takes 255 for a dedup key."""

TITLE_CHARACTERS_MAX: Final = 250
TEXT_CHARACTERS_MAX: Final = 40_000
"""What a template may make; more is cut with a mark."""

TEMPLATE_MS_MAX: Final = 1_000
"""A template that takes longer is given up."""

TEMPLATE_CHARACTERS_MAX: Final = 64 * 1024
"""Source of one template."""

MEMBERS_SHOWN_MAX: Final = 20
"""Lines of a summary."""


class SendLimits(Struct, frozen=True, kw_only=True):
    """How long one send may take, and how much of an answer is read. Tests take smaller ones."""

    send_ms: int = SEND_MS_MAX
    connect_ms: int = CONNECT_MS_MAX
    read_ms: int = READ_MS_MAX
    answer_bytes: int = ANSWER_BYTES_MAX
