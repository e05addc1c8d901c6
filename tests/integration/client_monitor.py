"""
Monitors for the client's tests: the service itself in a process that can be killed, and a real node behind a small HTTP
server in the test's own process, which takes faults on demand and shows what it was sent.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jobsight
from jobsight.client.settings import Settings

START_S = 20
ACCEPTED = "accepted.ndjson"

Fault = Callable[["Exchange"], bool]
"""Told of a request before it is processed; True when it was answered."""


class Monitor:
    """
    Listens on a port of this machine until `stop`.

    Args:
        folder: Where accepted reports stand, one a line; they are read again at the start.
        port: 0 for any free one.
        token: The only one that may report; None lets everybody.
        spool: Where a program leaves what it could not send within its two seconds, as on a machine that is busy; `reports`
            has it sent first. None where nothing but the programs themselves is to send it.
    """

    def __init__(self, folder: Path, port: int = 0, token: str | None = None, spool: Path | None = None) -> None:
        self.token = token
        self._spool = spool
        self.faults: deque[Fault] = deque()
        self.arrived = 0
        self.requests: list[list[dict[str, Any]]] = []
        self.folder = folder
        self.changed = threading.Condition()
        self._lock = threading.Lock()
        self._node = subprocess.Popen(
            [sys.executable, "-m", "jobsight", "node", "--replies", "body"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / ACCEPTED
        if self._file.exists():
            self._process(self._file.read_bytes())
        self._server = Listener(("127.0.0.1", port), Exchange)
        self._server.monitor = self
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port, and every connection."""
        self._server.shutdown()
        self._server.close_all()
        self._server.server_close()
        self._thread.join()
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.close()
        self._node.wait(START_S)
        self._node.stdout.close()

    def take(self, body: bytes) -> bytes:
        """Accept what a request brought, and word the replies."""
        with self._lock:
            replies = self._process(body)
            lines = zip(lines_of(body), replies.splitlines(), strict=True)
            with self._file.open("ab") as file:
                file.writelines(line + b"\n" for line, reply in lines if b'"type": "error"' not in reply)
        with self.changed:
            self.requests.append([json.loads(line) for line in lines_of(body)])
            self.changed.notify_all()
        return replies

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 20) -> bool:
        """Wait until a condition holds; it is looked at after each request."""
        with self.changed:
            return self.changed.wait_for(condition, timeout_s)

    def reports(self) -> list[dict[str, Any]]:
        """The bodies that were accepted, in order, without repetitions."""
        if self._spool is not None:
            with jobsight.Client(settings=Settings(server=self.url, spool=self._spool)) as client:
                assert client.flush(START_S)
        return reports_in(self.folder)

    def stats(self) -> dict[str, Any]:
        """What `get_stats` answers."""
        with self._lock:
            stats: dict[str, Any] = json.loads(self._process(b'{"type": "get_stats"}\n'))
        return stats

    def _process(self, body: bytes) -> bytes:
        """Hand lines to the node one by one, and collect its replies."""
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        replies = b""
        for line in lines_of(body):
            self._node.stdin.write(line + b"\n")
            self._node.stdin.flush()
            replies += self._node.stdout.readline()
        return replies


class Listener(ThreadingHTTPServer):
    """Remembers its connections, so that it can cut them."""

    daemon_threads = True
    allow_reuse_address = True
    monitor: Monitor

    def __init__(self, *arguments: Any) -> None:
        self._open: set[Any] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_all(self) -> None:
        """Cut every connection."""
        for request in list(self._open):
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no trouble."""


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def do_POST(self) -> None:
        """Answer a POST to the one address that there is."""
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        monitor = self.server.monitor
        with monitor.changed:
            monitor.arrived += 1
            monitor.changed.notify_all()
        if monitor.faults and monitor.faults.popleft()(self):
            return
        if self.path != "/api/v1/events":
            self.reply(404, b"")
        elif monitor.token is not None and self.headers["Authorization"] != f"Bearer {monitor.token}":
            self.reply(401, b"")
        else:
            self.reply(200, monitor.take(self.body))

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        """Send a whole answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        with self.server.monitor.changed:
            self.server.monitor.changed.notify_all()

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""


