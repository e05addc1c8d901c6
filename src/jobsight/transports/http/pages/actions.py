"""What the forms of pages do: each posts, an event with its author is stored, and the browser is led back to where it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.alert import RESOLVED, Alert
from jobsight.core.events import InternalEvent
from jobsight.core.globs import GLOB_CHARACTERS_MAX
from jobsight.core.routing import Matcher
from jobsight.core.silences import SILENCES_MAX
from jobsight.core.tokens import TokenScope
from jobsight.engine.operating import hand_at, silence_ended, silence_set
from jobsight.engine.writer import Writer
from jobsight.errors import ConflictError
from jobsight.protocol.refusals import Code, shown
from jobsight.transports.http import parameters
from jobsight.transports.http.asking import Asking
from jobsight.transports.http.bodies import form_body
from jobsight.transports.http.exchange import HttpRefusal
from jobsight.transports.http.pages.bulk import (
    BulkAlertsQuery,
    firing_of_jobs,
    firing_problems,
    gather,
    gather_picked,
    latest_of,
    meant_alerts,
)
from jobsight.transports.http.pages.doing import EVENTS_MAX, Doing, Form, back, comment_of, length_of
from jobsight.transports.http.pages.jobs import JobsQuery, filter_of
from jobsight.transports.http.reporting import report
from jobsight.transports.http.routes import Endpoint, caller_of
from jobsight.transports.http.wishing import refusing


class Actions:
    """
    The routes that change something for whoever looks at pages.

    Args:
        writer: Takes the events; its state knows what there is.
        asking: Finds the jobs that a filter means.
        clock_ms: Wall time, ms since the epoch, UTC.
        doing: Carries it out.
    """

    def __init__(self, writer: Writer, asking: Asking, clock_ms: Callable[[], int], doing: Doing) -> None:
        self._writer = writer
        self._state = writer.state
        self._asking = asking
        self._clock_ms = clock_ms
        self._doing = doing

    def endpoints(self) -> list[Endpoint]:
        """The routes; every one needs somebody who may operate."""
        handlers = {
            "/bulk/alerts/acknowledge": self.acknowledge_many,
            "/bulk/alerts/resolve": self.resolve_many,
            "/bulk/alerts/silence": self.silence_many,
            "/bulk/jobs/acknowledge": self.acknowledge_of_jobs,
            "/bulk/jobs/silence": self.silence_of_jobs,
            "/bulk/jobs/dismiss": self.dismiss,
            "/alerts/{alert_id}/acknowledge": self.acknowledge,
            "/alerts/{alert_id}/resolve": self.resolve,
            "/alerts/{alert_id}/silence": self.silence,
            "/silences/{silence_id}/end": self.end_silence,
        }
        return [
            Endpoint(method="POST", path=path, needs=TokenScope.OPERATE, is_changing=True, handle=handle)
            for path, handle in handlers.items()
        ]

    async def acknowledge(self, request: Request) -> Response:
        """Somebody takes care of an alert."""
        form, alert = await form_body(request), self._alert(request)
        await self._doing.store(_hands("acknowledge", [alert], request, form))
        return back(form, "acknowledged", _page_of(alert))

    async def resolve(self, request: Request) -> Response:
        """Somebody says that a problem is over."""
        form, alert = await form_body(request), self._alert(request)
        await self._doing.store(_hands("resolve", [alert], request, form))
        return back(form, "resolved", _page_of(alert))

    async def silence(self, request: Request) -> Response:
        """Nobody is told of an alert, or of anything of its task or queue, for a while."""
        form, alert = await form_body(request), self._alert(request)
        what = form.get("what", "alert")
        if what == "task" and alert.task is not None:
            matcher = _matcher("task", alert.task)
        elif what == "queue" and alert.queue is not None:
            matcher = _matcher("queue", alert.queue)
        else:
            matcher = Matcher(name="alert_id", pattern=alert.alert_id)
        await self._doing.store(self._silences([matcher], request, form))
        return back(form, "silenced", _page_of(alert))

    async def end_silence(self, request: Request) -> Response:
        """A silence ends before its time."""
        form, silence_id = await form_body(request), request.path_params["silence_id"]
        if silence_id in self._state.silences:
            await self._doing.store([silence_ended(self._state, silence_id, caller_of(request).author)])
        return back(form, "unsilenced", "/alerts?show=silenced")

    async def acknowledge_many(self, request: Request) -> Response:
        """Somebody takes care of all alerts that match."""
        form, alerts = await self._meant(request)
        await self._doing.store(_hands("acknowledge", alerts, request, form))
        return back(form, "acknowledged", "/alerts", len(alerts))

    async def resolve_many(self, request: Request) -> Response:
        """Somebody says that all problems that match are over."""
        form, alerts = await self._meant(request)
        await self._doing.store(_hands("resolve", alerts, request, form))
        return back(form, "resolved", "/alerts", len(alerts))

    async def silence_many(self, request: Request) -> Response:
        """Nobody is told of the tasks, queues or kinds of the alerts that match."""
        form, alerts = await self._meant(request)
        matchers = dict.fromkeys(_matcher_of(alert) for alert in alerts)
        await self._doing.store(self._silences(list(matchers), request, form))
        return back(form, "silenced", "/alerts", len(matchers))

    async def acknowledge_of_jobs(self, request: Request) -> Response:
        """Somebody takes care of the alerts that the jobs which match have opened."""
        form = await form_body(request)
        met = await self._gathered(form, "acknowledge")
        alerts = firing_problems(self._state, met.problems)
        await self._doing.store(_hands("acknowledge", alerts, request, form))
        return back(form, "acknowledged", "/jobs", len(alerts))

    async def silence_of_jobs(self, request: Request) -> Response:
        """Nobody is told of the tasks and queues of the jobs that match."""
        form = await form_body(request)
        met = await self._gathered(form, "silence")
        matchers = [_matcher("task", task) for task in met.tasks]
        matchers += [_matcher("queue", queue) for queue in met.queues]
        await self._doing.store(self._silences(matchers, request, form))
        return back(form, "silenced", "/jobs", len(matchers))

    async def dismiss(self, request: Request) -> Response:
        """The lost jobs that match stand cancelled."""
        form = await form_body(request)
        met = await self._gathered(form, "dismiss")
        author, comment = caller_of(request).author, comment_of(form)
        reason = f"dismissed by {author}" + (f": {comment}" if comment else "")
        reports = [{"type": "job_cancelled", "job_id": job_id, "reason": reason} for job_id in met.lost]
        for begin in range(0, len(reports), EVENTS_MAX):
            await report(self._writer, author, reports[begin : begin + EVENTS_MAX])
        self._doing.show()
        return back(form, "dismissed", "/jobs", len(met.lost))

    def _alert(self, request: Request) -> Alert:
        name = request.path_params["alert_id"]
        alert = self._state.open_by_id.get(name)
        if alert is None or alert.state == RESOLVED:
            raise HttpRefusal(409, Code.PRECONDITION_FAILED, f"the alert {shown(name)} is not open; it may be over")
        return alert

    async def _meant(self, request: Request) -> tuple[Form, list[Alert]]:
        form = await form_body(request)
        named = {name: form[name] for name in BulkAlertsQuery.__struct_fields__ if name in form}
        query = parameters.read(named.items(), BulkAlertsQuery)
        return form, meant_alerts(self._state, query, self._clock_ms())

    async def _gathered(self, form: Form, verb: str) -> Any:
        if "picked" in form:
            picked = _job_ids(form["picked"])
            return await self._asking.ask(lambda source: gather_picked(source, picked, verb))
        _, job_filter, faults = filter_of(JobsQuery(q=form.get("q", "")))
        if faults:
            raise HttpRefusal(400, Code.MALFORMED_REQUEST, faults[0].text)
        firing = latest_of(firing_of_jobs(self._state, job_filter)) if verb == "acknowledge" else {}
        return await self._asking.ask(lambda source: gather(source, job_filter, self._clock_ms(), verb, firing))

    def _silences(self, matchers: Sequence[Matcher], request: Request, form: Form) -> list[InternalEvent]:
        now_ms, author, comment = self._clock_ms(), caller_of(request).author, comment_of(form)
        with refusing():
            if len(self._state.silences) + len(matchers) > SILENCES_MAX:
                raise ConflictError(f"there are at most {SILENCES_MAX} silences; end some first")
            ends_ms = now_ms + length_of(form)
            return [
                silence_set(self._state, [matcher], now_ms, ends_ms, comment, author, now_ms) for matcher in matchers
            ]


def _job_ids(text: str) -> list[str]:
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError as error:
        raise HttpRefusal(400, Code.MALFORMED_REQUEST, "picked: expected a JSON list of job ids") from error


def _hands(verb: str, alerts: Sequence[Alert], request: Request, form: Form) -> list[InternalEvent]:
    author, comment = caller_of(request).author, comment_of(form)
    with refusing():
        return [hand_at(alert, verb, None, comment, author) for alert in alerts]


def _matcher(field: str, name: str) -> Matcher:
    """A condition that a name fulfils: of one that is longer than patterns may be, by its beginning."""
    is_long = len(name) > GLOB_CHARACTERS_MAX
    return Matcher(name=field, pattern=f"{name[: GLOB_CHARACTERS_MAX - 1]}*" if is_long else name)


def _matcher_of(alert: Alert) -> Matcher:
    """What has to be silenced so that nobody hears of an alert's kind."""
    if alert.task is not None:
        return _matcher("task", alert.task)
    if alert.queue is not None:
        return _matcher("queue", alert.queue)
    return Matcher(name="alert_id", pattern=alert.alert_id)


def _page_of(alert: Alert) -> str:
    return f"/alerts/{alert.alert_id}"
