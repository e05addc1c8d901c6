"""Far sides that misbehave on demand: an HTTP server and a mail server on this host, inside the caller's event loop."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
from msgspec import Struct

HEAD_BYTES_MAX: Final = 1024 * 1024
PIECE: Final = b"0123456789abcdef" * 4096


class Received(Struct, frozen=True, kw_only=True):
    """One request as it came in; names of headers in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read as JSON."""
        return msgspec.json.decode(self.body)


class HttpSink:
    """
    An HTTP server that keeps what it gets and answers as it is told.

    Attributes:
        status, headers, body: The next answers.
        mode: `answer`, or `hang` (take the request, say nothing), `drop` (take it and close), `slow` (a status and half
            a body, then nothing), `endless` (a body without end), `trickle` (a head without end).
        is_echoing: Answers are what came in, secrets and all: URL, headers and body.
        received: Every request that came in whole.
        connections: How many are open; wait for their end with `closed`.
    """

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b"ok"
        self.mode = "answer"
        self.is_echoing = False
        self.received: list[Received] = []
        self.connections = 0
        self.accepted = 0
        self.port = 0
        self.scheme = "http"
        self.closed = asyncio.Event()
        self._over = asyncio.Event()

    def url(self, path: str = "/") -> str:
        """Its address, with this path."""
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        self.connections += 1
        self.accepted += 1
        self.closed.clear()
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                request = await _request(reader)
                self.received.append(request)
                await self._answer(request, reader, writer)
        finally:
            writer.transport.abort()
            self.connections -= 1
            if not self.connections:
                self.closed.set()

    def end(self) -> None:
        """Let go of every connection that hangs."""
        self._over.set()

    async def _answer(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "drop":
            return
        if self.mode in {"hang", "trickle"}:
            if self.mode == "trickle":
                writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            await self._gone(reader)
            return
        echo = msgspec.json.encode([request.target, request.headers, request.body.decode("utf-8", "replace")])
        body = echo if self.is_echoing else self.body
        length = {"endless": None, "slow": len(body) + 1_000}.get(self.mode, len(body))
        head = [f"HTTP/1.1 {self.status} Whatever", *(f"{name}: {value}" for name, value in self.headers.items())]
        head += [f"Content-Length: {length}"] if length is not None else []
        writer.write("\r\n".join([*head, "Connection: close", "", ""]).encode() + body)
        await writer.drain()
        while self.mode == "endless" and not self._over.is_set():
            writer.write(PIECE)
            await writer.drain()
        if self.mode == "slow":
            await self._gone(reader)

    async def _gone(self, reader: asyncio.StreamReader) -> None:
        """Until the other side is gone, or the test is over."""
        waiting = [asyncio.ensure_future(reader.read(1)), asyncio.ensure_future(self._over.wait())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


@asynccontextmanager
async def http_sink(*, tls: ssl.SSLContext | None = None) -> AsyncIterator[HttpSink]:
    """An HTTP server on a free port of this host until the block ends."""
    sink = HttpSink()
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0, ssl=tls, limit=HEAD_BYTES_MAX)
    sink.port = server.sockets[0].getsockname()[1]
    sink.scheme = "https" if tls else "http"
    try:
        yield sink
    finally:
        sink.end()
        server.close()
        await server.wait_closed()
        if sink.connections:
            await sink.closed.wait()


def self_signed(folder: Path) -> ssl.SSLContext | None:
    """
    TLS for a server on 127.0.0.1, by a certificate that nobody has heard of: `cert.pem` in this folder.

    None where there is no openssl to make one.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:hook.example.org"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


@cache
def shared_self_signed() -> ssl.SSLContext | None:
    """The same, made once a process, where the certificate itself is not needed."""
    with TemporaryDirectory() as folder:
        return self_signed(Path(folder))


def closed_port() -> int:
    """A port of this host on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Mail(Struct, frozen=True, kw_only=True):
    """One mail as the server took it."""

    sender: str
    recipients: list[str]
    content: bytes

    def message(self) -> EmailMessage:
        """The mail, read."""
        return message_from_bytes(self.content, _class=EmailMessage, policy=default_policy)


class MailSink:
    """
    What a mail server does with what it gets; a handler for aiosmtpd.

    Attributes:
        answers: What it says instead of yes, by `MAIL`, `RCPT`, `DATA` or `QUIT`; `hang` says nothing.
        received: Every mail that it took.
        closed: Set while no connection is open.
    """

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.received: list[Mail] = []
        self.logins: list[bytes] = []
        self.connections: set[Any] = set()
        self.closed = asyncio.Event()
        self.port = 0
        self.over = asyncio.Event()

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        """The sender."""
        envelope.mail_from = address
        return await self._said("MAIL", "250 OK")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        """One recipient; `RCPT address` in the answers is for this one alone."""
        answer = await self._said(f"RCPT {address}", await self._said("RCPT", "250 OK"))
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """The mail itself."""
        answer = await self._said("DATA", "250 OK")
        if answer.startswith("250"):
            mail = Mail(sender=envelope.mail_from, recipients=list(envelope.rcpt_tos), content=envelope.content)
            self.received.append(mail)
        return answer

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """The goodbye."""
        return await self._said("QUIT", "221 Bye")

    def log_in(self, server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> Any:
        """Every login is right, unless the answers say otherwise."""
        from aiosmtpd.smtp import AuthResult

        self.logins.append(login.password)
        return AuthResult(success="AUTH" not in self.answers, handled="AUTH" not in self.answers)

    async def _said(self, verb: str, usual: str) -> str:
        answer = self.answers.get(verb, usual)
        if answer == "hang":
            await self.over.wait()
        return answer


@asynccontextmanager
async def mail_sink(
    *, tls: ssl.SSLContext | None = None, is_implicit: bool = False, has_login: bool = False
) -> AsyncIterator[MailSink]:
    """A mail server on a free port of this host until the block ends; needs aiosmtpd."""
    from aiosmtpd.smtp import SMTP

    class Counted(SMTP):
        def connection_made(self, transport: Any) -> None:  # type: ignore[explicit-override]
            super().connection_made(transport)
            sink.connections.add(self)
            sink.closed.clear()

        def connection_lost(self, error: Exception | None) -> None:  # type: ignore[explicit-override]
            super().connection_lost(error)
            sink.connections.discard(self)
            if not sink.connections:
                sink.closed.set()

    sink = MailSink()
    loop = asyncio.get_running_loop()

    def begin() -> Any:
        with warnings.catch_warnings():
            # aiosmtpd warns of logins in the clear, which are meant here.
            warnings.simplefilter("ignore")
            return Counted(
                sink,
                hostname="sink",
                tls_context=None if is_implicit else tls,
                require_starttls=tls is not None and not is_implicit,
                authenticator=sink.log_in if has_login else None,
                auth_required=has_login,
                auth_require_tls=tls is not None and not is_implicit,
                loop=loop,
            )

    server = await loop.create_server(begin, "127.0.0.1", 0, ssl=tls if is_implicit else None)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        sink.over.set()
        server.close()
        for connection in list(sink.connections):
            connection.transport.abort()
        await server.wait_closed()


async def _request(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method=method, target=target, headers=headers, body=body)
