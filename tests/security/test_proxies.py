"""Nobody chooses the address or the scheme under which he is seen, but for a proxy that is trusted."""

from __future__ import annotations

from pathlib import Path

from http_service import EVENTS, service

BEAT = {"type": "heartbeat", "job_id": "a"}


def test_forwarded_addresses_are_ignored_unless_the_proxy_is_trusted(tmp_path: Path) -> None:
    """A client cannot choose the address under which it is seen."""
    for name, arguments, expected in (
        ("spoofed", [], 200),
        ("proxied", ["--trusted-proxy", "127.0.0.0/8"], 401),
    ):
        folder = tmp_path / name
        folder.mkdir()
        with service(folder, *arguments) as running, running.client() as client:
            replied = client.post(EVENTS, json=BEAT, headers={"x-forwarded-for": "203.0.113.9"})

        assert expected == replied.status_code, name


def test_behind_a_trusted_proxy_the_origin_is_that_of_the_client(tmp_path: Path) -> None:
    """TLS ends at the proxy; the page's origin says https all the same."""
    headers = {"origin": "https://localhost", "host": "localhost", "x-forwarded-proto": "https"}
    for name, arguments, expected in (("direct", [], 403), ("proxied", ["--trusted-proxy", "127.0.0.1"], 200)):
        folder = tmp_path / name
        folder.mkdir()
        with service(folder, *arguments) as running, running.client() as client:
            assert expected == client.post(EVENTS, json=BEAT, headers=headers).status_code, name
