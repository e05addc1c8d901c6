"""Mail over SMTP, by the standard library in a thread that is let go in time."""

from __future__ import annotations

import asyncio
import smtplib
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import BufferedIOBase
from typing import Any, Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
from msgspec import field

from jobsight.errors import ConfigError, DeliveryError
from jobsight.notifiers.base import Making, Notification, Receipt, cleaned
from jobsight.notifiers.harmless import one_line
from jobsight.notifiers.limits import SendLimits
from jobsight.notifiers.mail import checked_address, mail_of
from jobsight.notifiers.masking import Mask, Secret
from jobsight.notifiers.outgoing import UNKNOWN_HOST, tls_context
from jobsight.notifiers.settings import ChannelSettings, secret_of, secrets_in
from jobsight.notifiers.templates import Templates, Texts, texts_of
from jobsight.notifiers.threads import in_thread

RECIPIENTS_MAX: Final = 50
LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
ANSWER_LINES_MAX: Final = 1_000
"""Of the server, in one conversation."""

IMPLICIT_TLS_PORT: Final = 465
PORT_MAX: Final = 65_535

SERVER_KEYS: Final[Mapping[str, str]] = {
    "from": "a mail address",
    "host": "the name of a host",
    "port": "a whole number from 1 to 65535",
    "tls": "starttls, implicit or none",
    "username": "a text",
    "password": "a text",
    "ca_file": "the path of a file",
}
"""What a `mailto:` URL takes from the mail server that is set for all of them, and how each setting is written."""

Encryption = Literal["starttls", "implicit", "none"]


class SmtpSettings(ChannelSettings, frozen=True, kw_only=True):
    """
    Attributes:
        to: Recipients.
        sender: `from` in the configuration; jobsight@ and the name of this host unless set.
        tls: `starttls`, `implicit` or `none`; unless set: none to this host, implicit on port 465, starttls otherwise.
        ca_file: PEM file of further authorities whose certificates are believed.
        html_template: A Jinja template in place of the built-in page.
    """

    to: tuple[str, ...]
    sender: str | None = field(default=None, name="from")
    host: str = "localhost"
    port: int | None = None
    tls: Encryption | None = None
    username: Secret | None = None
    password: Secret | None = None
    ca_file: str | None = None
    html_template: str | None = None


