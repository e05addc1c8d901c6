"""The figures of the charts: what ended over time, in columns, as JSON for the islands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from jobsight.core.events import Name
from jobsight.transports.http.asking import Source
from jobsight.transports.http.pages.columns import SHAPES, STEPS_PER_OCTAVE, Known, Range
from jobsight.transports.http.pages.site import Ground, Page, Wanted


class ChartParameters(Struct, frozen=True, kw_only=True):
    """Of the figures of a chart."""

    range: Range = "1h"
    task: Name | None = None


class Chart(Struct, frozen=True, kw_only=True):
    """
    The figures of the charts, column by column.

    Attributes:
        at: The start of each column, seconds since the epoch.
        now_s: Now; the last column has only begun.
        cells: Of the heatmap: column, row, and how many jobs; row r stands for durations from `2 ** (r / steps)` ms on.
    """

    width_s: int
    now_s: int
    at: list[int]
    completed: list[int]
    failed: list[int]
    other: list[int]
    p50_ms: list[float | None]
    p95_ms: list[float | None]
    steps: int
    cells: list[tuple[int, int, int]]


def look(ground: Ground, wanted: Wanted) -> Callable[[Source], Chart]:
    """The figures of a range, of all jobs or of one task."""
    query: ChartParameters = wanted.query
    at_ms = wanted.at_ms
    return lambda source: chart_of(ground.columns.of(source.view, query.range, query.task, at_ms), query.range, at_ms)


def chart_of(known: list[Known], range_name: str, at_ms: int) -> Chart:
    """The figures of a range up to now."""
    columns = [one.column for one in known]
    return Chart(
        width_s=SHAPES[range_name][0],
        now_s=at_ms // 1000,
        at=[column.at_ms // 1000 for column in columns],
        completed=[column.completed for column in columns],
        failed=[column.failed for column in columns],
        other=[column.other for column in columns],
        p50_ms=[column.p50_ms for column in columns],
        p95_ms=[column.p95_ms for column in columns],
        steps=STEPS_PER_OCTAVE,
        cells=[(place, row, number) for place, one in enumerate(known) for row, number in one.rows],
    )


CHART: Final = Page(path="/charts/ends", template=None, section="overview", look=look, parameters=ChartParameters)
