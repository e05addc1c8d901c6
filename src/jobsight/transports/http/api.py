"""
`GET /api/v1/...`: the queries.

What the state knows (counters, active jobs) is taken on the loop's thread, at once; what stands in the view is read and
encoded in another thread. So an answer includes every report that was answered before, and a slow one holds up nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.state import State
from jobsight.core.tokens import TokenScope
from jobsight.engine.answers import answer_of, history
from jobsight.engine.recent import Recent, TaskFigures
from jobsight.protocol.refusals import Code, shown
from jobsight.protocol.validation import job_id_fault
from jobsight.transports.http import parameters
from jobsight.transports.http.answers import (
    HistoryEvent,
    HistoryPage,
    JobAnswer,
    JobDetail,
    SeriesAnswer,
    TaskPage,
)
from jobsight.transports.http.asking import Asking, Source
from jobsight.transports.http.exchange import HttpRefusal
from jobsight.transports.http.figures import (
    EndedFigures,
    ended_of,
    point_of,
    points_of,
    stored_width,
    task_answer,
    width_for,
)
from jobsight.transports.http.paging import name_of, number_of, text_of
from jobsight.transports.http.remembered import Remembered, digest_of
from jobsight.transports.http.routes import Endpoint, json_response
from jobsight.transports.http.statistics import Statistics
from jobsight.view.rollup_content import decode_ranked

PREFIX: Final = "/api/v1/"
SEARCH_S_MAX: Final = 0.005
"""How long one page may search rows that match; then it is given as it is, with a cursor."""

TASK_FIGURES_MS: Final = 86_400_000
"""How far back the percentiles and the failure rate of a task reach."""

TASKS_KNOWN_MAX: Final = 5_000
"""Tasks whose figures are remembered for as long as nothing of them ends."""

POINTS_KNOWN_BYTES: Final = 16 * 1024 * 1024
"""Points of series that are remembered, as they are answered: `POINT_OVERHEAD_BYTES` each, and their text."""

POINT_OVERHEAD_BYTES: Final = 400

HISTORY_EVENTS: Final = 50
"""Events that a job's answer shows where its history is asked for."""

_JOBS_PATH: Final = f"{PREFIX}jobs/".encode()
_encode: Final = msgspec.json.Encoder().encode


