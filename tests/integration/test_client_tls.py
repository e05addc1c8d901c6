"""The client over https: whom it trusts, and what it says where it trusts nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import jobsight
from jobsight.client.settings import Settings
from jobsight.client.voice import Voice
from jobsight.testing.sinks import self_signed

SOON_S = 20


class Taking(BaseHTTPRequestHandler):
    """Answers every line as stored."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        lines = self.rfile.read(int(self.headers["Content-Length"])).splitlines()
        told = b'{"type": "status_updated"}\n' * len(lines)
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing is written."""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """An https server whose certificate, `cert.pem`, nobody has heard of."""
    tls = self_signed(tmp_path)
    if tls is None:
        pytest.skip("openssl is not installed")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    server.daemon_threads = True
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(SOON_S)
    server.server_close()


def test_a_certificate_that_is_not_trusted_is_said_with_its_remedy(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has to mend it, so it is no quiet absence; the reports wait, and go out once the remedy is taken."""
    said: list[str] = []
    settings = Settings(server=url, spool=tmp_path / "spool", retry_first_s=0.02, retry_max_s=0.05)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    refusing = jobsight.Client(settings=settings, voice=Voice(said.append, lambda _: None), flush_s=SOON_S)
    with jobsight.monitor("backup", client=refusing):
        pass
    refusing.close(SOON_S)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    trusting = jobsight.Client(settings=settings, voice=Voice(said.append, lambda _: None), flush_s=SOON_S)
    is_taken = trusting.flush(SOON_S)
    trusting.close(SOON_S)

    assert is_taken
    assert 1 == len(said)
    assert "its certificate is not trusted" in said[0]
    assert "SSL_CERT_FILE" in said[0]


def test_a_server_without_tls_is_said(tmp_path: Path) -> None:
    """https where only http is spoken never passes by itself, so it is no quiet absence."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    said: list[str] = []
    settings = Settings(server=f"https://127.0.0.1:{server.server_port}", spool=tmp_path / "spool")
    client = jobsight.Client(settings=settings, voice=Voice(said.append, lambda _: None))
    client.report("update_status", "j1", status="running")
    is_kept = client.close(SOON_S)
    server.shutdown()
    thread.join(SOON_S)
    server.server_close()

    assert is_kept
    assert 1 == len(said)
    assert "JOBSIGHT_SERVER begins with http://" in said[0]
