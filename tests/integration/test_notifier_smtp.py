"""Mail to a real mail server: encryption, logins, and what a server does half-way."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from jobsight.errors import DeliveryError
from jobsight.notifiers.base import Making, Notifier
from jobsight.notifiers.limits import SendLimits
from jobsight.notifiers.registry import channel_from_table
from jobsight.testing.notifiers import NOW_MS, a_notification
from jobsight.testing.sinks import MailSink, mail_sink, self_signed


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    context = self_signed(tmp_path)
    if context is None:
        pytest.skip("openssl is not installed")
    return context


def open_channel(sink: MailSink, *, limits: SendLimits | None = None, **settings: Any) -> Notifier:
    table = {"type": "smtp", "host": "127.0.0.1", "port": sink.port, "from": "j@b.example", "to": ["ana@b.example"]}
    return channel_from_table({**table, **settings}, Making(name="mail", limits=limits or SendLimits()))


@pytest.mark.parametrize("encryption", ["starttls", "implicit"])
def test_mail_goes_encrypted_to_a_server_whose_authority_is_known(
    encryption: str, tls: ssl.SSLContext, tmp_path: Path
) -> None:
    """A company's own authority is enough, for STARTTLS and for TLS from the first byte; the login comes after."""

    async def send() -> MailSink:
        async with mail_sink(tls=tls, is_implicit=encryption == "implicit", has_login=True) as sink:
            channel = open_channel(
                sink, tls=encryption, ca_file=str(tmp_path / "cert.pem"), username="jobs", password="s3cr3t"
            )
            await channel.send(a_notification(), now_ms=NOW_MS)
            await channel.close()
            return sink

    sink = asyncio.run(send())

    assert [b"s3cr3t"] == sink.logins
    assert ["ana@b.example"] == sink.received[0].recipients


def test_no_password_goes_to_a_server_that_nobody_vouches_for(tls: ssl.SSLContext) -> None:
    """A wrong certificate ends the conversation before the login."""

    async def send() -> MailSink:
        async with mail_sink(tls=tls, has_login=True) as sink:
            channel = open_channel(sink, tls="starttls", username="jobs", password="s3cr3t")
            with pytest.raises(DeliveryError, match="certificate verify failed"):
                await channel.send(a_notification(), now_ms=NOW_MS)
            return sink

    assert [] == asyncio.run(send()).logins


def test_one_refused_recipient_does_not_cost_the_others_their_mail() -> None:
    """Trying again would send it twice to everybody else; the receipt names who is missing."""

    async def send() -> tuple[MailSink, str | None]:
        async with mail_sink() as sink:
            sink.answers["RCPT gone@b.example"] = "550 no such user"
            channel = open_channel(sink, tls="none", to=["ana@b.example", "gone@b.example"])
            receipt = await channel.send(a_notification(), now_ms=NOW_MS)
            return sink, receipt.problem

    sink, problem = asyncio.run(send())

    assert ["ana@b.example"] == sink.received[0].recipients
    assert "gone@b.example was refused: 550 no such user" == problem


@pytest.mark.slow
@pytest.mark.parametrize("limits", [SendLimits(read_ms=2_000), SendLimits(send_ms=3_000)], ids=["read", "send"])
def test_a_mail_that_was_taken_is_delivered_however_the_server_says_goodbye(limits: SendLimits) -> None:
    """After the server's yes nothing counts any more: a hanging goodbye must not send the mail again."""

    async def send() -> MailSink:
        async with mail_sink() as sink:
            sink.answers["QUIT"] = "hang"
            channel = open_channel(sink, tls="none", limits=limits)
            await channel.send(a_notification(), now_ms=NOW_MS)
            return sink

    assert 1 == len(asyncio.run(send()).received)


def test_a_server_that_goes_silent_is_waited_for_no_longer_than_one_read() -> None:
    """The limit of a read holds, not only the one of the whole send."""

    async def send() -> None:
        async with mail_sink() as sink:
            sink.answers["MAIL"] = "hang"
            limits = SendLimits(send_ms=30_000, connect_ms=30_000, read_ms=300)
            async with asyncio.timeout(15):
                await open_channel(sink, tls="none", limits=limits).send(a_notification(), now_ms=NOW_MS)

    with pytest.raises(DeliveryError):
        asyncio.run(send())


@pytest.mark.parametrize("talk_of", [b"220-and another thing\r\n" * 100, b"2" * 65_536], ids=["lines", "one line"])
def test_a_server_that_never_stops_talking_is_hung_up_on(talk_of: bytes) -> None:
    """No read takes long, and yet the greeting has no end: the connection is closed, and its thread with it."""

    async def send() -> None:
        hung_up = asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while not writer.is_closing():
                    writer.write(talk_of)
                    await writer.drain()
                    await asyncio.sleep(0)
            writer.close()
            hung_up.set()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        table = {"type": "smtp", "host": "127.0.0.1", "port": server.sockets[0].getsockname()[1], "to": ["a@b.example"]}
        channel = channel_from_table({**table, "tls": "none"}, Making(name="mail", limits=SendLimits(send_ms=500)))
        try:
            with pytest.raises(DeliveryError, match=r"connection failed|took too long|it answered"):
                await channel.send(a_notification(), now_ms=NOW_MS)
            await asyncio.wait_for(hung_up.wait(), 20)
        finally:
            server.close()
            await server.wait_closed()

    asyncio.run(send())
