"""
`GET /api/v1/live`: one small frame a second, encoded once, the same bytes for everybody who looks.

A client that is slow skips frames: it is handed the newest one when it has taken the last. Nobody looks: nothing is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.alert import ACKNOWLEDGED, FIRING
from jobsight.core.histogram import quantiles_of, ranked
from jobsight.core.rollup import WIDTHS_S, Rollup, bucket_start_ms
from jobsight.core.state import State
from jobsight.core.tokens import TokenScope
from jobsight.engine.instruments import Instruments
from jobsight.engine.recent import Recent
from jobsight.transports.http import parameters
from jobsight.transports.http.figures import classes_of
from jobsight.transports.http.routes import Endpoint
from jobsight.transports.http.sse import EventStream, too_many

PATH: Final = "/api/v1/live"
CLIENTS_MAX: Final = 2_000
FRAME_S: Final = 1.0

SETTLING_MS: Final = 1_000
"""A bucket is shown for so long after its end: until then the last of it may not have been counted."""

_encode: Final = msgspec.json.Encoder().encode


class Bucket(Struct, frozen=True, kw_only=True):
    """What ended within the `width_s` seconds from `at_ms` on, by the time at which it happened."""

    at_ms: int
    width_s: int
    ends: dict[str, int]
    p50_ms: float | None
    p95_ms: float | None


class Frame(Struct, frozen=True, kw_only=True):
    """
    What is shown once a second.

    Attributes:
        seq: Place in the log.
        counts: Status -> jobs that stand in it.
        last_bucket: The latest bucket; its last frame holds all of it.
        histogram: Durations in that bucket: upper bound in ms, and how many.
        firing, acknowledged: Open alerts.
        reports_per_s: Reports that were stored since the frame before.
    """

    seq: int
    at_ms: int
    counts: dict[str, int]
    last_bucket: Bucket
    histogram: list[tuple[float, int]]
    firing: int
    acknowledged: int
    reports_per_s: float


class _Client:
    def __init__(self) -> None:
        self.frame: bytes | None = None
        self.is_over = False
        self.change = asyncio.Event()

    def show(self, frame: bytes) -> None:
        self.frame = frame
        self.change.set()

    def end(self) -> None:
        self.is_over = True
        self.change.set()

    async def next_part(self) -> bytes | None:
        while self.frame is None and not self.is_over:
            self.change.clear()
            await self.change.wait()
        frame, self.frame = self.frame, None
        return None if self.is_over else frame


class Live:
    """
    Shows frames to clients.

    Args:
        state, instruments, recent: What is shown; read on the loop's thread.
        clock_ms: Wall time, ms since the epoch, UTC.
    """

    def __init__(self, *, state: State, instruments: Instruments, recent: Recent, clock_ms: Callable[[], int]) -> None:
        self._state = state
        self._instruments = instruments
        self._recent = recent
        self._clock_ms = clock_ms
        self._clients: set[_Client] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._frame: bytes | None = None

    def endpoint(self) -> Endpoint:
        """The route."""
        return Endpoint(method="GET", path=PATH, needs=TokenScope.READ, handle=self.handle)

    async def handle(self, request: Request) -> Response:
        """Let one more client look."""
        parameters.read(request.query_params.multi_items(), parameters.NoParameters)
        if len(self._clients) >= CLIENTS_MAX:
            raise too_many(CLIENTS_MAX)
        client = _Client()
        self._clients.add(client)
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._tick())
        elif self._frame is not None:
            client.show(self._frame)
        return EventStream(client.next_part, lambda: self._leave(client))

    def stop(self) -> None:
        """End all streams."""
        for client in self._clients:
            client.end()

    def frame(self, reports_per_s: float) -> Frame:
        """What there is to show now."""
        state, at_ms, width_s = self._state, self._clock_ms(), WIDTHS_S[0]
        start_ms = bucket_start_ms(at_ms - SETTLING_MS, width_s)
        ended = self._recent.buckets.get(start_ms) or Rollup()
        durations = ranked(ended.durations)
        p50_ms, p95_ms = quantiles_of(durations, (0.5, 0.95))
        states = [alert.state for alert in state.open_by_id.values()]
        return Frame(
            seq=state.applied_seq,
            at_ms=at_ms,
            counts={word: count for word, count in state.counters.statuses.items() if count},
            last_bucket=Bucket(at_ms=start_ms, width_s=width_s, ends=ended.ends, p50_ms=p50_ms, p95_ms=p95_ms),
            histogram=classes_of(durations),
            firing=states.count(FIRING),
            acknowledged=states.count(ACKNOWLEDGED),
            reports_per_s=round(reports_per_s, 1),
        )

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        before, before_at = self._instruments.reports, next_at - FRAME_S
        while self._clients:
            now, reports = loop.time(), self._instruments.reports
            frame = _encode(self.frame((reports - before) / max(now - before_at, FRAME_S / 2)))
            before, before_at = reports, now
            self._frame = b"event: frame\ndata: " + frame + b"\n\n"
            for client in self._clients:
                client.show(self._frame)
            next_at = max(next_at + FRAME_S, now)
            await asyncio.sleep(next_at - now)
        self._ticker = self._frame = None

    def _leave(self, client: _Client) -> None:
        self._clients.discard(client)
