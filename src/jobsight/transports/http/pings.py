"""
`/ping/...`: pings as Healthchecks takes them, on the hot path. A ping is answered once its report is durable.

Pings that come in at the same time share a commit with each other and with all other reports.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from math import ceil
from typing import Any, Final

import msgspec

from jobsight.core.ping_urls import PingUrl
from jobsight.core.state import State
from jobsight.engine.instruments import ObservedWriter
from jobsight.protocol.codec import Codec
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

_TEXT: Final = b"text/plain; charset=utf-8"
_HEADERS: Final = (
    (b"ping-body-limit", b"%d" % BODY_BYTES_MAX),
    (b"access-control-allow-origin", b"*"),
    (b"cache-control", b"no-cache, no-store, max-age=0, must-revalidate"),
    (b"referrer-policy", b"no-referrer"),
)
_encode: Final = msgspec.json.Encoder().encode


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
            ping = read_ping(scope["path"], scope["query_string"])
            url = self._url(ping)
            task, is_new = self._task(ping, url)
            body = await self._body(headers, receive)
            await self._store(ping, url, task, body, self._peers.address_of(scope, headers))
        except PingRefusal as why:
            self._writer.instruments.count_refused(f"ping_{why.status}")
            await reply(send, why.status, why.text.encode(), kind=_TEXT, headers=_HEADERS)
            return
        await reply(send, 201 if is_new else 200, b"Created" if is_new else b"OK", kind=_TEXT, headers=_HEADERS)

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

    async def _store(self, ping: Ping, url: PingUrl, task: str, body: bytes, address: str) -> None:
        now_ms = self._clock_ms()
        report: dict[str, Any] = self._runs.report(ping, task, body, now_ms)
        if ping.is_creating and ping.options:
            report |= _expected(ping.options)
        line = _encode({"src": f"ping:{address}", "dest": "jobsight", "body": report})
        chunk = self._codec.read([line + b"\n"])
        if chunk.asides:
            item = chunk.asides[0].item
            raise PingRefusal(400, item.text if isinstance(item, Refusal) else "invalid url format")
        answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def deliver(outcome: Outcome) -> None:
            if not answered.done():
                answered.set_result(outcome)

        self._writer.submit(chunk, deliver)
        failure = (await answered).failure
        if failure is not None:
            raise PingRefusal(STATUS.get(failure.code, 500), failure.text)
        self._writer.instruments.pings += 1
        self.last_ping_ms[url.ping_id] = now_ms


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