class Api:
    """
    Answers queries.

    Args:
        state: The writer's; read on the loop's thread only.
        recent: What lately ended.
        asking: Reads the view.
        clock_ms: Wall time, ms since the epoch, UTC.
    """

    def __init__(self, *, state: State, recent: Recent, asking: Asking, clock_ms: Callable[[], int]) -> None:
        self._state = state
        self._recent = recent
        self._asking = asking
        self._clock_ms = clock_ms
        self._statistics = Statistics(state, asking, clock_ms)
        self._ended_known: Remembered[EndedFigures] = Remembered(TASKS_KNOWN_MAX)
        self._points_known: Remembered[bytes] = Remembered(POINTS_KNOWN_BYTES)

    def endpoints(self) -> list[Endpoint]:
        """The routes."""
        handlers = {
            "stats": self.stats,
            "jobs": self.jobs,
            "jobs/{job_id:path}/history": self.history,
            "jobs/{job_id:path}": self.job,
            "tasks": self.tasks,
            "series": self.series,
        }
        return [
            Endpoint(method="GET", path=PREFIX + path, needs=TokenScope.READ, handle=handle)
            for path, handle in handlers.items()
        ]

    async def stats(self, request: Request) -> Response:
        """The figures over all jobs, or over some."""
        wanted = _wanted(request, parameters.StatsParameters)
        since_ms = self._moment("since", wanted.since)
        return json_response(await self._statistics.answer(wanted, since_ms))

    async def jobs(self, request: Request) -> Response:
        """A page of jobs."""
        wanted = _wanted(request, parameters.JobsParameters)
        since_ms = self._moment("since", wanted.since)

        def look(source: Source) -> bytes:
            end = perf_counter() + SEARCH_S_MAX
            return _encode(
                source.view.list_jobs(
                    status=wanted.status,
                    task=wanted.task,
                    queue=wanted.queue,
                    host=wanted.host,
                    since_ms=since_ms,
                    limit=wanted.limit,
                    cursor=wanted.cursor,
                    is_enough=lambda: perf_counter() >= end,
                )
            )

        return _json(await self._asking.ask(look))

    async def job(self, request: Request) -> Response:
        """One job."""
        wanted = _wanted(request, parameters.JobParameters)
        job_id = _job_id(request.scope["raw_path"], has_history=False)
        known, refs = self._in_memory(job_id)

        def look(source: Source) -> bytes:
            answer = known or source.view.job(job_id)
            if answer is None:
                raise _no_job(job_id)
            detail = msgspec.structs.asdict(answer)
            if wanted.history:
                places = sorted({*source.view.history_refs(job_id), *refs})[-HISTORY_EVENTS:]
                detail["history"] = _events(source, places)
            return _encode(JobDetail(**detail))

        if known is not None and not wanted.history:
            return _json(_encode(known))
        return _json(await self._asking.ask(look))

    async def history(self, request: Request) -> Response:
        """A page of the events of a job."""
        raw_path = request.scope["raw_path"]
        if not raw_path.endswith(b"/history"):
            return await self.job(request)
        wanted = _wanted(request, parameters.HistoryParameters)
        job_id = _job_id(raw_path, has_history=True)
        before = number_of(wanted.cursor)
        known, refs = self._in_memory(job_id)

        def look(source: Source) -> bytes:
            if known is None and source.view.job(job_id) is None:
                raise _no_job(job_id)
            places = sorted({*source.view.history_refs(job_id), *refs})
            if before is not None:
                places = [place for place in places if place < before]
            shown_here = places[-wanted.limit :]
            cursor = text_of(str(shown_here[0])) if len(shown_here) < len(places) else None
            return _encode(HistoryPage(job_id=job_id, events=_events(source, shown_here), cursor=cursor))

        return _json(await self._asking.ask(look))

    async def tasks(self, request: Request) -> Response:
        """A page of tasks."""
        wanted = _wanted(request, parameters.TasksParameters)
        after = None if wanted.cursor is None else name_of(wanted.cursor)
        names = {task for task, _ in self._state.pairs if task is not None}
        found = sorted(names if wanted.task is None else names & {wanted.task})
        page = [name for name in found if after is None or name > after][: wanted.limit]
        chosen: dict[str, list[Any]] = {name: [] for name in page}
        for (task, _), pair in self._state.pairs.items():
            if task in chosen:
                chosen[task].append(pair)
        last = {name: _last(self._recent.tasks.get(name)) for name in page}
        day_ms = 86_400_000
        since_ms = (self._clock_ms() - TASK_FIGURES_MS) // day_ms * day_ms
        is_last = not page or page[-1] == found[-1]

        def look(source: Source) -> dict[str, EndedFigures]:
            return {name: self._ended(name, of) for name, of in source.view.stored_sums(since_ms, page).items()}

        ended = await self._asking.ask(look) if page else {}
        return _json(
            _encode(
                TaskPage(
                    tasks=[task_answer(name, chosen[name], ended[name], last[name]) for name in page],
                    cursor=None if is_last else text_of(page[-1]),
                    count=len(found),
                    since_ms=since_ms,
                    as_of_seq=self._state.applied_seq,
                )
            )
        )

    async def series(self, request: Request) -> Response:
        """What ended over time, in points."""
        wanted = _wanted(request, parameters.SeriesParameters)
        until_ms = self._moment("until", wanted.until) or self._clock_ms()
        since_ms = self._moment("since", wanted.since) or 0
        if since_ms >= until_ms:
            raise HttpRefusal(400, Code.MALFORMED_REQUEST, "since: expected a moment before until")
        width_s = width_for(until_ms - since_ms)
        start_ms = since_ms - since_ms % (width_s * 1000)

        def look(source: Source) -> bytes:
            as_of_seq = source.view.applied().applied_seq
            answer = SeriesAnswer(
                task=wanted.task,
                width_s=width_s,
                since_ms=start_ms,
                until_ms=until_ms,
                points=[],
                as_of_seq=as_of_seq,
            )
            return _encode({**msgspec.structs.asdict(answer), "points": self._points(source, wanted, answer)})

        return _json(await self._asking.ask(look))

    def _ended(self, task: str, contents: list[bytes]) -> EndedFigures:
        digest = digest_of(contents)
        known = self._ended_known.get(task, digest)
        if known is None:
            known = ended_of([decode_ranked(content) for content in contents])
            self._ended_known.put(task, digest, known, 1)
        return known

    def _points(self, source: Source, wanted: parameters.SeriesParameters, asked: SeriesAnswer) -> list[Raw]:
        """The points of a series, encoded. Those of a stored width are remembered."""
        width_s, since_ms, until_ms, has_histogram = asked.width_s, asked.since_ms, asked.until_ms, wanted.histogram
        if stored_width(width_s) != width_s:
            series = source.view.rollup_series(stored_width(width_s), since_ms, until_ms, wanted.task)
            return [Raw(_encode(one)) for one in points_of(series, width_s, has_histogram=has_histogram)]
        points = []
        for at_ms, content in source.view.stored_series(width_s, since_ms, until_ms, wanted.task):
            key, digest = (wanted.task, width_s, at_ms, has_histogram), digest_of([content])
            known = self._points_known.get(key, digest)
            if known is None:
                known = _encode(point_of(at_ms, decode_ranked(content), has_histogram=has_histogram))
                self._points_known.put(key, digest, known, len(known) + POINT_OVERHEAD_BYTES)
            points.append(Raw(known))
        return points

    def _moment(self, name: str, text: str | None) -> int | None:
        return None if text is None else parameters.moment_ms(name, text, self._clock_ms())

    def _in_memory(self, job_id: str) -> tuple[JobAnswer | None, list[int]]:
        """A job as the state knows it, and the places of its events that are not flushed yet."""
        job = self._state.jobs.get(job_id)
        return (None, []) if job is None else (answer_of(job), list(job.refs))


