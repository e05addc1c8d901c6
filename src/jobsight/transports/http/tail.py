"""`GET /api/v1/tail`: reports as they are stored. What a client is too slow for is dropped, and said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct
from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.state import State
from jobsight.core.tokens import TokenScope
from jobsight.engine.instruments import Instruments, Stored
from jobsight.logs.base import BatchKind
from jobsight.transports.http import parameters
from jobsight.transports.http.parameters import TailParameters
from jobsight.transports.http.routes import Endpoint
from jobsight.transports.http.sse import EventStream, Follower, too_many

PATH: Final = "/api/v1/tail"
CLIENTS_MAX: Final = 50

LOOK_EVENTS_MAX: Final = 2_000
"""Events that are looked at for one group of commits; what is above is dropped for everybody, so that reports are not held up."""

_ENDS: Final = {"job_completed": "completed", "job_failed": "failed", "job_cancelled": "cancelled"}
_encode: Final = msgspec.json.Encoder().encode


class TailEvent(Struct, frozen=True, kw_only=True):
    """A report: its place, when it was accepted, the task and the status of its job after it, and the message as it came."""

    seq: int
    index: int
    accept_ms: int
    task: str | None
    status: str | None
    message: Raw


class _Body(Struct, frozen=True, gc=False):
    type: str = ""
    job_id: str = ""
    task: str | None = None
    status: str | None = None


class _Line(_Body, frozen=True, gc=False):
    body: _Body | None = None


_decode: Final = msgspec.json.Decoder(_Line).decode


class _Follower(Follower):
    def __init__(self, wanted: TailParameters) -> None:
        super().__init__()
        self.wanted = wanted

    def wants(self, task: str | None, status: str | None) -> bool:
        return self.wanted.task in (None, task) and self.wanted.status in (None, status)


class Tail:
    """
    Shows stored reports to those who follow.

    Args:
        state: Knows the tasks and statuses of jobs; read on the loop's thread.
        instruments: Told whether anybody follows.
    """

    def __init__(self, state: State, instruments: Instruments) -> None:
        self._state = state
        self._instruments = instruments
        self._followers: set[_Follower] = set()

    def endpoint(self) -> Endpoint:
        """The route."""
        return Endpoint(method="GET", path=PATH, needs=TokenScope.READ, handle=self.handle)

    async def handle(self, request: Request) -> Response:
        """Let one more client follow, from now on."""
        wanted = parameters.read(request.query_params.multi_items(), TailParameters)
        if len(self._followers) >= CLIENTS_MAX:
            raise too_many(CLIENTS_MAX)
        follower = _Follower(wanted)
        self._followers.add(follower)
        self._instruments.is_followed = True
        return EventStream(follower.next_part, lambda: self._leave(follower))

    def show(self, stored: Sequence[Stored]) -> None:
        """Batches that were applied just now."""
        room = LOOK_EVENTS_MAX
        passed_over, self._instruments.passed_over = self._instruments.passed_over, 0
        for batch in stored:
            if batch.kind is not BatchKind.REPORTS:
                continue
            lines = batch.payload.splitlines()
            passed_over += max(0, len(lines) - room)
            for index, line in enumerate(lines[:room]):
                self._show(batch, index, line)
            room = max(0, room - len(lines))
        if passed_over:
            for follower in self._followers:
                follower.drop(passed_over)

    def stop(self) -> None:
        """End all streams."""
        for follower in self._followers:
            follower.end()

    def _show(self, batch: Stored, index: int, line: bytes) -> None:
        whole = _decode(line)
        body = whole.body or whole
        job = self._state.jobs.get(body.job_id)
        task = body.task if job is None else job.task
        status = (body.status or _ENDS.get(body.type)) if job is None else job.status
        part: bytes | None = None
        for follower in self._followers:
            if not follower.wants(task, status):
                continue
            if part is None:
                event = TailEvent(
                    seq=batch.seq,
                    index=index,
                    accept_ms=batch.accept_ms,
                    task=task,
                    status=status,
                    message=Raw(line),
                )
                part = b"event: report\nid: %d.%d\ndata: %s\n\n" % (batch.seq, index, _encode(event))
            follower.add(part)

    def _leave(self, follower: _Follower) -> None:
        self._followers.discard(follower)
        self._instruments.is_followed = bool(self._followers)
        if not self._followers:
            self._instruments.stored.clear()
