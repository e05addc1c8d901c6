"""
`/ping/...`: pings as Healthchecks takes them, on the hot path. A ping is answered once its report is durable.

Pings that come in at the same time share a commit with each other and with all other reports.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from math import ceil
from typing import Any, Final

import msgspec
from msgspec import Struct

from jobsight.core.ping_urls import PingUrl
from jobsight.core.state import State
from jobsight.engine.instruments import ObservedWriter
from jobsight.protocol.codec import Chunk, Codec
from jobsight.protocol.refusals import Refusal
from jobsight.protocol.session import Outcome
from jobsight.transports.http.bodies import Body
from jobsight.transports.http.exchange import STATUS, Headers, Receive, Scope, Send, reply
from jobsight.transports.http.peers import Peers
from jobsight.transports.http.ping_paths import Ping, PingRefusal, read_ping, slug_of
from jobsight.transports.http.ping_runs import BODY_BYTES_MAX, PingRuns
from jobsight.transports.http.rate import RateLimit

METHODS: Final = frozenset({"GET", "HEAD", "POST"})
SLUG_TASKS_MAX: Final = 200_000

TEXT: Final = b"text/plain; charset=utf-8"
HEADERS: Final = (
    (b"ping-body-limit", b"%d" % BODY_BYTES_MAX),
    (b"access-control-allow-origin", b"*"),
    (b"cache-control", b"no-cache, no-store, max-age=0, must-revalidate"),
    (b"referrer-policy", b"no-referrer"),
)
"""Of the answer to every ping."""

_encode: Final = msgspec.json.Encoder().encode


class Target(Struct, frozen=True, kw_only=True, gc=False):
    """Where a ping leads: its ping URL, and the task, which may be new."""

    ping: Ping
    url: PingUrl
    task: str
    is_new: bool


class Told(Struct, frozen=True, kw_only=True, gc=False):
    """The report that a ping became, as a line without its end."""

    line: bytes
    ping_id: str
    at_ms: int


class Pings:
    """
    Takes pings.

    Args:
        writer: Stores what they report.
        peers: Who is at the other end.
        rate: Turns of each ping URL.
        clock_ms: Wall time, ms since the epoch, UTC.
        inflated_bytes_max: What a packed body may unpack to.
    """

    def __init__(
        self,
        writer: ObservedWriter,
        *,
        peers: Peers,
        rate: RateLimit,
        clock_ms: Callable[[], int],
        inflated_bytes_max: int,
    ) -> None:
        self._writer = writer
        self._state: State = writer.state
        self._peers = peers
        self._rate = rate
        self._clock_ms = clock_ms
        self._inflated_bytes_max = inflated_bytes_max
        self._runs = PingRuns(writer.state)
        self._codec = Codec()
        self._slugs: dict[str, set[str]] = {}
        self._pairs_seen = 0
        self.last_ping_ms: dict[str, int] = {}

    async def __call__(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        """
        Answer one ping.

        Raises:
            Disconnected: The client has gone before its body was whole; nothing is stored.
            HttpRefusal: The body cannot be unpacked.
        """
        try:
            if scope["method"] not in METHODS:
                raise PingRefusal(405, "method not allowed")
            target = self.target(scope["path"], scope["query_string"])
            body = await self._body(headers, receive)
            told = self.read(target, body, self._peers.address_of(scope, headers))
            await self._store(told)
        except PingRefusal as why:
            self.count_refused(why)
            await reply(send, why.status, why.text.encode(), kind=TEXT, headers=HEADERS)
            return
        await reply(send, *answer_to(target), kind=TEXT, headers=HEADERS)

    def target(self, path: str, query: bytes) -> Target:
        """
        What a ping's address leads to.

        Args:
            path: Unquoted.
            query: As it came.

        Raises:
            PingRefusal: It leads nowhere, or it comes too often.
        """
        ping = read_ping(path, query)
        url = self._url(ping)
        task, is_new = self._task(ping, url)
        return Target(ping=ping, url=url, task=task, is_new=is_new)

    def read(self, target: Target, body: bytes, address: str) -> Told:
        """
        The report that a ping becomes.

        Args:
            target: Where it leads.
            body: What it brought; what is longer than `BODY_BYTES_MAX` is cut off.
            address: From where it came.
        """
        now_ms, ping = self._clock_ms(), target.ping
        report: dict[str, Any] = self._runs.report(ping, target.task, body[:BODY_BYTES_MAX], now_ms)
        if ping.is_creating and ping.options:
            report |= _expected(ping.options)
        line = _encode({"src": f"ping:{address}", "dest": "jobsight", "body": report})
        return Told(line=line, ping_id=target.url.ping_id, at_ms=now_ms)

    def chunk_of(self, told: Told) -> Chunk:
        """One ping's report by itself; PingRefusal (400) where the codec does not take it."""
        chunk = self._codec.read([told.line + b"\n"])
        if chunk.asides:
            item = chunk.asides[0].item
            raise PingRefusal(400, item.text if isinstance(item, Refusal) else "invalid url format")
        return chunk

    def chunk_of_all(self, told: Sequence[Told]) -> Chunk | None:
        """The reports of several pings; None where one of them wants a closer look."""
        return self._codec.read_reports([one.line for one in told])

    def note(self, told: Told, failure: Refusal | None) -> None:
        """A ping was stored; PingRefusal where it was not."""
        if failure is not None:
            raise PingRefusal(STATUS.get(failure.code, 500), failure.text)
        self._writer.instruments.pings += 1
        self.last_ping_ms[told.ping_id] = told.at_ms

    def count_refused(self, why: PingRefusal) -> None:
        """A ping was not taken."""
        self._writer.instruments.count_refused(f"ping_{why.status}")

    def _url(self, ping: Ping) -> PingUrl:
        url = self._state.ping_secrets.get(ping.secret)
        if url is None or (url.task is None) is not (ping.slug is not None):
            raise PingRefusal(404, "not found")
        wait_seconds = self._rate.wait_seconds(url.ping_id, time.monotonic())
        if wait_seconds:
            raise PingRefusal(429, f"too many pings; try again in {ceil(wait_seconds)} s")
        return url

    def _task(self, ping: Ping, url: PingUrl) -> tuple[str, bool]:
        """The task of a ping, and whether it is new."""
        if url.task is not None:
            return url.task, False
        slug = ping.slug
        assert slug is not None
        found = self._tasks_called(slug)
        if len(found) > 1 and slug not in found:
            raise PingRefusal(409, "ambiguous slug")
        if found:
            return (slug if slug in found else next(iter(found))), False
        if not ping.is_creating:
            raise PingRefusal(404, "not found")
        return slug, True

    def _tasks_called(self, slug: str) -> set[str]:
        """The tasks that a slug may mean: those that were ever heard of, and those that have a ping URL."""
        pairs, urls, checks = self._state.pairs, self._state.ping_urls, self._state.checks
        seen = len(pairs) + len(urls) + len(checks)
        if seen != self._pairs_seen:
            self._pairs_seen = seen
            for task in (*(task for task, _ in pairs), *(url.task for url in urls.values()), *checks):
                if task is not None and len(self._slugs) < SLUG_TASKS_MAX:
                    self._slugs.setdefault(slug_of(task), set()).add(task)
        return self._slugs.get(slug, set())

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        if b"content-length" not in headers and b"transfer-encoding" not in headers:
            return b""
        body = Body(receive, headers, inflated_bytes_max=self._inflated_bytes_max)
        kept = b""
        while not body.is_over:
            part = await body.part()
            if len(kept) < BODY_BYTES_MAX:
                kept = (kept + part)[:BODY_BYTES_MAX]
        return kept

    async def _store(self, told: Told) -> None:
        chunk = self.chunk_of(told)
        answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def deliver(outcome: Outcome) -> None:
            if not answered.done():
                answered.set_result(outcome)

        self._writer.submit(chunk, deliver)
        self.note(told, failure_of(chunk, await answered))


def answer_to(target: Target) -> tuple[int, bytes]:
    """Status and body of the answer to a ping that was stored."""
    return (201, b"Created") if target.is_new else (200, b"OK")


def failure_of(chunk: Chunk, outcome: Outcome, index: int = 0) -> Refusal | None:
    """Why a ping of a chunk was not stored; one that was refused for want of room has become an aside."""
    for before, aside in enumerate(chunk.asides):
        if aside.position + before == index and isinstance(aside.item, Refusal):
            return aside.item
    return outcome.failure


def _expected(options: dict[str, str]) -> dict[str, Any]:
    """What `create=1` says of the new task: a schedule with its zone and grace, and tags."""
    told: dict[str, Any] = {}
    if "tags" in options:
        told["labels"] = {"tags": options["tags"][:256]}
    if "schedule" in options:
        check: dict[str, Any] = {"schedule": options["schedule"], "tz": options.get("tz", "UTC")}
        if options.get("grace", "").isdigit():
            check["start_grace_ms"] = int(options["grace"]) * 1000
        told["check"] = check
    return told
