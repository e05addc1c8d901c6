"""`GET /api/v1/stats`: the figures of `get_stats`, with the roll-ups read off the loop's thread."""

from __future__ import annotations

from collections.abc import Callable

from jobsight.core.rollup import Rollup, merge_rollup
from jobsight.core.state import State
from jobsight.engine.answers import THROUGHPUT_MS, Answers
from jobsight.errors import JobsightError
from jobsight.logs.base import Record
from jobsight.protocol.messages import GetStats
from jobsight.protocol.refusals import Code, Refusal
from jobsight.protocol.session import Answer
from jobsight.transports.http.asking import Asking, Source
from jobsight.transports.http.exchange import STATUS, HttpRefusal
from jobsight.transports.http.parameters import StatsParameters
from jobsight.view.answers import AlertPage, Applied, JobAnswer, JobPage

SumKey = tuple[int, str | None]
"""From when, and of which task."""

_TRIES: int = 4


class Statistics:
    """
    Answers as `get_stats` does on the wire.

    Args:
        state: The writer's; read on the loop's thread only.
        asking: Reads the view.
        clock_ms: Wall time, ms since the epoch, UTC.
    """

    def __init__(self, state: State, asking: Asking, clock_ms: Callable[[], int]) -> None:
        self._state = state
        self._asking = asking
        self._clock_ms = clock_ms

    async def answer(self, wanted: StatsParameters, since_ms: int | None) -> object:
        """The figures, in the wire's order."""
        query = GetStats(
            task=wanted.task, queue=wanted.queue, status=wanted.status, since_ms=since_ms, detail=wanted.detail or None
        )
        now_ms = self._clock_ms()
        keys = self._keys(query, now_ms)
        fetched = _Fetched(*(await self._sums(keys) if keys else ({}, None)))
        found: Answer = Answers(self._state, lambda: fetched, _NoLog(), lambda: now_ms).answer(query)
        if isinstance(found, Refusal):
            raise HttpRefusal(STATUS.get(found.code, 400), found.code, found.text)
        return found[1]

    def _keys(self, query: GetStats, now_ms: int) -> set[SumKey]:
        """The sums that the answer needs; the same as `Answers` asks for."""
        keys: set[SumKey] = set()
        if query.since_ms is not None:
            keys.add((query.since_ms, query.task))
        if query.detail and query.queue is None:
            keys.add((query.since_ms or 0, query.task))
            if query.since_ms is None:
                keys.add((now_ms - THROUGHPUT_MS, query.task))
        return keys

    async def _sums(self, keys: set[SumKey]) -> tuple[dict[SumKey, Rollup], Applied]:
        """What the view holds, and what was not flushed yet when it was read."""
        applied_seq = self._state.applied_seq
        pending = {key: self._pending(key) for key in keys}

        def look(source: Source) -> tuple[dict[SumKey, Rollup], Applied]:
            for _ in range(_TRIES):
                applied = source.view.applied()
                sums = {key: source.view.rollup_sum(key[0], None, key[1]) for key in keys}
                if source.view.applied().applied_seq == applied.applied_seq:
                    break
            else:
                raise HttpRefusal(503, Code.TEMPORARILY_UNAVAILABLE, "the view changes too fast to be read; try again")
            if applied.applied_seq < applied_seq:
                for key, rollup in sums.items():
                    merge_rollup(rollup, pending[key])
            return sums, applied

        return await self._asking.ask(look)

    def _pending(self, key: SumKey) -> Rollup:
        since_ms, task = key
        start_ms = since_ms - since_ms % 10_000
        total = Rollup()
        for (bucket_ms, of_task), addition in self._state.changes.rollups.items():
            if bucket_ms >= start_ms and (task is None or task == of_task):
                merge_rollup(total, addition)
        return total


class _Fetched:
    """What was read before, given to the answers in the place of a view."""

    def __init__(self, sums: dict[SumKey, Rollup], applied: Applied | None) -> None:
        self._sums = sums
        self._applied = applied

    def applied(self) -> Applied:
        """As it was when the sums were read."""
        if self._applied is None:
            raise JobsightError("nothing was read")
        return self._applied

    def rollup_sum(self, since_ms: int, until_ms: int | None = None, task: str | None = None) -> Rollup:
        """One of the sums that were read."""
        return self._sums[since_ms, task]

    def job(self, job_id: str) -> JobAnswer | None:
        """Never asked for figures."""
        raise JobsightError(f"no job was read: {job_id}")

    def history_refs(self, job_id: str) -> list[int]:
        """Never asked for figures."""
        raise JobsightError(f"no history was read: {job_id}")

    def list_jobs(
        self, *, status: str | None, task: str | None, queue: str | None, limit: int, cursor: str | None
    ) -> JobPage:
        """Never asked for figures."""
        raise JobsightError("no jobs were read")

    def alerts(
        self, state: str | None = None, task: str | None = None, *, limit: int = 100, cursor: str | None = None
    ) -> AlertPage:
        """Never asked for figures."""
        raise JobsightError("no alerts were read")


class _NoLog:
    """Figures need no events."""

    def record(self, seq: int) -> Record | None:
        """Nothing."""
        return None
