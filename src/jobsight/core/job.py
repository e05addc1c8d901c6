"""
The job machine, as a table.

Every state has a row. A missing cell means: keep the state; the report is recorded and answered all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import Final

from jobsight.core.events import AnyReport
from jobsight.core.statistics import PairCounters

QUEUED: Final = "queued"
RUNNING: Final = "running"
RETRYING: Final = "retrying"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
LOST: Final = "lost"

NEW: Final = ""
"""Where a job stands before its first event."""

OTHER_WORD: Final = "(any other word)"
"""Row of the table for a status word without a meaning of its own: shown as it is, active."""

AS_REPORTED: Final = "(the reported word)"
"""Cell of the table: the job stands where the report says."""

TERMINAL: Final = frozenset({COMPLETED, FAILED, CANCELLED, LOST})


class Kind(IntEnum):
    """What can happen to a job."""

    HEARD = auto()
    UPDATED = auto()
    COMPLETED = auto()
    RETRIES_LEFT = auto()
    RETRIES_OVER = auto()
    CANCELLED = auto()
    SILENT = auto()


_REPORTS: Final = {
    Kind.UPDATED: AS_REPORTED,
    Kind.COMPLETED: COMPLETED,
    Kind.RETRIES_LEFT: RETRYING,
    Kind.RETRIES_OVER: FAILED,
    Kind.CANCELLED: CANCELLED,
}

# fmt: off
TRANSITIONS: Final[Mapping[str, Mapping[Kind, str]]] = {
    #            every report has its cell; these are the others:
    NEW:        {**_REPORTS, Kind.HEARD: RUNNING},
    QUEUED:     {**_REPORTS, Kind.HEARD: QUEUED,     Kind.SILENT: LOST},
    RUNNING:    {**_REPORTS, Kind.HEARD: RUNNING,    Kind.SILENT: LOST},
    RETRYING:   {**_REPORTS, Kind.HEARD: RETRYING,   Kind.SILENT: LOST},
    OTHER_WORD: {**_REPORTS,                         Kind.SILENT: LOST},
    COMPLETED:  {**_REPORTS},
    FAILED:     {**_REPORTS},
    CANCELLED:  {**_REPORTS},
    LOST:       {**_REPORTS, Kind.HEARD: RUNNING},
}
# fmt: on


def next_status(status: str, kind: Kind, reported: str = "") -> str:
    """
    Where a job stands after something happened to it.

    Args:
        status: Where it stands now; `NEW` before its first event.
        kind: What happened.
        reported: The word of an `update_status`; used only for `Kind.UPDATED`.

    Returns:
        The new status; the old one where the table has no cell.
    """
    row = TRANSITIONS.get(status) or TRANSITIONS[OTHER_WORD]
    cell = row.get(kind, status)
    return reported if cell is AS_REPORTED else cell


@dataclass(slots=True)
class Job:
    """
    The latest state of one execution. Mutable, and only `apply` changes it.

    A class with slots for speed alone: the interpreter stores an attribute of it in a fifth of the time that a `Struct` takes
    (and no field is given by keyword only: a default of such a one is looked up by its name).

    Attributes:
        number: Its place among all jobs ever seen, from 1; the key of its row in the view.
        progress: Percent, as last reported.
        duration_ms: Of its latest completion; None when it was not told.
        created_ms: When it was first heard of; `started_ms` first running; `ended_ms` latest end; all ms UTC.
        updated_ms: Accept time of its latest event.
        moved_ms: When its progress last reached a new maximum or its status changed (the stall clock).
        end_at_ms: When it ended, where that is not `ended_ms`: by the own time of the report, or by a clock that was set far
            back. With `end_host` it decides lateness.
        is_end_told_by_update: Its end came as a status word; a `job_completed` or `job_failed` that follows tells of the same end.
        events_stored: How many events it had up to the last flush; `refs` are those since, packed as `seq << 20 | index`.
        last_digest: Digest of the last event, once it was flushed; before that the event itself is kept.
        alert_id: The open alert on which its failure is counted.
        counters: The counters of its (task, queue).
        is_dirty: It has changed since the last flush; `is_renamed`: its task or queue has.
    """

    number: int
    job_id: str
    counters: PairCounters
    task: str | None = None
    queue: str | None = None
    created_ms: int = 0
    moved_ms: int = 0
    status: str = NEW
    progress: float | None = None
    progress_max: float = -1
    duration_ms: float | None = None
    resource_usage: dict[str, int | float | None] | None = None
    host: str | None = None
    labels: dict[str, str] | None = None
    attempt: int | None = None
    retries: int | None = None
    max_retries: int | None = None
    error: str | None = None
    message: str | None = None
    started_ms: int | None = None
    updated_ms: int = 0
    ended_ms: int | None = None
    end_at_ms: int | None = None
    end_host: str | None = None
    is_end_told_by_update: bool = False
    events_stored: int = 0
    refs: list[int] = field(default_factory=list)
    last_source: str | None = None
    last_event: AnyReport | None = None
    last_digest: int = 0
    alert_id: str | None = None
    is_dirty: bool = False
    is_stored: bool = False
    is_renamed: bool = False

    @property
    def events(self) -> int:
        """How many events it has had."""
        return self.events_stored + len(self.refs)