class Smtp:
    """
    Sends each notification as one mail to all recipients.

    Raises:
        ConfigError: An address is none, or a password would be sent in the clear.
    """

    repost_every_ms: int | None = None
    repost_resolved_ms: int = 0

    def __init__(self, settings: SmtpSettings, making: Making) -> None:
        where = f"channels.{making.name}"
        if not 1 <= len(settings.to) <= RECIPIENTS_MAX:
            raise ConfigError(f"{where}.to needs 1 to {RECIPIENTS_MAX} mail addresses, and has {len(settings.to)}")
        self.name = making.name
        self._recipients = [checked_address(address, where=f"{where}.to") for address in settings.to]
        self._sender = checked_address(settings.sender or default_sender(), where=f"{where}.from")
        self._mask = Mask(secrets_in(settings))
        self._limits = making.limits
        self._templates = Templates(
            where=where, title=settings.title_template, text=settings.text_template, html=settings.html_template
        )
        self._server = _Server(settings, where=where)
        self._open: set[_Conversation] = set()

    async def send(self, notification: Notification, *, now_ms: int) -> Receipt:
        """Send one mail; the server's 250 after the text is the answer."""
        notification = cleaned(notification)
        texts = await texts_of(self._templates, notification, with_html=True)
        conversation = _Conversation(self._server, self._limits)
        self._open.add(conversation)
        try:
            async with asyncio.timeout(self._limits.send_ms / 1000):
                await in_thread(self._hand_over, notification, texts, conversation)
        except TimeoutError:
            if not conversation.is_accepted:
                raise DeliveryError("the server took too long to answer", retry_after_ms=0) from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise self._judged(error) from None
        finally:
            conversation.break_off()
            self._open.discard(conversation)
        problems = [texts.problem or "", self._refused(conversation.refused)]
        return Receipt(detail="250", problem="; ".join(filter(None, problems)) or None)

    def _hand_over(self, notification: Notification, texts: Texts, conversation: _Conversation) -> None:
        mail = mail_of(notification, texts, sender=self._sender, recipients=self._recipients)
        conversation.run(self._sender, self._recipients, mail.as_bytes())

    async def close(self) -> None:
        """Break off what is still under way."""
        for conversation in list(self._open):
            conversation.break_off()

    def _refused(self, refused: Mapping[str, tuple[int, bytes]]) -> str:
        return ", ".join(f"{who} was refused: {code} {self._words(words)}" for who, (code, words) in refused.items())

    def _words(self, words: bytes | str) -> str:
        return one_line(self._mask.hide(words.decode("utf-8", "replace") if isinstance(words, bytes) else words), 200)

    def _judged(self, error: BaseException) -> DeliveryError:
        match error:
            case smtplib.SMTPRecipientsRefused():
                codes = [code for code, _ in error.recipients.values()]
                return DeliveryError(self._refused(error.recipients), 0, is_refusal=min(codes, default=550) >= 500)
            case smtplib.SMTPResponseException():
                what = "the login was refused" if isinstance(error, smtplib.SMTPAuthenticationError) else "it answered"
                words = self._words(error.smtp_error)
                return DeliveryError(f"{what}: {error.smtp_code} {words}", 0, is_refusal=error.smtp_code >= 500)
            case smtplib.SMTPNotSupportedError():
                return DeliveryError(f"the server lacks what is set: {self._words(str(error))}", 0, is_refusal=True)
            case socket.gaierror():
                is_unknown = error.errno in UNKNOWN_HOST
                return DeliveryError(f"the host is not known: {error.strerror}", 0, is_refusal=is_unknown)
            case _:
                return DeliveryError(f"the connection failed ({type(error).__name__}: {self._words(str(error))})", 0)


def default_sender() -> str:
    """jobsight@ and this host's name; no lookup is made."""
    name = socket.gethostname().strip(".")
    return f"jobsight@{name if name.isascii() and name.replace('-', '').replace('.', '').isalnum() else 'localhost'}"


def check_server_setting(key: str, value: object, *, where: str) -> None:
    """Look at one of `SERVER_KEYS` by itself. Raises ConfigError; shows no value, except of an address that is none."""
    expected = ConfigError(f"{where}: expected {SERVER_KEYS[key]}")
    try:
        settings = msgspec.convert({"to": (), key: value}, SmtpSettings, dec_hook=secret_of)
    except msgspec.ValidationError:
        raise expected from None
    if settings.port is not None and not 1 <= settings.port <= PORT_MAX:
        raise expected
    if settings.sender is not None:
        checked_address(settings.sender, where=where)


def settings_from_url(url: str) -> dict[str, Any]:
    """
    `mailto:ana@example.org,ben@example.org`, or `smtp://user:password@host:587?to=ana@example.org&from=jobs@example.org`
    (`smtps://` for implicit TLS).
    """
    if url.startswith("mailto:"):
        return {"to": [unquote(address) for address in url[len("mailto:") :].partition("?")[0].split(",")]}
    parts = urlsplit(url)
    query = parse_qs(parts.query, strict_parsing=False)
    table: dict[str, Any] = {"to": [address for text in query.pop("to", []) for address in text.split(",")]}
    table |= {key: values[-1] for key, values in query.items()}
    if parts.scheme == "smtps":
        table["tls"] = "implicit"
    known = {"host": parts.hostname, "port": parts.port, "username": parts.username, "password": parts.password}
    table |= {key: unquote(value) if isinstance(value, str) else value for key, value in known.items() if value}
    return table


