"""`/tasks`: one row a task, the worst first."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from jobsight.core.health import Health
from jobsight.protocol.refusals import Code
from jobsight.transports.http.asking import Source
from jobsight.transports.http.exchange import HttpRefusal
from jobsight.transports.http.pages.glances import glances
from jobsight.transports.http.pages.site import Ground, Page, Wanted
from jobsight.transports.http.pages.standing import Place, Placed
from jobsight.transports.http.pages.task_rows import TaskRow, task_rows
from jobsight.transports.http.pages.words import query_of

ROWS: Final = 50
"""Rows of a page."""

HealthWord = Literal["failing", "late", "shaky", "healthy", "idle"]


class TasksParameters(Struct, frozen=True, kw_only=True):
    """Of the list of tasks: a part of the name, a health, an owner, and where the page begins."""

    name: Annotated[str, Meta(max_length=256)] = ""
    health: HealthWord | None = None
    owner: Annotated[str, Meta(max_length=256)] = ""
    cursor: Annotated[str, Meta(min_length=1, max_length=1_000)] | None = None


class Facet(Struct, frozen=True, kw_only=True):
    """A health: how many tasks have it, and the list of them."""

    word: str
    count: int
    href: str
    is_chosen: bool


class TaskList(Struct, frozen=True, kw_only=True):
    """
    The list of tasks, as its template shows it.

    Attributes:
        total: Tasks there are at all; `matching` those that are asked for.
        first, next: The URLs of the first page, where this is another one, and of the next page, where there is one.
    """

    total: int
    matching: int
    rows: list[TaskRow]
    facets: list[Facet]
    name: str
    owner: str
    health: str | None
    first: str | None
    next: str | None


def look(ground: Ground, wanted: Wanted) -> Callable[[Source], TaskList]:
    """Choose and order by what the state knows; the view adds the latest jobs of the page's tasks."""
    query: TasksParameters = wanted.query
    found = ground.standing.all(ground.state, ground.recent)
    named = _named(ground, found, query)
    chosen = [one for one in named if query.health == Health(one[0]).word] if query.health else named
    after = None if query.cursor is None else _place(query.cursor)
    rest = chosen if after is None else [one for one in chosen if one[:3] > after]
    page = glances(ground, [one[3] for one in rest[:ROWS]])
    last = rest[:ROWS][-1:]
    facets = _facets(named, query)
    total, matching, is_more = len(found), len(chosen), len(rest) > ROWS

    def finish(source: Source) -> TaskList:
        return TaskList(
            total=total,
            matching=matching,
            rows=task_rows(source.view, ground.paces, page, wanted.at_ms),
            facets=facets,
            name=query.name,
            owner=query.owner,
            health=query.health,
            first=None if after is None else _url(query),
            next=_url(query, cursor=_cursor(last[0])) if is_more else None,
        )

    return finish


def _named(ground: Ground, found: list[Placed], query: TasksParameters) -> list[Placed]:
    """Those whose name holds a text, and who belong to an owner."""
    part = query.name.lower()
    named = [one for one in found if part in one[2].lower()] if part else found
    if not query.owner:
        return named
    looked = glances(ground, [one[3] for one in named])
    return [one for one, glance in zip(named, looked, strict=True) if glance.owner == query.owner]


def _facets(found: list[Placed], query: TasksParameters) -> list[Facet]:
    counts = {Health(health).word: number for health, number in Counter(one[0] for one in found).items()}
    return [
        Facet(
            word=health.word,
            count=counts.get(health.word, 0),
            href=_url(query, health=None if query.health == health.word else health.word),
            is_chosen=query.health == health.word,
        )
        for health in Health
        if counts.get(health.word) or query.health == health.word
    ]


def _url(query: TasksParameters, **changed: str | None) -> str:
    kept = {"name": query.name or None, "health": query.health, "owner": query.owner or None}
    return "/tasks" + query_of({**kept, **changed})


def _cursor(one: Placed) -> str:
    return urlsafe_b64encode(msgspec.json.encode(one[:3])).decode().rstrip("=")


def _place(cursor: str) -> Place:
    try:
        place: Place = msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=Place)
    except (Error, ValueError) as error:
        text = "cursor: expected one that a page before has given; leave it out for the first page"
        raise HttpRefusal(400, Code.MALFORMED_REQUEST, text) from error
    return place


TASKS: Final = Page(path="/tasks", template="tasks.html", section="tasks", look=look, parameters=TasksParameters)
