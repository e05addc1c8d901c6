"""Everything else, through Apprise: Telegram, Discord, Matrix, Teams, SMS and 100 more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from threading import get_ident
from types import ModuleType
from typing import Any, Final

from jobsight.errors import ConfigError, DeliveryError
from jobsight.notifiers.base import Making, Notification, NotificationKind, Receipt, cleaned
from jobsight.notifiers.harmless import one_line
from jobsight.notifiers.masking import Mask, Secret
from jobsight.notifiers.settings import ChannelSettings, secrets_in
from jobsight.notifiers.templates import Templates, texts_of
from jobsight.notifiers.threads import in_thread

DESKTOP_SCHEMES: Final = frozenset({"blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "windows"})
"""They show a window, or light a lamp, on the host of the monitor, where nobody sits."""

LEFT_BEHIND_MAX: Final = 4
"""Threads of one channel that never came back; more are not begun."""

TYPES: Final[Mapping[NotificationKind, str]] = {
    NotificationKind.ACKNOWLEDGE: "info",
    NotificationKind.RESOLVE: "success",
    NotificationKind.SUMMARY: "warning",
    NotificationKind.TEST: "info",
}


class AppriseSettings(ChannelSettings, frozen=True, kw_only=True):
    """
    Attributes:
        url: As Apprise's documentation has it: `tgram://BOT_TOKEN/CHAT_ID`.
    """

    url: Secret


class Apprise:
    """
    Sends through one service of Apprise: without its retries, without redirects where it allows that, never a file.

    Raises:
        ConfigError: Apprise is not installed, or does not know such a URL.
    """

    repost_every_ms: int | None = None
    repost_resolved_ms: int = 0

    def __init__(self, settings: AppriseSettings, making: Making) -> None:
        where = f"channels.{making.name}"
        scheme = settings.url.reveal().partition(":")[0].lower()
        if scheme in DESKTOP_SCHEMES:
            raise ConfigError(
                f"{where}.url: '{scheme}' shows messages on the monitor's own desktop, where nobody reads them"
            )
        self.name = making.name
        self._limits = making.limits
        self._mask = Mask(secrets_in(settings))
        self._templates = Templates(where=where, title=settings.title_template, text=settings.text_template)
        self._library = _library(where)
        self._service = _service(self._library, settings.url, making=making, where=where)
        self._busy = 0

    async def send(self, notification: Notification, *, now_ms: int) -> Receipt:
        """Send once. Apprise says yes or no and nothing more, so every no is worth another try."""
        if self._busy >= LEFT_BEHIND_MAX:
            raise DeliveryError(f"{self._busy} earlier sends have not come back yet", retry_after_ms=0)
        notification = cleaned(notification)
        texts = await texts_of(self._templates, notification)
        kind = TYPES.get(notification.kind, "failure")
        try:
            async with asyncio.timeout(self._limits.send_ms / 1000):
                words = await in_thread(self._send, texts.title, texts.text, kind)
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._limits.send_ms} ms", retry_after_ms=0) from None
        except (AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
            # What plugins by many hands may raise.
            raise DeliveryError(self._said(f"{type(error).__name__}: {error}"), retry_after_ms=0) from None
        if words is not None:
            raise DeliveryError(self._said(words), retry_after_ms=0)
        return Receipt(detail="sent", problem=texts.problem)

    async def close(self) -> None:
        """Nothing stays open between two sends."""

    def _send(self, title: str, text: str, kind: str) -> str | None:
        """None for a yes, else what Apprise logged about it."""
        self._busy += 1
        log = logging.getLogger("apprise")
        heard = _Heard()
        log.addHandler(heard)
        try:
            is_sent = self._service.notify(
                body=text,
                title=title,
                notify_type=self._library.NotifyType(kind),
                body_format=self._library.NotifyFormat("text"),
            )
        finally:
            log.removeHandler(heard)
            self._busy -= 1
        return None if is_sent else heard.last

    def _said(self, words: str) -> str:
        return one_line(f"it was not sent: {self._mask.hide(words)}", 300)


class _Heard(logging.Handler):
    """The last warning that Apprise logs in this thread."""

    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self.last = "Apprise does not say why"
        self._thread = get_ident()

    def emit(self, record: logging.LogRecord) -> None:  # type: ignore[explicit-override]
        if record.thread == self._thread:
            self.last = record.getMessage()


def _library(where: str) -> ModuleType:
    try:
        import apprise
    except ImportError:
        raise ConfigError(f"{where} needs Apprise, which is not installed: pip install 'jobsight[apprise]'") from None
    # What these log in detail holds whole URLs; what they warn of is heard in `_send`.
    for name in ("apprise", "urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.WARNING)
    log = logging.getLogger("apprise")
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    return apprise


def _service(library: ModuleType, url: Secret, *, making: Making, where: str) -> Any:
    # Older versions lack some of these, and refuse what they do not know.
    wanted = {"http_redirects": False, "default_service_retry": 0, "secure_logging": True, "async_mode": False}
    known = {name: value for name, value in wanted.items() if hasattr(library.AppriseAsset, name)}
    asset = library.AppriseAsset(app_id="Jobsight", app_desc="Jobsight", **known)
    service = library.Apprise.instantiate(url.reveal(), asset=asset, suppress_exceptions=True)
    if service is None:
        raise ConfigError(
            f"{where}.url is none that Apprise can use; the form for each service is in its documentation"
        )
    # A URL may ask for these too; here it does not get them.
    for name, value in (("redirects", False), ("retry", 0), ("service_retry", 0)):
        if hasattr(service, name):
            setattr(service, name, value)
    service.socket_connect_timeout = making.limits.connect_ms / 1000
    service.socket_read_timeout = making.limits.read_ms / 1000
    return service
