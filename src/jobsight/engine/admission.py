"""
The bound on active jobs, decided before anything is stored: `apply` never refuses.

A report that would make one more job active is refused while there are too many. An end is never refused: losing a
failure would be worse than one job too many.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET

from jobsight.core.events import AnyReport, JobCancelled, JobCompleted, JobFailed, StatusUpdate
from jobsight.core.job import TERMINAL
from jobsight.core.state import State
from jobsight.protocol.codec import Aside, Chunk, Form
from jobsight.protocol.refusals import Code, Refusal

ACTIVE_JOBS_MAX: Final = 1_000_000
"""Jobs that may be active at once, unless set otherwise."""


class Claim(NamedTuple):
    """By how many jobs a chunk that is on its way may add to the active ones; `entering` names them where that was looked at."""

    jobs: int
    entering: Collection[str] = ()


NO_CLAIM: Final = Claim(0)


def active_jobs(state: State) -> int:
    """How many jobs have begun and not ended."""
    statuses = state.counters.statuses
    return state.jobs_total - sum(statuses.get(word, 0) for word in TERMINAL)


class Admission:
    """
    Lets reports in, or refuses those that would make too many jobs active. Knows what is on its way into the log.

    Args:
        state: As it was applied.
        active_jobs_max: The bound.
    """

    def __init__(self, state: State, active_jobs_max: int) -> None:
        self._state = state
        self._max = active_jobs_max
        self._on_the_way = 0
        self._entering: dict[str, int] = {}

    def admit(self, chunk: Chunk) -> Claim:
        """
        Put refusals (code 11) in the place of the reports that would make too many jobs active.

        Args:
            chunk: Changed in place, so that it is answered as it was stored.

        Returns:
            What it may add to the active jobs; to be given to `settle` once it was applied, or was not stored.
        """
        count = len(chunk.reports)
        room = self._max - self._on_the_way - active_jobs(self._state)
        if room >= count:
            self._on_the_way += count
            return Claim(count)
        kept: list[int] = []
        refused: list[int] = []
        new: set[str] = set()
        for index, report in enumerate(chunk.reports):
            is_known = self._is_known(report.job_id) or report.job_id in new
            if is_known or _is_end(report) or len(new) < room:
                kept.append(index)
                if not is_known and not _is_end(report):
                    new.add(report.job_id)
            else:
                refused.append(index)
        if refused:
            _cut_out(chunk, kept, refused, self._max)
        for job_id in new:
            self._entering[job_id] = self._entering.get(job_id, 0) + 1
        self._on_the_way += len(new)
        return Claim(len(new), new)

    def settle(self, claim: Claim) -> None:
        """A chunk is on its way no more."""
        self._on_the_way -= claim.jobs
        for job_id in claim.entering:
            left = self._entering.pop(job_id) - 1
            if left:
                self._entering[job_id] = left

    def _is_known(self, job_id: str) -> bool:
        return job_id in self._state.jobs or job_id in self._entering


def _is_end(report: AnyReport) -> bool:
    if isinstance(report, StatusUpdate):
        return report.status in TERMINAL
    return isinstance(report, JobCompleted | JobFailed | JobCancelled)


def _cut_out(chunk: Chunk, kept: list[int], refused: list[int], active_jobs_max: int) -> None:
    text = f"there are {active_jobs_max} active jobs already; nothing was stored, try again when some have ended"
    asides: list[Aside] = []
    waiting = iter([*chunk.asides, None])
    following = next(waiting)
    removed = 0
    for index in refused:
        while following is not None and following.position <= index:
            asides.append(msgspec.structs.replace(following, position=following.position - removed))
            following = next(waiting)
        msg_id = chunk.reports[index].msg_id
        why = Refusal(code=Code.TEMPORARILY_UNAVAILABLE, text=text, in_reply_to=UNSET if msg_id is None else msg_id)
        form = Form.BODY if chunk.receivers[index] is None else Form.ENVELOPE
        asides.append(Aside(index - removed, chunk.sources[index], why, form))
        removed += 1
    while following is not None:
        asides.append(msgspec.structs.replace(following, position=following.position - removed))
        following = next(waiting)
    lines = chunk.payload.split(b"\n")
    chunk.payload = b"".join([lines[index] + b"\n" for index in kept])
    chunk.reports = [chunk.reports[index] for index in kept]
    chunk.sources = [chunk.sources[index] for index in kept]
    chunk.receivers = [chunk.receivers[index] for index in kept]
    chunk.asides = asides