class _Server:
    """Where to connect, and how: decided once, from the settings."""

    def __init__(self, settings: SmtpSettings, *, where: str) -> None:
        is_local = settings.host in LOCAL_HOSTS
        if settings.tls is not None:
            self.tls: Encryption = settings.tls
        elif settings.port == IMPLICIT_TLS_PORT:
            self.tls = "implicit"
        else:
            self.tls = "none" if is_local and settings.port in (None, 25) else "starttls"
        if (settings.username is None) != (settings.password is None):
            raise ConfigError(f"{where} needs username and password, or neither")
        if settings.password is not None and self.tls == "none" and not is_local:
            raise ConfigError(f"{where}.password would be sent in the clear to {settings.host}: set tls to 'starttls'")
        self.host = settings.host
        self.port = settings.port or {"none": 25, "starttls": 587, "implicit": IMPLICIT_TLS_PORT}[self.tls]
        self.username = settings.username
        self.password = settings.password
        self.context = tls_context(settings.ca_file) if self.tls != "none" else None


class _Conversation:
    """One mail handed over, in a thread; `break_off` from outside ends whatever it waits for."""

    def __init__(self, server: _Server, limits: SendLimits) -> None:
        self._server = server
        self._limits = limits
        self._client: smtplib.SMTP | None = None
        self._is_broken_off = False
        self._lines = 0
        self.is_accepted = False
        self.refused: Mapping[str, tuple[int, bytes]] = {}

    def run(self, sender: str, recipients: Sequence[str], mail: bytes) -> None:
        """Connect, log in, hand over, leave. Raises what smtplib raises until the mail is accepted, nothing after."""
        client = _Client(self, self._server, self._limits)
        try:
            if self._server.tls == "starttls":
                client.starttls(context=self._server.context)
            if self._server.username is not None and self._server.password is not None:
                client.login(self._server.username.reveal(), self._server.password.reveal())
            self.refused = client.sendmail(sender, recipients, mail)
            self.is_accepted = True
            with suppress(smtplib.SMTPException, OSError):
                client.quit()
        finally:
            client.close()

    def begin(self, client: smtplib.SMTP) -> None:
        """Learn what to break off; refuse to begin when that was asked for already."""
        self._client = client
        if self._is_broken_off:
            raise smtplib.SMTPServerDisconnected("broken off")

    def hear_line(self) -> None:
        """Count a line of the server; raises OSError when no more is to be heard."""
        self._lines += 1
        if self._is_broken_off or self._lines > ANSWER_LINES_MAX:
            raise OSError("broken off")

    def break_off(self) -> None:
        """End the conversation from outside; the thread gets an error from its socket."""
        self._is_broken_off = True
        connection = self._client.sock if self._client is not None else None
        if connection is not None:
            with suppress(OSError):
                # Not the method of a TLS socket, which takes the session away from under the thread that reads from it.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Client(smtplib.SMTP):
    """smtplib's client with two time limits, TLS from the first byte where that is set, and no lookup of its own name."""

    def __init__(self, conversation: _Conversation, server: _Server, limits: SendLimits) -> None:
        self._conversation = conversation
        self._server = server
        self._read_s = limits.read_ms / 1000
        super().__init__(
            server.host,
            server.port,
            local_hostname=socket.gethostname() or "localhost",
            timeout=limits.connect_ms / 1000,
        )

    def getreply(self) -> tuple[int, bytes]:  # type: ignore[explicit-override]
        """One answer of the server, by lines that `_Listening` counts."""
        if self.file is None and self.sock is not None:
            self.file = _Listening(self.sock.makefile("rb"), self._conversation)
        return super().getreply()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        self._conversation.begin(self)
        connection = socket.create_connection((host, port), timeout)
        connection.settimeout(self._read_s)
        self.sock = connection
        if self._server.tls != "implicit" or self._server.context is None:
            return connection
        return self._server.context.wrap_socket(connection, server_hostname=host)


class _Listening:
    """
    What the server says, line by line, until the conversation is broken off or the lines are too many.

    A socket that is shut down still gives what comes in, so a server that never stops has to be stopped here.
    """

    def __init__(self, lines: BufferedIOBase, conversation: _Conversation) -> None:
        self._lines = lines
        self._conversation = conversation

    def readline(self, size: int = -1) -> bytes:
        """The next line; an OSError when there is to be none."""
        self._conversation.hear_line()
        return self._lines.readline(size)

    def close(self) -> None:
        """Close the lines; the socket is closed by its owner."""
        self._lines.close()
