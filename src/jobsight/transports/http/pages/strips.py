"""Small pictures in rows: a strip of the latest jobs, and a line of durations. Geometry only; the colours are the styles'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Final

from msgspec import Struct

from jobsight.core.counted import counted
from jobsight.core.job import CANCELLED, COMPLETED, FAILED, LOST, TERMINAL
from jobsight.view.latest import LatestJob

STRIP_JOBS: Final = 30
STEP: Final = 7
WIDTH: Final = STRIP_JOBS * STEP
HEIGHT: Final = 20
_BAR: Final = 5
_LOW, _HIGH = 5, 13

WIDE_STEP: Final = 14
WIDE_HEIGHT: Final = 56
LINE_WIDTH: Final = 84
_KINDS: Final = {COMPLETED: "completed", FAILED: "failed", LOST: "lost", CANCELLED: "cancelled"}


class Strip(Struct, frozen=True, kw_only=True):
    """
    The latest jobs, the newest on the right.

    Attributes:
        paths: Kind (completed, failed, lost, cancelled, active) and the outline of all its bars. The height of a completed
            one grows with its duration; a bad one has the whole height and a notch, so that colour is not alone.
        label: The same in words.
    """

    paths: list[tuple[str, str]]
    label: str


class WideBar(Struct, frozen=True, kw_only=True):
    """One job as a bar that leads to it: its place and height in a box of `WIDE_HEIGHT`, and what it tells."""

    job_id: str
    kind: str
    status: str
    left: int
    height: int
    took_ms: float | None
    at_ms: int


class Line(Struct, frozen=True, kw_only=True):
    """Values over time as an outline in a box of `LINE_WIDTH` by `HEIGHT`, and the same in words."""

    path: str
    label: str


def strip_of(jobs: Sequence[LatestJob]) -> Strip:
    """The strip of some jobs, given newest first; at most `STRIP_JOBS` of them are drawn."""
    jobs = jobs[:STRIP_JOBS]
    lengths = [job.took_ms or 0 for job in jobs]
    longest = max(lengths, default=0)
    outlines: dict[str, list[str]] = {}
    for place, (job, took_ms) in enumerate(zip(jobs, lengths, strict=True)):
        status, height = job.status, HEIGHT
        if status == COMPLETED:
            height = _LOW + round((_HIGH - _LOW) * took_ms / longest) if longest else _LOW
        kind = _KINDS.get(status) or ("cancelled" if status in TERMINAL else "active")
        outlines.setdefault(kind, []).append(_bar(kind, place, height))
    return Strip(paths=[(kind, "".join(bars)) for kind, bars in sorted(outlines.items())], label=_label(jobs))


def wide_bars(jobs: Sequence[LatestJob]) -> list[WideBar]:
    """One bar for each job, given newest first; the oldest comes first. Heights grow with the duration."""
    longest = max((job.took_ms or 0 for job in jobs), default=0) or 1
    return [
        WideBar(
            job_id=job.job_id,
            kind=_KINDS.get(job.status, "cancelled" if job.status in TERMINAL else "active"),
            status=job.status,
            left=place * WIDE_STEP,
            height=WIDE_HEIGHT if job.status != COMPLETED else _wide_height(job.took_ms or 0, longest),
            took_ms=job.took_ms,
            at_ms=job.ended_ms or job.started_ms or job.created_ms,
        )
        for place, job in enumerate(reversed(jobs))
    ]


def line_of(values: Sequence[float | None], what: str) -> Line | None:
    """A line through values that lie at equal distances; None without at least two."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None
    top = max(known) or 1
    step = LINE_WIDTH / max(1, len(values) - 1)
    path, is_down = [], False
    for place, value in enumerate(values):
        if value is None:
            is_down = False
            continue
        path.append(f"{'L' if is_down else 'M'}{place * step:.1f} {HEIGHT - 2 - value / top * (HEIGHT - 5):.1f}")
        is_down = True
    return Line(path="".join(path), label=what)


def _wide_height(took_ms: float, longest: float) -> int:
    return 8 + round((WIDE_HEIGHT - 16) * took_ms / longest)


@cache
def _bar(kind: str, place: int, height: int) -> str:
    """The outline of one bar; there are some thousand different ones, and 1,500 on a page."""
    left, top = WIDTH - (place + 1) * STEP, HEIGHT - height
    if kind in ("failed", "lost"):
        gap = 6 if kind == "failed" else 11
        return f"M{left} {top}h{_BAR}v{gap}h-{_BAR}zM{left} {top + gap + 2}h{_BAR}V{HEIGHT}h-{_BAR}z"
    if kind == "active":
        return f"M{left} {HEIGHT - 8}h{_BAR}v3h-{_BAR}zM{left} {HEIGHT - 3}h{_BAR}v3h-{_BAR}z"
    return f"M{left} {top}h{_BAR}V{HEIGHT}h-{_BAR}z"


def _label(jobs: Sequence[LatestJob]) -> str:
    if not jobs:
        return "no jobs yet"
    counts = Counter([job.status for job in jobs])
    parts = ", ".join(f"{number} {status}" for status, number in counts.most_common())
    return f"last {counted(len(jobs), 'job', 'jobs')}: {parts}; the latest {jobs[0].status}"
