"""How long the jobs of tasks took within the last day, worked out at most once a minute."""

from __future__ import annotations

import time
from typing import Final

from msgspec import Struct

from jobsight.core.histogram import quantiles_of, quantiles_of_all
from jobsight.transports.http.pages.strips import Line, line_of
from jobsight.transports.http.pages.words import span
from jobsight.view.queries import Reader
from jobsight.view.rollup_content import decode_ranked

HOUR_MS: Final = 3_600_000
HOURS: Final = 24
KEPT_S: Final = 60
"""For so long the durations of a task's last day are not worked out again."""

KEPT_MAX: Final = 2_000
"""Tasks whose durations are kept."""


class Pace(Struct, frozen=True, kw_only=True):
    """How long the jobs of a task took within the last day: the median and the 95th percentile in ms, and the latter by hour."""

    p50_ms: float | None
    p95_ms: float | None
    line: Line | None


class Paces:
    """The durations of tasks over the last day, each kept for a minute."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Pace]] = {}

    def of(self, view: Reader, task: str, at_ms: int) -> Pace:
        """Those of one task. Called by any reading thread."""
        now = time.monotonic()
        kept = self._kept.get(task)
        if kept is not None and now - kept[0] < KEPT_S:
            return kept[1]
        pace = _pace(view, task, at_ms)
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[task] = (now, pace)
        return pace


NO_PACE: Final = Pace(p50_ms=None, p95_ms=None, line=None)


def _pace(view: Reader, task: str, at_ms: int) -> Pace:
    start_ms = at_ms - at_ms % HOUR_MS - (HOURS - 1) * HOUR_MS
    stored = view.stored_series(3_600, start_ms, at_ms + 1, task)
    series = {hour_ms: decode_ranked(content).durations for hour_ms, content in stored}
    hours = [series.get(start_ms + hour * HOUR_MS) for hour in range(HOURS)]
    by_hour = [None if ranks is None else quantiles_of(ranks, (0.95,))[0] for ranks in hours]
    p50_ms, p95_ms = quantiles_of_all(list(series.values()), (0.5, 0.95))
    return Pace(p50_ms=p50_ms, p95_ms=p95_ms, line=line_of(by_hour, f"p95 by hour over 24 h, now {span(p95_ms)}"))
