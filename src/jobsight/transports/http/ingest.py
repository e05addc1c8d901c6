"""
`POST /api/v1/events`: one message, or a stream of lines that is answered while it comes in.

All requests share the writer, so what comes in at the same time becomes durable by one commit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec import UNSET

from jobsight.core.tokens import TokenScope
from jobsight.engine.writer import Writer
from jobsight.protocol.codec import Aside, Chunk, Codec
from jobsight.protocol.framing import BYTE_ORDER_MARK
from jobsight.protocol.limits import LINE_BYTES_MAX
from jobsight.protocol.messages import AcknowledgeAlert, Init
from jobsight.protocol.refusals import Code, Refusal, refusal
from jobsight.protocol.replies import error_body
from jobsight.protocol.session import Outcome, ReplyForm, Session
from jobsight.transports.http.access import Caller
from jobsight.transports.http.bodies import Body
from jobsight.transports.http.exchange import (
    JSON,
    NDJSON,
    RETRY_SECONDS,
    STATUS,
    Headers,
    HttpRefusal,
    Receive,
    Send,
    reply,
    too_large,
)

IN_FLIGHT_MAX: Final = 8
"""Chunks of one request that may wait for the log or for the client to take their replies; above, reading stops."""

CODECS_MAX: Final = 16
"""Senders of single messages whose job ids are remembered as valid."""

_NDJSON_NAMES: Final = frozenset({NDJSON, b"application/ndjson", b"application/jsonl", b"application/x-jsonlines"})
RETRY_AFTER: Final = (b"retry-after", b"%d" % RETRY_SECONDS)
"""Tells a client when to come again."""


class Ingest:
    """
    Takes reports in, and answers them.

    Args:
        writer: Owned by the loop's thread, which is also the one that calls this.
        inflated_bytes_max: What a packed body may unpack to.
        report_unanswered: Told what could not be answered to anybody.
    """

    def __init__(self, writer: Writer, *, inflated_bytes_max: int, report_unanswered: Callable[[str], None]) -> None:
        self._writer = writer
        self._inflated_bytes_max = inflated_bytes_max
        self._report_unanswered = report_unanswered
        self._wording = Session(ReplyForm.BODY, report_unanswered)
        self._codecs: dict[str, Codec] = {}
        self._streams: set[_Stream] = set()
        self._is_stopping = False

    async def __call__(self, headers: Headers, receive: Receive, send: Send, caller: Caller) -> None:
        """
        Answer one request.

        Raises:
            HttpRefusal: It is answered with an error; nothing of it was stored.
            Disconnected: The client has gone; whole lines that came before are stored.
        """
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        body = Body(receive, headers, inflated_bytes_max=self._inflated_bytes_max)
        if kind == JSON:
            if int(headers.get(b"content-length", b"0")) > LINE_BYTES_MAX:
                raise too_large(LINE_BYTES_MAX)
            await self._take_one(await body.whole(LINE_BYTES_MAX), send, caller)
        elif kind in _NDJSON_NAMES:
            await self._take_stream(body, send, caller)
        else:
            text = "Content-Type: expected application/json (one message) or application/x-ndjson (one a line)"
            raise HttpRefusal(415, Code.MALFORMED_REQUEST, text)

    def stop(self) -> None:
        """End every stream after what was read of it; called once, by the loop's thread."""
        self._is_stopping = True
        for stream in self._streams:
            stream.stop()

    async def _take_one(self, body: bytes, send: Send, caller: Caller) -> None:
        chunk = self.read_one(body, caller)
        status, text, headers = self.answer_one(chunk, await self._store(chunk))
        await reply(send, status, text, headers=headers)

    def read_one(self, body: bytes, caller: Caller) -> Chunk:
        """The one message of a body; HttpRefusal (400) where it holds none, or more."""
        codec = self.codec(caller.name)
        chunk = codec.read([body.removeprefix(BYTE_ORDER_MARK).strip(b" \t\r\n") + b"\n"])
        fragment = codec.finish()
        if fragment or len(chunk.reports) + len(chunk.asides) != 1:
            raise HttpRefusal(400, Code.MALFORMED_REQUEST, _not_one(chunk, fragment))
        _restrict(chunk, caller)
        return chunk

    def answer_one(self, chunk: Chunk, outcome: Outcome) -> tuple[int, bytes, tuple[tuple[bytes, bytes], ...]]:
        """Status, body and further headers of the answer to a chunk of one message."""
        status = status_of(_code_of(chunk, outcome))
        return status, self._wording.replies(chunk, outcome), (RETRY_AFTER,) if status == 503 else ()

    def answers(self, chunk: Chunk, outcome: Outcome) -> list[bytes]:
        """The answers to a chunk of several messages, in their order, each closed by a newline."""
        return self._wording.replies(chunk, outcome).splitlines(keepends=True)

    def codec(self, source: str) -> Codec:
        """One for each sender, since it remembers what was valid."""
        codec = self._codecs.pop(source, None)
        if codec is None:
            if len(self._codecs) >= CODECS_MAX:
                del self._codecs[next(iter(self._codecs))]
            codec = Codec(source)
        self._codecs[source] = codec
        return codec

    def _store(self, chunk: Chunk) -> asyncio.Future[Outcome]:
        answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def deliver(outcome: Outcome) -> None:
            if not answered.done():
                answered.set_result(outcome)

        self._writer.submit(chunk, deliver)
        return answered

    async def _take_stream(self, body: Body, send: Send, caller: Caller) -> None:
        session = Session(ReplyForm.BODY, self._report_unanswered, default_source=caller.name)
        stream = _Stream(self._writer, session, send, caller)
        if self._is_stopping:
            raise HttpRefusal(503, Code.TEMPORARILY_UNAVAILABLE, "the monitor is stopping", headers=(RETRY_AFTER,))
        self._streams.add(stream)
        try:
            await stream.run(body)
        finally:
            self._streams.discard(stream)


