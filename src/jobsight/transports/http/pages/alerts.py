"""`/alerts`: what fires, what somebody takes care of, what is silenced, and what is over."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from jobsight.core.alert import ACKNOWLEDGED, FIRING, PENDING, RESOLVED
from jobsight.transports.http import parameters
from jobsight.transports.http.asking import Source
from jobsight.transports.http.pages.alert_filter import (
    NAMES,
    SILENCED,
    AlertWanted,
    chosen,
    following,
    is_wanted,
    place_of,
    shelves,
)
from jobsight.transports.http.pages.attention import KINDS, AttentionRow, attention_row
from jobsight.transports.http.pages.attention import NAMES as RULE_WORDS
from jobsight.transports.http.pages.site import Ground, Page, Wanted
from jobsight.view.answers import AlertDetail, AlertFilter

PATH: Final = "/alerts"
ROWS: Final = 50
SEARCH_S_MAX: Final = 0.02
"""For so long a page looks for alerts that are over and match."""

SHELVES: Final = (FIRING, ACKNOWLEDGED, SILENCED, PENDING, "history")

Show = Literal["firing", "acknowledged", "silenced", "pending", "history"]


class AlertsQuery(AlertWanted, frozen=True, kw_only=True):
    """What stands in the URL: the shelf, the filter, and the place."""

    show: Show = "firing"
    after: Annotated[str, Meta(max_length=128)] = ""
    cursor: parameters.Cursor | None = None


class Tab(Struct, frozen=True, kw_only=True):
    """One shelf: how many stand on it, as far as that is known without counting."""

    show: str
    count: int | None
    url: str
    is_on: bool


class PastRow(Struct, frozen=True, kw_only=True):
    """An alert that is over."""

    alert: AlertDetail
    kind: str
    what: str
    lasted_ms: int


class AlertsView(Struct, frozen=True, kw_only=True):
    """
    Alerts, as their template shows them.

    Attributes:
        rows: Open ones; `past` those that are over, on their shelf.
        count: Open ones on this shelf that match.
        fields: What a bulk action is told of the filter, as hidden fields of its form.
    """

    show: str
    tabs: list[Tab]
    rows: list[AttentionRow]
    past: list[PastRow]
    count: int | None
    filters: dict[str, str]
    is_narrowed: bool
    first_url: str | None
    next_url: str | None
    fields: dict[str, str]
    rules: list[str]
    is_anything_known: bool
    at_ms: int


def look(ground: Ground, wanted: Wanted) -> Callable[[Source], AlertsView]:
    """Open alerts are taken from the state; those that are over are asked of the view."""
    query: AlertsQuery = wanted.query
    found = shelves(ground.state, wanted.at_ms)
    matching = {shelf: chosen(alerts, query) for shelf, alerts in found.items()}
    here = matching.get(query.show, [])
    ahead = following(here, query.after)
    rows, last = [attention_row(alert) for alert in ahead[:ROWS]], ahead[:ROWS][-1:]
    counts = {shelf: len(alerts) for shelf, alerts in matching.items()}
    is_over = query.show == "history"

    def finish(source: Source) -> AlertsView:
        past, cursor = _over(source, query) if is_over else ([], None)
        next_url = None
        if cursor:
            next_url = PATH + query.query(show="history", cursor=cursor)
        elif len(ahead) > ROWS:
            next_url = PATH + query.query(show=query.show, after=place_of(last[0]))
        return AlertsView(
            show=query.show,
            tabs=[_tab(show, counts, query) for show in SHELVES if show != PENDING or counts[PENDING]],
            rows=rows,
            past=[_past(one) for one in past],
            count=None if is_over else len(here),
            filters={name: getattr(query, name) for name in NAMES},
            is_narrowed=query.is_narrowed,
            first_url=PATH + query.query(show=query.show) if query.after or query.cursor else None,
            next_url=next_url,
            fields={"show": query.show, "until": str(wanted.at_ms)}
            | {name: value for name in NAMES if (value := getattr(query, name))},
            rules=sorted(KINDS),
            is_anything_known=bool(sum(counts.values())),
            at_ms=wanted.at_ms,
        )

    return finish


def _tab(show: str, counts: dict[str, int], query: AlertsQuery) -> Tab:
    return Tab(show=show, count=counts.get(show), url=PATH + query.query(show=show), is_on=show == query.show)


def _over(source: Source, query: AlertsQuery) -> tuple[list[AlertDetail], str | None]:
    """Alerts that are over and match, about a page of them; and where the search goes on, None at its end."""
    end, cursor = perf_counter() + SEARCH_S_MAX, query.cursor
    exact = query.task if query.task and not set(query.task) & set("*?") else None
    found: list[AlertDetail] = []
    while True:
        page = source.view.list_alerts(AlertFilter(state=RESOLVED, task=exact), limit=ROWS, cursor=cursor)
        found += [one for one in page.alerts if is_wanted(one, query)]
        cursor = page.cursor
        if cursor is None or len(found) >= ROWS or perf_counter() >= end:
            return found, cursor


def _past(alert: AlertDetail) -> PastRow:
    return PastRow(
        alert=alert,
        kind=KINDS.get(alert.rule, "warning"),
        what=RULE_WORDS.get(alert.rule, alert.rule.replace("_", " ")),
        lasted_ms=(alert.resolved_ms or alert.updated_ms) - alert.opened_ms,
    )


ALERTS: Final = Page(path=PATH, template="alerts.html", section="alerts", look=look, parameters=AlertsQuery)
