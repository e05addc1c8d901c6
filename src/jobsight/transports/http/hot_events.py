"""Single reports on the hot path: those of one sender that come in together are read, stored and answered together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from jobsight.engine.writer import Writer
from jobsight.protocol.codec import Chunk
from jobsight.protocol.refusals import Code, Refusal
from jobsight.protocol.replies import error_body
from jobsight.protocol.session import Outcome
from jobsight.transports.http.access import Access, Caller
from jobsight.transports.http.exchange import JSON, Headers, HttpRefusal
from jobsight.transports.http.hot import HotPaths, HotRequest
from jobsight.transports.http.ingest import RETRY_AFTER, Ingest, status_of
from jobsight.transports.http.routes import Endpoint

_RETRY_LINE: Final = b"%b: %b\r\n" % RETRY_AFTER
_BLANKS: Final = b" \t\r\n"


class HotEvents:
    """
    Answers single messages.

    Args:
        events: The route.
        ingest: Reads and words what is not plain.
        writer: Stores what was read.
        access: Decides who may.
        hot: Sends the answers.
        count_refused: Told why a request was not taken, in a word.
    """

    def __init__(
        self,
        events: Endpoint,
        *,
        ingest: Ingest,
        writer: Writer,
        access: Access,
        hot: HotPaths,
        count_refused: Callable[[str], None],
    ) -> None:
        self._method = events.method.encode()
        self._path = events.path
        self._url = events.path.encode()
        self._ingest = ingest
        self._writer = writer
        self._access = access
        self._reply = hot.reply
        self._count_refused = count_refused

    def wants(self, method: bytes, url: bytes, headers: Headers) -> bool:
        """Whether this is a single message."""
        return url == self._url and method == self._method and headers.get(b"content-type") == JSON

    def answer(self, requests: list[HotRequest]) -> None:
        """Answer each once it is durable."""
        by_sender: dict[str, tuple[Caller, list[HotRequest]]] = {}
        for request in requests:
            try:
                caller = self._caller(request)
            except HttpRefusal as why:
                self._refuse(request, why, "")
            else:
                by_sender.setdefault(caller.name, (caller, []))[1].append(request)
        for caller, group in by_sender.values():
            self._take(group, caller)

    def _caller(self, request: HotRequest) -> Caller:
        scope = request.connection.hot_scope
        caller = self._access.identify(scope, request.headers)
        if not caller.has_token:
            self._access.check_change(scope, request.headers, caller, self._path)
        return caller

    def _take(self, requests: list[HotRequest], caller: Caller) -> None:
        """All at once where each is one plain report, else one after the other."""
        lines = [request.body.strip(_BLANKS) for request in requests]
        is_plain = all(b"\n" not in line and line.startswith(b"{") for line in lines)
        chunk = self._ingest.codec(caller.name).read_reports(lines) if is_plain else None
        if chunk is None:
            for request in requests:
                self._take_one(request, caller)
            return
        together = chunk

        def deliver(outcome: Outcome) -> None:
            answers, codes = self._ingest.answers(together, outcome), _codes_of(together, outcome, len(requests))
            for request, answer, code in zip(requests, answers, codes, strict=True):
                status = status_of(code)
                headers = _RETRY_LINE if status == 503 else b""
                self._reply(request, status, answer, headers=headers, caller=caller.name)

        self._writer.submit(together, deliver)

    def _take_one(self, request: HotRequest, caller: Caller) -> None:
        try:
            chunk = self._ingest.read_one(request.body, caller)
        except HttpRefusal as why:
            self._refuse(request, why, caller.name)
            return

        def deliver(outcome: Outcome) -> None:
            status, answer, further = self._ingest.answer_one(chunk, outcome)
            headers = b"".join([b"%b: %b\r\n" % header for header in further])
            self._reply(request, status, answer, headers=headers, caller=caller.name)

        self._writer.submit(chunk, deliver)

    def _refuse(self, request: HotRequest, why: HttpRefusal, caller: str) -> None:
        self._count_refused(f"http_{why.status}")
        headers = b"".join([b"%b: %b\r\n" % header for header in why.headers])
        self._reply(request, why.status, error_body(why.refusal).encode() + b"\n", headers=headers, caller=caller)


def _codes_of(chunk: Chunk, outcome: Outcome, count: int) -> list[Code | None]:
    """The error code of each message of a chunk; reports that were refused for want of room have become asides."""
    codes: list[Code | None] = [None if outcome.failure is None else outcome.failure.code] * count
    for before, aside in enumerate(chunk.asides):
        if isinstance(aside.item, Refusal):
            codes[aside.position + before] = aside.item.code
    return codes
