"""Pings on the hot path: those that come in together are read, stored and answered together."""

from __future__ import annotations

from functools import partial
from typing import Final

from jobsight.engine.writer import Writer
from jobsight.protocol.codec import Chunk
from jobsight.protocol.session import Outcome
from jobsight.transports.http.exchange import Headers
from jobsight.transports.http.hot import HotPaths, HotRequest
from jobsight.transports.http.peers import Peers
from jobsight.transports.http.ping_paths import PingRefusal
from jobsight.transports.http.pings import HEADERS, TEXT, Pings, Target, Told, answer_to, failure_of

_METHODS: Final = frozenset({b"GET", b"POST", b"HEAD"})
_HEADERS: Final = b"".join([b"%b: %b\r\n" % header for header in HEADERS])

_Plan = tuple[HotRequest, Target, Told]


class HotPings:
    """
    Answers pings.

    Args:
        pings: Knows what a ping means.
        writer: Stores what it becomes.
        peers: Who is at the other end.
        hot: Sends the answers.
    """

    def __init__(self, pings: Pings, *, writer: Writer, peers: Peers, hot: HotPaths) -> None:
        self._pings = pings
        self._writer = writer
        self._peers = peers
        self._reply = partial(hot.reply, kind=TEXT, headers=_HEADERS)

    def wants(self, method: bytes, url: bytes, headers: Headers) -> bool:
        """Every ping that is plain."""
        return method in _METHODS

    def answer(self, requests: list[HotRequest]) -> None:
        """Answer each once its report is durable."""
        plans: list[_Plan] = []
        for request in requests:
            path, _, query = request.url.partition(b"?")
            try:
                target = self._pings.target(path.decode("latin-1"), query.partition(b"#")[0])
            except PingRefusal as why:
                self._refuse(request, why)
                continue
            address = self._peers.address_of(request.connection.hot_scope, request.headers)
            plans.append((request, target, self._pings.read(target, request.body, address)))
        if not plans:
            return
        chunk = self._pings.chunk_of_all([told for _, _, told in plans])
        if chunk is not None:
            self._store(chunk, plans)
            return
        for plan in plans:
            try:
                self._store(self._pings.chunk_of(plan[2]), [plan])
            except PingRefusal as why:
                self._refuse(plan[0], why)

    def _store(self, chunk: Chunk, plans: list[_Plan]) -> None:
        def deliver(outcome: Outcome) -> None:
            for index, (request, target, told) in enumerate(plans):
                try:
                    self._pings.note(told, failure_of(chunk, outcome, index))
                except PingRefusal as why:
                    self._refuse(request, why)
                else:
                    self._reply(request, *answer_to(target))

        self._writer.submit(chunk, deliver)

    def _refuse(self, request: HotRequest, why: PingRefusal) -> None:
        self._pings.count_refused(why)
        self._reply(request, why.status, why.text.encode())
