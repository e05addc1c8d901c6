"""The real service as a process, with deadlines instead of waiting, and raw connections for what no client would do."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
from faults.length import IS_LONG

JOBSIGHT = str(Path(sys.executable).parent / "jobsight")
EVENTS = "/api/v1/events"
NDJSON = {"content-type": "application/x-ndjson"}
DEADLINE_S = 120 if IS_LONG else 60

Found = TypeVar("Found")


def environment(**further: str) -> dict[str, str]:
    """The process's environment without settings of this machine's user."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBSIGHT_")}
    return {**kept, **further}


def jobsight(*arguments: object, **further: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [JOBSIGHT, *map(str, arguments)], capture_output=True, text=True, timeout=DEADLINE_S, env=environment(**further)
    )


def until(condition: Callable[[], Found | None], what: str) -> Found:
    """Look again and again until there is something, for as long as the deadline allows."""
    ends = time.monotonic() + DEADLINE_S
    while time.monotonic() < ends:
        found = condition()
        if found:
            return found
        select_briefly()
    raise AssertionError(f"waited {DEADLINE_S} s for {what}")


def select_briefly() -> None:
    """Give the processor away for a moment between two looks."""
    os.sched_yield()
    with socket.socket() as nothing:
        nothing.settimeout(0.01)
        try:
            nothing.accept()
        except OSError:
            return


class Service:
    """A running service."""

    def __init__(self, process: subprocess.Popen[bytes], data: Path, errors: Path) -> None:
        self.process = process
        self.data = data
        self.errors = errors
        self.url = ""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def said(self) -> str:
        """Everything on stderr so far."""
        return self.errors.read_text()

    def wait_until_open(self) -> None:
        """Find out the address, or fail with what it said instead."""

        def address() -> str | None:
            assert self.process.poll() is None, self.said()
            match = re.search(r"^jobsight: try: .*? (https?://\S+)/api", self.said(), re.MULTILINE)
            return match[1] if match else None

        self.url = until(address, "the service to open")

    def client(self, token: str | None = None, **further: Any) -> httpx.Client:
        """An HTTP client of it, with a token."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=DEADLINE_S, trust_env=False, **further)

    def control(self) -> httpx.Client:
        """A client on its control socket."""
        transport = httpx.HTTPTransport(uds=str(self.data / "control.sock"))
        return httpx.Client(transport=transport, base_url="http://localhost", timeout=DEADLINE_S)

    def post(self, message: Mapping[str, Any], **further: Any) -> httpx.Response:
        """One message."""
        with self.client() as client:
            return client.post(EVENTS, json=message, **further)

    def stats(self, **fields: Any) -> dict[str, Any]:
        """What `get_stats` answers, asked on the control socket."""
        with self.control() as client:
            answer: dict[str, Any] = client.post(EVENTS, json={"type": "get_stats", **fields}).json()
            return answer

    def connect(self) -> RawConnection:
        """A connection on which anything can be sent."""
        return RawConnection(socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S))

    def create_token(self, scope: str, **further: Any) -> str:
        """A token, made through the control socket."""
        with self.control() as client:
            made = client.post("/api/v1/tokens", json={"scope": scope, **further})
            assert made.status_code == 201, made.text
            return str(made.json()["token"])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)


class RawConnection:
    """A socket that is read as far as a test wants."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.read = b""

    def send(self, data: bytes) -> None:
        """All of it."""
        self.socket.sendall(data)

    def receive_until(self, end: bytes) -> bytes:
        """What comes up to and with `end`; AssertionError where the connection ends before."""
        while end not in self.read:
            part = self.socket.recv(65536)
            assert part, f"the connection ended after {self.read[-300:]!r}"
            self.read += part
        found, _, self.read = self.read.partition(end)
        return found + end

    def receive_rest(self) -> bytes:
        """What comes until the other side closes, gracefully or not."""
        try:
            while part := self.socket.recv(65536):
                self.read += part
        except ConnectionResetError:
            pass
        rest, self.read = self.read, b""
        return rest

    def close(self) -> None:
        """End it."""
        self.socket.close()


def head(length: int | None, kind: str = "application/x-ndjson", further: str = "") -> bytes:
    """The head of a POST to the events, with a length or in chunks."""
    body = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"POST {EVENTS} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n{body}\r\n{further}\r\n".encode()


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


@contextmanager
def service(folder: Path, *arguments: object, config: str | None = None, **further: str) -> Iterator[Service]:
    """
    A service on a free port of loopback, unless the arguments say otherwise; it is ended at the end of the block.

    Args:
        folder: Of the test; the data folder in it is kept from one service to the next.
        arguments: Further ones of `jobsight serve`.
        config: Text of a configuration file.
        further: Variables of the environment.
    """
    words = [str(word) for word in arguments]
    if config is not None:
        (folder / "jobsight.toml").write_text(config)
        words += ["--config", str(folder / "jobsight.toml")]
    if "--listen" not in words:
        words += ["--listen", "127.0.0.1:0"]
    data, errors = folder / "data", folder / "stderr"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [JOBSIGHT, "serve", "--data", str(data), *words],
            stdin=subprocess.DEVNULL,
            stderr=stderr,
            cwd=folder,
            env=environment(**further),
        )
    running = Service(process, data, errors)
    try:
        running.wait_until_open()
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def lines_of(answer: httpx.Response) -> list[dict[str, Any]]:
    """The replies of a stream."""
    return [json.loads(line) for line in answer.text.splitlines()]
