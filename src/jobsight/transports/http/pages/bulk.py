"""`/bulk/...`: an action on everything that a filter matches. First it says on how many; then a form does it, and leads back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from time import perf_counter
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from jobsight.core.alert import FIRING, RULE_JOB_FAILED, Alert, fingerprint_of
from jobsight.core.globs import is_match
from jobsight.core.job import FAILED, LOST
from jobsight.core.limits import JOB_ID_BYTES_MAX
from jobsight.core.state import State
from jobsight.core.tokens import TokenScope
from jobsight.transports.http.asking import Source
from jobsight.transports.http.pages.alert_filter import AlertWanted, chosen, shelves
from jobsight.transports.http.pages.alerts import AlertsQuery, Show
from jobsight.transports.http.pages.attention import AttentionRow, attention_row
from jobsight.transports.http.pages.jobs import JobsQuery, filter_of, url_of
from jobsight.transports.http.pages.site import Ground, Page, Wanted
from jobsight.view.job_filter import JobFilter, Names

ROWS: Final = 20
JOBS_MAX: Final = 10_000
"""Jobs on which one action works; another one goes on."""

GATHER_S_MAX: Final = 0.25
"""How long jobs are gathered."""

PAGE: Final = 1_000
"""Jobs that are gathered in one look."""

LATEST_MAX: Final = 100
"""Alerts whose latest jobs are looked at one by one."""

NARROWED_MAX: Final = 100
"""Tasks that are looked through one by one for what they have failed at: one that fails often hides none that seldom does."""

PICKED_MAX: Final = 200
"""Jobs that are picked by hand for one action."""

SUBJECTS_MAX: Final = 50
"""Tasks and queues that one action silences."""

CONCERNED: Final = {"acknowledge": FAILED, "dismiss": LOST}
"""What a bulk action over jobs is about: jobs that stand so, and no others."""

VERBS: Final = {
    "acknowledge": "Acknowledge",
    "silence": "Silence",
    "resolve": "Resolve",
    "dismiss": "Dismiss",
}


class BulkAlertsQuery(AlertWanted, frozen=True, kw_only=True):
    """
    The filter of `/alerts`.

    Attributes:
        until: When it was looked at, ms UTC: what opens later is not meant.
        ids: Those alone that were picked, by their alert_id; one text may hold several, with commas between them. Empty for all
            that match.
    """

    show: Show = "firing"
    until: Annotated[int, Meta(ge=0)] | None = None
    ids: tuple[Annotated[str, Meta(max_length=4_000)], ...] = ()


class BulkJobsQuery(JobsQuery, frozen=True, kw_only=True):
    """
    The filter of `/jobs`.

    Attributes:
        job: Those jobs alone that were picked, by their ids; empty for all that match.
        only: `picked` where nothing but what was picked is meant, even if nothing was.
    """

    job: tuple[Annotated[str, Meta(max_length=JOB_ID_BYTES_MAX)], ...] = ()
    only: Literal["", "picked"] = ""


class Gathered(Struct, frozen=True, kw_only=True):
    """
    What a filter over jobs matches.

    Attributes:
        is_all: No other job matters.
        lost: The ids of those that stand lost.
        problems: The fingerprints of the alerts that their failures open.
        tasks, queues: Theirs; a queue only of jobs without a task.
    """

    is_all: bool
    lost: list[str]
    problems: list[str]
    tasks: list[str]
    queues: list[str]


class Latest(Struct, frozen=True, kw_only=True):
    """Of an alert that fires: its task, and the latest job that has failed."""

    task: str | None
    job_id: str


class BulkView(Struct, frozen=True, kw_only=True):
    """
    What is about to be done, as the template shows it.

    Attributes:
        count: On how many things; `thing` names one of them.
        rows: The first alerts of them; `names` the first of others.
        fields: Hidden ones of the form, so that it works on the same filter.
    """

    verb: str
    label: str
    thing: str
    count: int
    is_all: bool
    rows: list[AttentionRow]
    names: list[str]
    path: str
    fields: dict[str, str]
    back_url: str
    at_ms: int


def gather(
    source: Source, wanted: JobFilter, at_ms: int, verb: str, firing: Mapping[str, Latest] | None = None
) -> Gathered:
    """
    The jobs that match and that an action is about, as far as their bounds allow, and only until nothing new can come.

    Args:
        source: Where they are looked for.
        wanted: The filter.
        at_ms: Now, ms UTC.
        verb: acknowledge, silence or dismiss.
        firing: For acknowledge: what fires, by its fingerprint. Their latest jobs are looked at first; what those do not tell of is
            looked for among what else has failed of the same tasks, and once all of them were met, no other job matters.
    """
    if wanted.status is None and verb in CONCERNED:
        wanted = replace(wanted, status=Names(patterns=(CONCERNED[verb],)))
    if verb != "acknowledge":
        return _walked(source, wanted, at_ms, verb)
    firing = firing or {}
    problems = _problems_of_latest(source, wanted, at_ms, firing) if firing else []
    rest = {fingerprint: one for fingerprint, one in firing.items() if fingerprint not in problems}
    if not rest:
        return Gathered(is_all=True, lost=[], problems=problems, tasks=[], queues=[])
    of_tasks: dict[str | None, set[str]] = {}
    for fingerprint, one in rest.items():
        of_tasks.setdefault(one.task, set()).add(fingerprint)
    if wanted.task is not None or len(of_tasks) > NARROWED_MAX:
        met = [_walked(source, wanted, at_ms, verb, set(rest))]
    else:
        end = perf_counter() + GATHER_S_MAX
        met = [
            _walked(source, replace(wanted, task=Names(patterns=(task,))), at_ms, verb, looked_for, end)
            for task, looked_for in of_tasks.items()
        ]
    problems += [found for one in met for found in one.problems if found in rest]
    return Gathered(is_all=all(one.is_all for one in met), lost=[], problems=problems, tasks=[], queues=[])


def _walked(
    source: Source,
    wanted: JobFilter,
    at_ms: int,
    verb: str,
    looked_for: AbstractSet[str] = frozenset(),
    end: float | None = None,
) -> Gathered:
    """What is met from the newest job on, until an end; to acknowledge, until all fingerprints that are looked for were met."""
    end = perf_counter() + GATHER_S_MAX if end is None else end
    # What is looked for is mostly met at once, by the latest failure of its task; if not, each look is four times as wide.
    cursor, count, limit = None, 0, min(len(looked_for), PAGE) or PAGE
    lost: list[str] = []
    problems: dict[str, None] = {}
    tasks: dict[str, None] = {}
    queues: dict[str, None] = {}
    while True:
        met = source.view.meet(
            wanted, now_ms=at_ms, limit=limit, cursor=cursor, is_enough=lambda: perf_counter() >= end
        )
        for one in met.subjects:
            if one.status == FAILED:
                problems[fingerprint_of(RULE_JOB_FAILED, one.task, one.queue, one.error or "")] = None
            if one.task is not None:
                tasks[one.task] = None
            elif one.queue is not None:
                queues[one.queue] = None
        lost += met.lost
        count, cursor, limit = count + met.count, met.cursor, min(limit * 4, PAGE)
        if verb == "acknowledge" and problems.keys() >= looked_for:
            cursor = None
        is_full = verb == "silence" and max(len(tasks), len(queues)) > SUBJECTS_MAX
        if is_full or cursor is None or count >= JOBS_MAX or perf_counter() >= end:
            return Gathered(
                is_all=cursor is None,
                lost=lost,
                problems=list(problems),
                tasks=list(tasks)[:SUBJECTS_MAX],
                queues=list(queues)[:SUBJECTS_MAX],
            )


def _problems_of_latest(source: Source, wanted: JobFilter, at_ms: int, firing: Mapping[str, Latest]) -> list[str]:
    """Of what fires that whose latest job stands failed and matches."""
    latest = dict(list(firing.items())[:LATEST_MAX])
    met = source.view.matching(wanted, now_ms=at_ms, job_ids=[one.job_id for one in latest.values()])
    failed = Names(patterns=(FAILED,))
    if wanted.status != failed:
        met = source.view.matching(JobFilter(status=failed), now_ms=at_ms, job_ids=list(met))
    return [fingerprint for fingerprint, one in latest.items() if one.job_id in met]


def gather_picked(source: Source, job_ids: Sequence[str], verb: str) -> Gathered:
    """The same of some jobs that were picked by hand, by their ids; `PICKED_MAX` of them at most."""
    found = (source.view.job(job_id) for job_id in dict.fromkeys(job_ids[:PICKED_MAX]))
    jobs = [job for job in found if job is not None and job.status == CONCERNED.get(verb, job.status)]
    return Gathered(
        is_all=True,
        lost=[job.job_id for job in jobs if job.status == LOST],
        problems=[
            fingerprint_of(RULE_JOB_FAILED, job.task, job.queue, job.error or "")
            for job in jobs
            if job.status == FAILED
        ],
        tasks=list(dict.fromkeys(job.task for job in jobs if job.task is not None)),
        queues=list(dict.fromkeys(job.queue for job in jobs if job.task is None and job.queue is not None)),
    )


def meant_alerts(state: State, query: BulkAlertsQuery, at_ms: int) -> list[Alert]:
    """The open alerts that a bulk action on the filter of `/alerts` means."""
    found = chosen(shelves(state, at_ms).get(query.show, []), query, query.until)
    picked = set(",".join(query.ids).split(",")) if query.ids else None
    return found if picked is None else [alert for alert in found if alert.alert_id in picked]


def latest_of(firing: Sequence[Alert]) -> dict[str, Latest]:
    """What `gather` looks for: by their fingerprints, some alerts that fire."""
    return {alert.fingerprint: Latest(task=alert.task, job_id=alert.last_job_id) for alert in firing}


def firing_of_jobs(state: State, wanted: JobFilter) -> list[Alert]:
    """
    The alerts that fire because jobs have failed, and that jobs which match a filter may have opened, the latest first.

    Those of other rules, and of tasks that the filter leaves out, would be looked for among all jobs, and never met.
    """
    patterns = None if wanted.task is None or wanted.task.is_not else wanted.task.patterns
    found = [
        alert
        for alert in state.open_by_id.values()
        if alert.state == FIRING
        and alert.rule == RULE_JOB_FAILED
        and (patterns is None or _is_of(alert.task, patterns))
    ]
    return sorted(found, key=lambda alert: -alert.updated_ms)


def _is_of(task: str | None, patterns: Sequence[str | None]) -> bool:
    return any(task is None if one is None else task is not None and is_match(one, task) for one in patterns)


def firing_problems(state: State, fingerprints: Sequence[str]) -> list[Alert]:
    """The alerts that fire under some fingerprints."""
    found = [state.open_by_fingerprint.get(fingerprint) for fingerprint in fingerprints]
    return [alert for alert in found if alert is not None and alert.state == FIRING]


def _alerts_look(verb: str) -> Callable[[Ground, Wanted], Callable[[Source], BulkView]]:
    def look(ground: Ground, wanted: Wanted) -> Callable[[Source], BulkView]:
        query: BulkAlertsQuery = wanted.query
        alerts = meant_alerts(ground.state, query, wanted.at_ms)
        rows = [attention_row(alert) for alert in alerts[:ROWS]]
        back = AlertsQuery(
            task=query.task, queue=query.queue, rule=query.rule, severity=query.severity, owner=query.owner
        )
        view = BulkView(
            verb=verb,
            label=VERBS[verb],
            thing="alert",
            count=len(alerts),
            is_all=True,
            rows=rows,
            names=[],
            path=f"/bulk/alerts/{verb}",
            fields=_fields(query) | {"until": str(wanted.at_ms if query.until is None else query.until)},
            back_url="/alerts" + back.query(show=query.show),
            at_ms=wanted.at_ms,
        )
        return lambda source: view

    return look


def _jobs_look(verb: str) -> Callable[[Ground, Wanted], Callable[[Source], BulkView]]:
    def look(ground: Ground, wanted: Wanted) -> Callable[[Source], BulkView]:
        query: BulkJobsQuery = wanted.query
        text, job_filter, faults = filter_of(query)
        is_picked = bool(query.job) or query.only == "picked"
        firing = firing_of_jobs(ground.state, job_filter) if verb == "acknowledge" else []
        latest = latest_of(firing)
        shown = {alert.fingerprint: attention_row(alert) for alert in firing}

        def finish(source: Source) -> BulkView:
            met: Gathered | None = None
            if is_picked:
                met = gather_picked(source, query.job, verb)
            elif not faults:
                met = gather(source, job_filter, wanted.at_ms, verb, latest)
            rows = [shown[one] for one in met.problems if one in shown] if met is not None else []
            names = [] if met is None else _names(verb, met)
            return BulkView(
                verb=verb,
                label=VERBS[verb],
                thing={"acknowledge": "alert", "silence": "task or queue", "dismiss": "lost job"}[verb],
                count=len(rows) if verb == "acknowledge" else len(names),
                is_all=met is None or met.is_all,
                rows=rows[:ROWS],
                names=names[:ROWS],
                path=f"/bulk/jobs/{verb}",
                fields={"q": text, "sort": query.sort}
                | ({"picked": msgspec.json.encode(query.job[:PICKED_MAX]).decode()} if is_picked else {}),
                back_url=url_of(text, sort=query.sort),
                at_ms=wanted.at_ms,
            )

        return finish

    return look


def _names(verb: str, met: Gathered) -> list[str]:
    if verb == "dismiss":
        return met.lost
    return [*met.tasks, *(f"queue {queue}" for queue in met.queues)] if verb == "silence" else []


def _fields(query: Any) -> dict[str, str]:
    given = {name: getattr(query, name) for name in query.__struct_fields__}
    return {
        name: ",".join(value) if isinstance(value, tuple) else str(value)
        for name, value in given.items()
        if value not in (None, "", ())
    }


def _page(kind: str, verb: str) -> Page:
    return Page(
        path=f"/bulk/{kind}/{verb}",
        template="bulk.html",
        section=kind,
        look=_alerts_look(verb) if kind == "alerts" else _jobs_look(verb),
        parameters=BulkAlertsQuery if kind == "alerts" else BulkJobsQuery,
        needs=TokenScope.OPERATE,
    )


BULK: Final = tuple(
    _page(kind, verb)
    for kind, verbs in (
        ("alerts", ("acknowledge", "silence", "resolve")),
        ("jobs", ("acknowledge", "silence", "dismiss")),
    )
    for verb in verbs
)