def lines_of(body: bytes) -> list[bytes]:
    """The lines of a request that are messages."""
    return [line for line in body.split(b"\n") if line.strip()]


def answers(status: int, body: bytes = b"", **headers: str) -> Fault:
    """A fault: this answer, with nothing processed."""

    def fault(exchange: Exchange) -> bool:
        exchange.reply(status, body, **headers)
        return True

    return fault


def is_full(exchange: Exchange) -> bool:
    """A fault: no line is stored, and each is answered so."""
    refused = b'{"type": "error", "code": 11, "text": "the store is full"}\n'
    exchange.reply(200, refused * len(lines_of(exchange.body)))
    return True


def loses_the_answer(exchange: Exchange) -> bool:
    """A fault: everything is processed, and the connection cut before the answer."""
    exchange.server.monitor.take(exchange.body)
    exchange.close_connection = True
    exchange.connection.shutdown(2)
    return True


def breaks_off(exchange: Exchange) -> bool:
    """A fault: everything is processed, and the connection cut in the middle of the answer, whose length was told."""
    told = exchange.server.monitor.take(exchange.body)
    exchange.send_response(200)
    exchange.send_header("Content-Length", str(len(told)))
    exchange.end_headers()
    exchange.wfile.write(told[: len(told) // 2])
    exchange.close_connection = True
    return True


def waits_for(event: threading.Event) -> Fault:
    """A fault: the request is held until the event is set, then processed."""

    def fault(_: Exchange) -> bool:
        assert event.wait(30)
        return False

    return fault


def reports_in(folder: Path) -> list[dict[str, Any]]:
    """The bodies that a monitor accepted into its folder, in order, without what it knows for a repetition."""
    file = folder / ACCEPTED
    return without_repetitions(json.loads(line) for line in (file.read_bytes().splitlines() if file.exists() else []))


def without_repetitions(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The bodies of messages; one that equals its job's last one, sender and all, is a repetition."""
    last: dict[str, Any] = {}
    bodies = []
    for message in messages:
        job_id = message["body"]["job_id"]
        if last.get(job_id) != message:
            bodies.append(message["body"])
        last[job_id] = message
    return bodies


class MonitorProcess:
    """The service itself, `jobsight serve`, in a process of its own. It keeps its port and folder when it is started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        where = ["--data", str(self.folder / "data"), "--listen", f"127.0.0.1:{self.port}"]
        command = [sys.executable, "-m", "jobsight", "serve", *where]
        self._process = subprocess.Popen(  # unbuffered: what is read ahead would be hidden from `select`
            command, cwd=self.folder, env=environment(), stderr=subprocess.PIPE, bufsize=0
        )
        assert self._process.stderr is not None
        said = b""
        while not said.startswith(b"jobsight: listening on "):
            ready, _, _ = select.select([self._process.stderr], [], [], START_S)
            assert ready, "the monitor does not start"
            said = self._process.stderr.readline()
            assert said, "the monitor ends"
        self.url = said.split()[-1].decode()
        self.port = int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            assert self._process.stderr is not None
            self._process.stderr.close()
            self._process = None

    def stop_answering(self) -> None:
        """Stop it where it stands: its port takes connections, and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def reports(self) -> list[dict[str, Any]]:
        """The bodies in its log, in order, without what it knows for a repetition."""
        events = [json.loads(line) for line in self._ask("log", "cat").splitlines()]
        return without_repetitions(event["message"] for event in events if event["kind"] == "reports")

    def stats(self) -> dict[str, Any]:
        """What `get_stats` answers."""
        stats: dict[str, Any] = json.loads(self._ask("stats", "--json"))
        return stats

    def _ask(self, *command: str) -> str:
        line = [sys.executable, "-m", "jobsight", *command, "--data", str(self.folder / "data")]
        return subprocess.run(
            line, env=environment(), check=True, capture_output=True, text=True, timeout=START_S
        ).stdout


def environment(**further: str) -> dict[str, str]:
    """The environment of a process, without settings of this machine's user."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("JOBSIGHT_")}, **further}
