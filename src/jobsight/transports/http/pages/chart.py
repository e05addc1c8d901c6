"""What ended over time, in columns: the figures of the charts, as JSON for the islands and as rows of a table for everybody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

from msgspec import Struct

from jobsight.core.events import Name
from jobsight.core.histogram import middle_us, quantiles_ms
from jobsight.core.job import COMPLETED, FAILED, LOST
from jobsight.core.rollup import Rollup, merge_rollup
from jobsight.transports.http.asking import Source
from jobsight.transports.http.pages.site import Ground, Page, Wanted
from jobsight.view.queries import Reader

Range = Literal["10m", "1h", "24h", "7d"]

SHAPES: Final = {"10m": (10, 60), "1h": (30, 120), "24h": (600, 144), "7d": (3_600, 168)}
"""Range -> width of a column in seconds, and how many columns."""

STORED: Final = {10: 10, 30: 10, 600: 300, 3_600: 3_600}
"""Width of a column -> width of the stored buckets of which it is made."""

STEPS_PER_OCTAVE: Final = 2
"""Rows of the heatmap for each doubling of the duration."""


class ChartParameters(Struct, frozen=True, kw_only=True):
    """Of the figures of a chart."""

    range: Range = "1h"
    task: Name | None = None


class Column(Struct, frozen=True, kw_only=True):
    """What ended within one column of time; `other` was cancelled."""

    at_ms: int
    completed: int
    failed: int
    other: int
    p50_ms: float | None
    p95_ms: float | None


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
    return lambda source: chart_of(source.view, query.range, query.task, wanted.at_ms)


def columns_of(view: Reader, range_name: str, task: str | None, at_ms: int) -> list[Column]:
    """The columns of a range up to now, the empty ones too, oldest first."""
    width_s, _ = SHAPES[range_name]
    return [_column(start_ms, rollup) for start_ms, rollup in _merged(view, range_name, task, at_ms, width_s)]


def chart_of(view: Reader, range_name: str, task: str | None, at_ms: int) -> Chart:
    """The figures of a range up to now."""
    width_s, _ = SHAPES[range_name]
    merged = _merged(view, range_name, task, at_ms, width_s)
    columns = [_column(start_ms, rollup) for start_ms, rollup in merged]
    return Chart(
        width_s=width_s,
        now_s=at_ms // 1000,
        at=[column.at_ms // 1000 for column in columns],
        completed=[column.completed for column in columns],
        failed=[column.failed for column in columns],
        other=[column.other for column in columns],
        p50_ms=[column.p50_ms for column in columns],
        p95_ms=[column.p95_ms for column in columns],
        steps=STEPS_PER_OCTAVE,
        cells=_cells([rollup for _, rollup in merged]),
    )


def _merged(view: Reader, range_name: str, task: str | None, at_ms: int, width_s: int) -> list[tuple[int, Rollup]]:
    width_ms, count = width_s * 1000, SHAPES[range_name][1]
    last_ms = at_ms - at_ms % width_ms
    merged = {last_ms - place * width_ms: Rollup() for place in range(count - 1, -1, -1)}
    first_ms = last_ms - (count - 1) * width_ms
    for point in view.rollup_series(STORED[width_s], first_ms, last_ms + width_ms, task):
        merge_rollup(merged[point.bucket_ms - point.bucket_ms % width_ms], point.rollup)
    return list(merged.items())


def _column(at_ms: int, rollup: Rollup) -> Column:
    p50_ms, p95_ms = quantiles_ms(rollup.durations, (0.5, 0.95))
    completed = rollup.ends.get(COMPLETED, 0)
    failed = rollup.ends.get(FAILED, 0) + rollup.ends.get(LOST, 0)
    return Column(
        at_ms=at_ms,
        completed=completed,
        failed=failed,
        other=sum(rollup.ends.values()) - completed - failed,
        p50_ms=p50_ms,
        p95_ms=p95_ms,
    )


def _cells(rollups: Sequence[Rollup]) -> list[tuple[int, int, int]]:
    cells: list[tuple[int, int, int]] = []
    rows: dict[int, int] = {}
    for place, rollup in enumerate(rollups):
        counts: dict[int, int] = {}
        for bucket, number in rollup.durations.items():
            row = rows.get(bucket)
            if row is None:
                row = rows[bucket] = _row_of(bucket)
            counts[row] = counts.get(row, 0) + number
        cells += [(place, row, number) for row, number in sorted(counts.items())]
    return cells


def _row_of(bucket: int) -> int:
    """The row of a bucket of `core.histogram`; everything below a millisecond lies in the first one."""
    duration_ms = middle_us(bucket) / 1000
    row = 0
    while 2 ** ((row + 1) / STEPS_PER_OCTAVE) <= duration_ms:
        row += 1
    return row


CHART: Final = Page(path="/charts/ends", template=None, section="overview", look=look, parameters=ChartParameters)