def _wanted(request: Request, kind: type[parameters.Parameters]) -> parameters.Parameters:
    return parameters.read(request.query_params.multi_items(), kind)


def _json(body: bytes) -> Response:
    return Response(body + b"\n", media_type="application/json", headers={"cache-control": "no-store"})


def _last(figures: TaskFigures | None) -> tuple[int | None, str | None, int | None]:
    if figures is None:
        return None, None, None
    return figures.last_end_ms, figures.last_status, figures.last_success_ms


def _job_id(raw_path: bytes, *, has_history: bool) -> str:
    """The job that a path names. Within an id a slash may stand as it is or quoted; before `history` it divides."""
    raw = raw_path.removeprefix(_JOBS_PATH)
    job_id = unquote(raw.removesuffix(b"/history").decode("latin-1") if has_history else raw.decode("latin-1"))
    fault = job_id_fault(job_id)
    if fault is not None or (not job_id.isascii() and "\ufffd" in job_id):
        raise HttpRefusal(400, Code.MALFORMED_REQUEST, f"job_id: {fault or 'expected UTF-8'}")
    return job_id


def _no_job(job_id: str) -> HttpRefusal:
    return HttpRefusal(404, Code.KEY_DOES_NOT_EXIST, f"job_id: no job is called {shown(job_id)}")


def _events(source: Source, places: list[int]) -> list[HistoryEvent]:
    return [HistoryEvent(**event) for event in history(source.log, places)]
