"""`/jobs`: the explorer. Everything that it shows stands in its URL: the filter in its own language, and the cursor."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from time import perf_counter
from typing import Annotated, Final

from msgspec import Meta, Struct

from jobsight.core.job import FAILED, LOST
from jobsight.core.limits import OTHER
from jobsight.core.state import State
from jobsight.core.statistics import NAMED_STATUSES
from jobsight.protocol.validation import job_id_fault
from jobsight.transports.http import parameters
from jobsight.transports.http.asking import Source
from jobsight.transports.http.pages.site import Ground, Page, Wanted
from jobsight.transports.http.pages.words import query_of
from jobsight.view.answers import Facets, JobAnswer, JobsFound
from jobsight.view.explorer import COUNT_MAX
from jobsight.view.job_filter import (
    FILTER_CHARACTERS_MAX,
    NAMED,
    Fault,
    JobFilter,
    Names,
    filter_text,
    quoted,
    read_filter,
    with_name,
    without,
)
from jobsight.view.queries import Order

PATH: Final = "/jobs"
ROWS: Final = 50
SEARCH_S_MAX: Final = 0.005
"""How long the first page may search."""

FURTHER_S_MAX: Final = 0.03
"""How long somebody who goes on may search: they know that little is found in much."""

SORTS: Final[Sequence[tuple[str, Order]]] = (("Newest", "newest"), ("Oldest", "oldest"), ("Longest", "longest"))
RANGES: Final = (("any time", None), ("1 h", "1h"), ("24 h", "24h"), ("7 d", "7d"))
FACET_LABELS: Final = {"status": "Status", "task": "Task (name)", "queue": "Queue", "host": "Host"}

Text = Annotated[str, Meta(max_length=FILTER_CHARACTERS_MAX * 2)]


class JobsQuery(Struct, frozen=True, kw_only=True):
    """
    What stands in the URL. `q` is the filter; the names beside it are for links from elsewhere, and join it.
    """

    q: Text = ""
    status: Text | None = None
    task: Text | None = None
    queue: Text | None = None
    host: Text | None = None
    since: Text | None = None
    until: Text | None = None
    cursor: parameters.Cursor | None = None
    sort: Order = "newest"


class Chip(Struct, frozen=True, kw_only=True):
    """A condition of the filter, and the URL without it."""

    text: str
    url: str


class FacetLine(Struct, frozen=True, kw_only=True):
    """A value, how many of the counted jobs have it, and the URL that narrows to it, or widens again where `is_on`."""

    text: str
    count: int
    share: int
    url: str
    is_on: bool


class FacetList(Struct, frozen=True, kw_only=True):
    """The values of one name."""

    name: str
    label: str
    lines: list[FacetLine]


class RangeLink(Struct, frozen=True, kw_only=True):
    """A stretch of time to look at, or an order."""

    text: str
    url: str
    is_on: bool


class Piece(Struct, frozen=True, kw_only=True):
    """A part of what was typed; wrong where it says why."""

    text: str
    fault: str = ""


class JobsView(Struct, frozen=True, kw_only=True):
    """
    The explorer, as its template shows it.

    Attributes:
        text: The filter as it stands in the field.
        pieces: What was typed with its faults marked; empty where there are none.
        sorts: The orders there are.
        exact: The job that is called exactly as the text says.
        count: How many jobs match, as far as was counted; `has_more` where there may be more.
        searched_from_ms: The search has passed over the jobs since then; None: over all.
        is_narrowed: There is a filter at all.
        actions: What can be done with all that match, or with those that are picked: label and verb.
    """

    text: str
    pieces: list[Piece]
    chips: list[Chip]
    ranges: list[RangeLink]
    sort: str
    sorts: list[RangeLink]
    facets: list[FacetList]
    jobs: list[JobAnswer]
    exact: JobAnswer | None
    count: int | None
    count_max: int
    has_more: bool
    searched_from_ms: int | None
    first_url: str | None
    next_url: str | None
    actions: list[tuple[str, str]]
    at_ms: int
    is_narrowed: bool
    jobs_total: int


def filter_of(query: JobsQuery, statuses: Collection[str] | None = None) -> tuple[str, JobFilter, list[Fault]]:
    """The text of all conditions in a URL, the filter that it means, and what is wrong with it; see `read_filter`."""
    parts = [query.q.strip()]
    for name in (*NAMED, "since", "until"):
        value = getattr(query, name)
        if value is not None:
            parts.append(f"{name}:{quoted(value)}")
    text = " ".join(part for part in parts if part)
    wanted, faults = read_filter(text, statuses)
    return (text if faults else filter_text(wanted)), wanted, faults


def url_of(text: str, cursor: str | None = None, *, sort: Order = "newest") -> str:
    """The explorer with a filter."""
    return PATH + query_of({"q": text or None, "sort": None if sort == "newest" else sort, "cursor": cursor})


def look(ground: Ground, wanted: Wanted) -> Callable[[Source], JobsView]:
    """Read the filter; of the state it needs in which statuses jobs have stood."""
    query: JobsQuery = wanted.query
    text, job_filter, faults = filter_of(query, _statuses(ground.state))
    jobs_total = ground.state.jobs_total
    can_operate = wanted.can_operate
    link = partial(url_of, sort=query.sort)

    def finish(source: Source) -> JobsView:
        found = None if faults else _search(source, job_filter, query, wanted.at_ms)
        facets = None if found is None else found.facets
        return JobsView(
            text=text,
            pieces=_pieces(text, faults),
            chips=_chips(job_filter, link),
            ranges=_ranges(job_filter, link),
            sort=query.sort,
            sorts=[RangeLink(text=one, url=url_of(text, sort=sort), is_on=sort == query.sort) for one, sort in SORTS],
            facets=[] if facets is None else _facets(job_filter, facets, link),
            jobs=[] if found is None else found.jobs,
            exact=None if faults else _exact(source, job_filter),
            count=None if facets is None else facets.count,
            count_max=COUNT_MAX,
            has_more=facets is not None and not facets.is_all,
            searched_from_ms=None if found is None else found.searched_from_ms,
            first_url=link(text) if query.cursor else None,
            next_url=link(text, found.cursor) if found is not None and found.cursor else None,
            actions=_actions(() if found is None else found.jobs, facets) if can_operate else [],
            at_ms=wanted.at_ms,
            is_narrowed=job_filter != JobFilter(),
            jobs_total=jobs_total,
        )

    return finish


def _statuses(state: State) -> Collection[str] | None:
    """In which statuses jobs can stand; None where there were more words than are counted one by one."""
    counted = state.counters.statuses
    return None if OTHER in counted else {*NAMED_STATUSES, *counted}


def _search(source: Source, job_filter: JobFilter, query: JobsQuery, at_ms: int) -> JobsFound:
    is_plain = query.cursor is None and query.sort == "newest"
    end = perf_counter() + (SEARCH_S_MAX if is_plain else FURTHER_S_MAX)
    return source.view.search(
        job_filter,
        now_ms=at_ms,
        limit=ROWS,
        cursor=query.cursor,
        is_enough=lambda: perf_counter() >= end,
        order=query.sort,
    )


def _exact(source: Source, job_filter: JobFilter) -> JobAnswer | None:
    """Whoever types or pastes a job's name means that job."""
    if len(job_filter.words) != 1 or job_id_fault(job_filter.words[0]) is not None:
        return None
    return source.view.job(job_filter.words[0])


