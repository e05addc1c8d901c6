"""What ended within columns of time, remembered: a column of which nothing has changed is not worked out again."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

from msgspec import Struct

from jobsight.core.histogram import middle_us, quantiles_ms
from jobsight.core.job import COMPLETED, FAILED, LOST
from jobsight.transports.http.remembered import Remembered, digest_of
from jobsight.view.queries import Reader
from jobsight.view.rollup_queries import sum_of

Range = Literal["10m", "1h", "24h", "7d"]

SHAPES: Final = {"10m": (10, 60), "1h": (30, 120), "24h": (600, 144), "7d": (3_600, 168)}
"""Range -> width of a column in seconds, and how many columns."""

STORED: Final = {10: 10, 30: 10, 600: 300, 3_600: 3_600}
"""Width of a column -> width of the stored buckets of which it is made."""

STEPS_PER_OCTAVE: Final = 2
"""Rows of the heatmap for each doubling of the duration."""

KNOWN_MAX: Final = 10_000
"""Columns that are remembered: those of some twenty charts. One takes about a kilobyte."""


class Column(Struct, frozen=True, kw_only=True):
    """What ended within one column of time; `other` was cancelled."""

    at_ms: int
    completed: int
    failed: int
    other: int
    p50_ms: float | None
    p95_ms: float | None


class Known(Struct, frozen=True, kw_only=True):
    """A column, and the rows of the heatmap in it: row and how many jobs, the lowest first."""

    column: Column
    rows: list[tuple[int, int]]


class Columns:
    """The columns of charts. For any thread."""

    def __init__(self) -> None:
        self._known: Remembered[Known] = Remembered(KNOWN_MAX)

    def of(self, view: Reader, range_name: str, task: str | None, at_ms: int) -> list[Known]:
        """The columns of a range up to now, the empty ones too, oldest first; of all jobs where no task is named."""
        width_s, count = SHAPES[range_name]
        width_ms = width_s * 1000
        last_ms = at_ms - at_ms % width_ms
        first_ms = last_ms - (count - 1) * width_ms
        stored: dict[int, list[bytes]] = {start_ms: [] for start_ms in range(first_ms, last_ms + 1, width_ms)}
        for bucket_ms, content in view.stored_series(STORED[width_s], first_ms, last_ms + width_ms, task):
            stored[bucket_ms - bucket_ms % width_ms].append(content)
        return [self._column(width_s, task, start_ms, contents) for start_ms, contents in stored.items()]

    def _column(self, width_s: int, task: str | None, start_ms: int, contents: list[bytes]) -> Known:
        key, digest = (width_s, task, start_ms), digest_of(contents)
        known = self._known.get(key, digest)
        if known is None:
            known = _known(start_ms, contents)
            self._known.put(key, digest, known, 1)
        return known


def _known(start_ms: int, contents: list[bytes]) -> Known:
    rollup = sum_of(contents)
    p50_ms, p95_ms = quantiles_ms(rollup.durations, (0.5, 0.95))
    completed = rollup.ends.get(COMPLETED, 0)
    failed = rollup.ends.get(FAILED, 0) + rollup.ends.get(LOST, 0)
    column = Column(
        at_ms=start_ms,
        completed=completed,
        failed=failed,
        other=sum(rollup.ends.values()) - completed - failed,
        p50_ms=p50_ms,
        p95_ms=p95_ms,
    )
    counts: dict[int, int] = {}
    for bucket, number in rollup.durations.items():
        row = row_of(bucket)
        counts[row] = counts.get(row, 0) + number
    return Known(column=column, rows=sorted(counts.items()))


@lru_cache(maxsize=4_096)
def row_of(bucket: int) -> int:
    """The row of a bucket of `core.histogram`; everything below a millisecond lies in the first one."""
    duration_ms = middle_us(bucket) / 1000
    row = 0
    while 2 ** ((row + 1) / STEPS_PER_OCTAVE) <= duration_ms:
        row += 1
    return row
