"""One notification as a mail: plain text and a page, threaded by the dedup key, with nothing in a header that steers it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from typing import Final

from jobsight.errors import ConfigError
from jobsight.notifiers.base import Notification, NotificationKind, delivery_key
from jobsight.notifiers.harmless import one_line
from jobsight.notifiers.templates import Texts

ADDRESS_CHARACTERS_MAX: Final = 254
SUBJECT_CHARACTERS_MAX: Final = 200
READABLE_CHARACTERS_MAX: Final = 16 * 1024

_ATOM: Final = re.compile(r"[^A-Za-z0-9.-]")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
_THREADED: Final = frozenset({NotificationKind.REPEAT, NotificationKind.ACKNOWLEDGE, NotificationKind.RESOLVE})


def mail_of(notification: Notification, texts: Texts, *, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """
    The mail that tells of a notification.

    Its Message-ID comes from the delivery key: a repeated try is the same mail, and what follows a trigger answers it.
    """
    domain = sender.rpartition("@")[2]
    mail = EmailMessage(policy=SMTP_POLICY)
    mail["From"] = Address(display_name="Jobsight", addr_spec=sender)
    mail["To"] = [Address(addr_spec=recipient) for recipient in recipients]
    mail["Subject"] = one_line(texts.title, SUBJECT_CHARACTERS_MAX)
    mail["Date"] = _date(notification.at_ms)
    mail["Message-ID"] = message_id(delivery_key(notification), domain=domain)
    if notification.kind in _THREADED:
        first = message_id(f"{notification.dedup_key}:{NotificationKind.TRIGGER}:0", domain=domain)
        mail["In-Reply-To"] = first
        mail["References"] = first
    mail["X-Jobsight-Alert"] = notification.dedup_key
    mail["X-Jobsight-Kind"] = str(notification.kind)
    # No holiday note answers an alert. Source: RFC 3834.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(texts.text + "\n", cte=_encoding(texts.text))
    if texts.html is not None:
        mail.add_alternative(texts.html, subtype="html", cte=_encoding(texts.html))
    return mail


def message_id(key: str, *, domain: str) -> str:
    """A Message-ID made of a key: the same key, the same id."""
    return f"<{_ATOM.sub('.', key)}@{_ATOM.sub('.', domain)}>"


def checked_address(address: str, *, where: str) -> str:
    """
    A mail address that can stand in a header and in an envelope.

    Raises:
        ConfigError: It is none.
    """
    text = address.strip()
    try:
        if len(text) <= ADDRESS_CHARACTERS_MAX and _ADDRESS.fullmatch(text):
            return Address(addr_spec=text).addr_spec
    except (MessageError, ValueError, IndexError):
        pass
    raise ConfigError(f"{where} has {one_line(address, 80)!r}, which is no mail address like ana@example.org")


def _encoding(text: str) -> str:
    """Short texts stay readable in the source of a mail; long ones would take Python a noticeable time."""
    return "quoted-printable" if len(text) <= READABLE_CHARACTERS_MAX else "base64"


def _date(at_ms: int) -> str:
    try:
        return format_datetime(datetime.fromtimestamp(at_ms / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return format_datetime(datetime.fromtimestamp(0, UTC))