def _pieces(text: str, faults: list[Fault]) -> list[Piece]:
    pieces, at = [], 0
    for fault in faults:
        pieces += [
            Piece(text=text[at : fault.at]),
            Piece(text=text[fault.at : fault.at + fault.length], fault=fault.text),
        ]
        at = fault.at + fault.length
    return [piece for piece in [*pieces, Piece(text=text[at:])] if piece.text] if faults else []


def _chips(job_filter: JobFilter, link: Callable[[str], str]) -> list[Chip]:
    chips = []
    for field in job_filter.__struct_fields__:
        if getattr(job_filter, field) != getattr(JobFilter(), field):
            rest = without(job_filter, field)
            only = without_others(job_filter, field)
            chips.append(Chip(text=filter_text(only), url=link(filter_text(rest))))
    return chips


def without_others(job_filter: JobFilter, field: str) -> JobFilter:
    """A filter with one of its conditions alone."""
    return JobFilter(**{field: getattr(job_filter, field)})


def _ranges(job_filter: JobFilter, link: Callable[[str], str]) -> list[RangeLink]:
    base = without(without(job_filter, "since"), "until")
    return [
        RangeLink(
            text=label,
            url=link(filter_text(base) if since is None else f"{filter_text(base)} since:{since}".strip()),
            is_on=job_filter.since == since and job_filter.until is None,
        )
        for label, since in RANGES
    ]


def _facets(job_filter: JobFilter, facets: Facets, link: Callable[[str], str]) -> list[FacetList]:
    lists = []
    for name in NAMED:
        lines = []
        for one in getattr(facets, name):
            is_on = getattr(job_filter, name) == Names(patterns=(one.value,))
            changed = without(job_filter, name) if is_on else with_name(job_filter, name, one.value)
            share = round(100 * one.count / max(1, facets.count))
            text = "(none)" if one.value is None else one.value
            lines.append(
                FacetLine(text=text, count=one.count, share=share, url=link(filter_text(changed)), is_on=is_on)
            )
        if len(lines) > 1 or any(line.is_on for line in lines):
            lists.append(FacetList(name=name, label=FACET_LABELS[name], lines=lines))
    return lists


def _actions(jobs: Sequence[JobAnswer], facets: Facets | None) -> list[tuple[str, str]]:
    """What can be done with jobs like these: label and verb."""
    statuses = {job.status for job in jobs} | {one.value for one in (() if facets is None else facets.status)}
    actions = []
    if FAILED in statuses:
        actions.append(("Acknowledge their alerts", "acknowledge"))
    if statuses:
        actions.append(("Silence their tasks", "silence"))
    if LOST in statuses:
        actions.append(("Dismiss the lost ones", "dismiss"))
    return actions


JOBS: Final = Page(path=PATH, template="jobs.html", section="jobs", look=look, parameters=JobsQuery)
