"""HTTPS: certificates are checked, and a channel made in the UI connects to exactly the address that was checked."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from jobsight.errors import DeliveryError
from jobsight.notifiers.base import Making
from jobsight.notifiers.limits import SendLimits
from jobsight.notifiers.masking import Mask, Secret
from jobsight.notifiers.outgoing import HttpClient, Post
from jobsight.notifiers.registry import channel_from_table
from jobsight.testing.notifiers import NOW_MS, a_notification
from jobsight.testing.sinks import http_sink, self_signed


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    context = self_signed(tmp_path)
    if context is None:
        pytest.skip("openssl is not installed")
    return context


def test_a_certificate_counts_only_by_an_authority_that_is_known(tls: ssl.SSLContext, tmp_path: Path) -> None:
    """Without `ca_file` nothing is sent to a server that nobody vouches for; with it, it is."""

    async def send() -> int:
        async with http_sink(tls=tls) as sink:
            table = {"type": "webhook", "url": sink.url("/hook")}
            with pytest.raises(DeliveryError, match="certificate verify failed"):
                await channel_from_table(table, Making(name="ops")).send(a_notification(), now_ms=NOW_MS)
            trusting = channel_from_table({**table, "ca_file": str(tmp_path / "cert.pem")}, Making(name="ops"))
            await trusting.send(a_notification(), now_ms=NOW_MS)
            return len(sink.received)

    assert 1 == asyncio.run(send())


@pytest.mark.slow
@pytest.mark.parametrize("limits", [SendLimits(read_ms=1_000), SendLimits(send_ms=2_000)], ids=["read", "send"])
@pytest.mark.parametrize("mode", ["slow", "endless"])
def test_a_status_is_a_yes_whatever_becomes_of_the_body(mode: str, limits: SendLimits) -> None:
    """A receiver that says 200 has it: sending again because its body never ends would page somebody twice."""

    async def send() -> str:
        async with http_sink() as sink:
            sink.mode = mode
            channel = channel_from_table({"type": "webhook", "url": sink.url("/")}, Making(name="ops", limits=limits))
            return (await channel.send(a_notification(), now_ms=NOW_MS)).detail

    assert "200" == asyncio.run(send())


def test_no_more_of_an_answer_is_read_than_its_limit() -> None:
    """An answer without end costs 64 KiB, not the memory of the monitor."""

    async def send() -> int:
        async with http_sink() as sink:
            sink.mode = "endless"
            client = HttpClient(mask=Mask([]), limits=SendLimits())
            answer = await client.send(Post(url=Secret(sink.url("/")), body=b"", headers={}), now_ms=NOW_MS)
            return len(answer.body)

    assert 64 * 1024 == asyncio.run(send())


def test_user_and_password_of_a_url_are_sent_as_a_header() -> None:
    """`https://user:password@host/` works as it does elsewhere; percent-encoded characters are decoded."""

    async def send() -> str:
        async with http_sink() as sink:
            url = sink.url("/hook").replace("http://", "http://ana:p%2Fw@")
            await channel_from_table({"type": "webhook", "url": url}, Making(name="ops")).send(
                a_notification(), now_ms=0
            )
            return sink.received[0].headers["authorization"]

    assert "Basic YW5hOnAvdw==" == asyncio.run(send())


def test_an_unknown_host_is_told_as_the_system_tells_it() -> None:
    """Where the system knows for certain that there is no such host, three tries are enough."""
    try:
        socket.getaddrinfo("nowhere.invalid", 80)
    except socket.gaierror as error:
        is_certain = error.errno == socket.EAI_NONAME
    channel = channel_from_table({"type": "webhook", "url": "http://nowhere.invalid/"}, Making(name="ops"))

    with pytest.raises(DeliveryError, match="the host is not known") as caught:
        asyncio.run(channel.send(a_notification(), now_ms=0))
    assert is_certain == caught.value.is_refusal


# Runs where a public address is on this host's own loopback. The name leads to it once, to the house afterwards.
REBINDING = """
import asyncio, ssl, sys
from jobsight.notifiers.limits import SendLimits
from jobsight.notifiers.masking import Mask, Secret
from jobsight.notifiers.outgoing import HttpClient, Post
from jobsight.testing.sinks import HttpSink

folder, answers = sys.argv[1], [["93.184.216.34"], ["127.0.0.1"]]

async def resolver(host, port):
    return answers.pop(0)

async def main():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
    public, house = HttpSink(), HttpSink()
    names = []
    tls.sni_callback = lambda connection, name, context: names.append(name)
    servers = [
        await asyncio.start_server(sink.serve, address, 4443, ssl=tls)
        for sink, address in ((public, "93.184.216.34"), (house, "127.0.0.1"))
    ]
    client = HttpClient(mask=Mask([]), limits=SendLimits(), is_guarded=True, resolver=resolver)
    post = Post(url=Secret("https://hook.example.org:4443/x"), body=b"{}", headers={})
    print((await client.send(post, now_ms=0)).status)
    try:
        await client.send(post, now_ms=0)
    except Exception as error:
        print(error)
    print(len(public.received), house.accepted, names, public.received[0].headers["host"])

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_name_that_leads_elsewhere_the_second_time_does_not_get_in(tls: ssl.SSLContext, tmp_path: Path) -> None:
    """
    The connection goes to the address that was checked, with the name in TLS and in the Host header; a name that is
    bound again to an address of the house reaches nothing.
    """
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare and ip are needed for a network of its own")
    (tmp_path / "rebinding.py").write_text(REBINDING)
    setup = 'ip link set lo up && ip addr add 93.184.216.34/32 dev lo && exec "$0" "$@"'
    command = ["unshare", "--map-root-user", "--net", "sh", "-c", setup, sys.executable]
    ran = subprocess.run(
        [*command, str(tmp_path / "rebinding.py"), str(tmp_path)],
        env={**os.environ, "SSL_CERT_FILE": str(tmp_path / "cert.pem")},
        capture_output=True,
        text=True,
        timeout=50,
    )
    if ran.returncode and "Operation not permitted" in ran.stderr:
        pytest.skip("this host does not allow a network of one's own")

    status, refusal, counts = ran.stdout.splitlines()
    assert "200" == status
    assert "an address that is not public" in refusal
    assert "1 0 ['hook.example.org'] hook.example.org:4443" == counts, ran.stderr