class _Stream:
    """One stream of lines: this task reads and submits, another one sends the replies, in order."""

    def __init__(self, writer: Writer, session: Session, send: Send, caller: Caller) -> None:
        self._writer = writer
        self._session = session
        self._send = send
        self._caller = caller
        self._in_flight = 0
        self._outcomes: deque[tuple[Chunk, Outcome]] = deque()
        self._change = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._is_read = False
        self._is_stopping = False
        self._has_started = False

    async def run(self, body: Body) -> None:
        """
        Read until the end, and answer everything that was read.

        Raises:
            HttpRefusal: The body is unusable from its start on.
            Disconnected: The client has gone.
        """
        self._reader = asyncio.current_task()
        sender = asyncio.create_task(self._send_replies())
        ending = b""
        try:
            await self._read(body)
        except HttpRefusal as why:
            if not self._has_started and not self._in_flight:
                sender.cancel()
                raise
            ending = error_body(why.refusal).encode() + b"\n"
        except BaseException:
            sender.cancel()
            raise
        self._is_read = True
        self._change.set()
        await sender
        await self._finish(ending)

    def stop(self) -> None:
        """Read no further."""
        if self._reader is not None and not self._is_read:
            self._is_stopping = True
            self._reader.cancel()

    async def _read(self, body: Body) -> None:
        try:
            while not body.is_over:
                self._submit(self._session.feed(await body.part()))
                while self._in_flight >= IN_FLIGHT_MAX:
                    self._change.clear()
                    await self._change.wait()
        except asyncio.CancelledError:
            if not self._is_stopping or self._reader is None:
                raise
            self._reader.uncancel()
            return
        self._submit(self._session.finish())

    def _submit(self, chunk: Chunk) -> None:
        if not chunk.reports and not chunk.asides:
            return
        _restrict(chunk, self._caller)
        self._in_flight += 1
        self._writer.submit(chunk, lambda outcome: self._note(chunk, outcome))

    def _note(self, chunk: Chunk, outcome: Outcome) -> None:
        self._outcomes.append((chunk, outcome))
        self._change.set()

    async def _send_replies(self) -> None:
        while True:
            while not self._outcomes:
                if self._is_read and not self._in_flight:
                    return
                self._change.clear()
                await self._change.wait()
            answered = list(self._outcomes)
            self._outcomes.clear()
            replies = b"".join([self._session.replies(chunk, outcome) for chunk, outcome in answered])
            if not self._has_started:
                self._has_started = True
                await self._send(_STREAM_START)
            await self._send({"type": "http.response.body", "body": replies, "more_body": True})
            self._in_flight -= len(answered)
            self._change.set()

    async def _finish(self, ending: bytes) -> None:
        if not self._has_started:
            await self._send(_STREAM_START)
        await self._send({"type": "http.response.body", "body": ending})


_STREAM_START: Final = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", NDJSON), (b"cache-control", b"no-store")],
}


def status_of(code: Code | None) -> int:
    """The HTTP status of an answer with this error code; None for a good one."""
    return 200 if code is None else STATUS.get(code, 400)


def _restrict(chunk: Chunk, caller: Caller) -> None:
    """Put refusals in the place of what cannot be asked here, or not by this caller; note who asks for the rest."""
    for index, aside in enumerate(chunk.asides):
        item = aside.item
        if isinstance(item, Refusal):
            continue
        needed = TokenScope.OPERATE if isinstance(item, AcknowledgeAlert) else TokenScope.READ
        if isinstance(item, Init):
            text = "init: expected on a connection of its own (jobsight node); over HTTP there is nothing to open"
        elif caller.scope < needed:
            text = f"this token's scope is {caller.scope.word}; this needs {needed.word}"
        else:
            chunk.asides[index] = Aside(aside.position, aside.source or caller.author, item, aside.form)
            continue
        in_reply_to = UNSET if item.msg_id is None else item.msg_id
        why = refusal(Code.NOT_SUPPORTED, text, in_reply_to=in_reply_to)
        chunk.asides[index] = Aside(aside.position, aside.source, why, aside.form)


def _code_of(chunk: Chunk, outcome: Outcome) -> Code | None:
    """The error code with which the one message of a chunk is answered; None for a good answer."""
    if chunk.reports:
        return None if outcome.failure is None else outcome.failure.code
    for answer in (*(aside.item for aside in chunk.asides), *outcome.answers):
        if isinstance(answer, Refusal):
            return answer.code
    return None


def _not_one(chunk: Chunk, fragment: bytes) -> str:
    if fragment:
        return "body: expected a whole JSON object, got the beginning of one"
    if not chunk.reports and not chunk.asides:
        return "body: expected a message with a type, got nothing that wants an answer"
    return "body: expected one message; send several one a line, as application/x-ndjson"
