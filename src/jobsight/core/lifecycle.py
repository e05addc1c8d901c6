"""What happens to one job: it is created, stands somewhere else, ends; and what that does to the counters and roll-ups."""

from __future__ import annotations

from typing import Final

from jobsight.core.events import AnyReport
from jobsight.core.job import CANCELLED, COMPLETED, FAILED, NEW, RUNNING, TERMINAL, Job
from jobsight.core.limits import OTHER, TEXT_BYTES_KEPT
from jobsight.core.rollup import WIDTHS_S, Rollup
from jobsight.core.state import State
from jobsight.core.statistics import NAMED_STATUSES, PairCounters, duration_us, pair_for, status_word
from jobsight.core.times import happened_ms

_FINEST_MS: Final = WIDTHS_S[0] * 1000

UNKNOWN_ERROR: Final = "unknown error"
"""What a failure is called that told no error."""

ENDED_BY_WORKER: Final = frozenset({COMPLETED, FAILED, CANCELLED})
"""Ends that a worker told; `lost` is none, so nothing that follows it is late."""


def new_job(state: State, event: AnyReport, at_ms: int) -> Job:
    """A job that was never seen before, with the next number, counted under its (task, queue); it stands nowhere yet."""
    state.jobs_total += 1
    task, queue, job_id = event.task, event.queue, event.job_id
    pair = state.pairs.get((task, queue))
    if pair is None:
        task = admitted_task(state, task)
        pair = pair_for(state.pairs, task, queue)
    job = Job(state.jobs_total, job_id, pair, task, queue, created_ms=at_ms, moved_ms=at_ms)
    state.jobs[job_id] = job
    return job


def admitted_task(state: State, task: str | None) -> str | None:
    """The name under which a task's jobs stand: its own, or `OTHER` for a new one where there are too many tasks already."""
    if task is None or task in state.tasks:
        return task
    if len(state.tasks) >= state.tasks_max and task not in state.checks:
        state.tasks_folded += 1
        state.changes.is_bound_dirty = True
        return OTHER
    state.tasks.add(task)
    state.changes.tasks.append(task)
    return task


def stand(state: State, job: Job, status: str, at_ms: int) -> None:
    """Let a job stand in `status`, and count it there; a no-op where it stands there already."""
    old = job.status
    if old == status:
        return
    pair = job.counters
    if not pair.is_dirty:
        pair.is_dirty = True
        state.changes.pairs.append(pair)
    totals, own = state.counters.statuses, pair.statuses
    # For speed alone: words with a meaning are counted by name, and what a pair has met, all jobs together have met.
    if status in own and status in NAMED_STATUSES and (not old or old in NAMED_STATUSES):
        own[status] += 1
        totals[status] += 1
        if old:
            own[old] -= 1
            totals[old] -= 1
    else:
        _count_word(totals, old, status)
        _count_word(own, old, status)
    job.status = status
    job.moved_ms = at_ms
    if job.ended_ms is not None:
        if old == COMPLETED and job.duration_ms is not None:
            set_duration(state, job, None)
        if status not in TERMINAL:
            _reopen(job)
    if status == RUNNING:
        if job.started_ms is None:
            job.started_ms = at_ms
    elif status in TERMINAL:
        job.ended_ms = end_ms(state, at_ms)
        if status == COMPLETED:  # the job shows how it stands; what went wrong on the way is in its history
            job.error = None


def end_ms(state: State, at_ms: int) -> int:
    """When a job counts as ended: now; but where the clock was set far back, late enough not to be gone at once. ms UTC."""
    return max(at_ms, state.kept.latest_ms)


def _count_word(statuses: dict[str, int], old: str, status: str) -> None:
    """Count a job under another word; words without a meaning are counted together where there are too many."""
    if old:
        statuses[old if old in statuses else OTHER] -= 1
    word = status_word(statuses, status)
    statuses[word] = statuses.get(word, 0) + 1


def _reopen(job: Job) -> None:
    """It goes on after an end: nothing of that end counts any more."""
    job.ended_ms = job.end_at_ms = job.end_host = None
    job.is_end_told_by_update = False
    job.started_ms = None
    job.progress_max = -1


def set_duration(state: State, job: Job, duration_ms: float | None) -> int:
    """Replace the duration that a completed job contributes to the mean, in milliseconds; None takes it out. In microseconds."""
    totals, pair = state.counters, job.counters
    if job.duration_ms is not None:
        old_us = duration_us(job.duration_ms)
        totals.duration_sum_us -= old_us
        totals.duration_count -= 1
        pair.duration_sum_us -= old_us
        pair.duration_count -= 1
    new_us = 0
    if duration_ms is not None:
        new_us = duration_us(duration_ms)
        totals.duration_sum_us += new_us
        totals.duration_count += 1
        pair.duration_sum_us += new_us
        pair.duration_count += 1
    job.duration_ms = duration_ms
    if not pair.is_dirty:
        _touch(state, pair)
    return new_us


def adopt(state: State, job: Job, event: AnyReport) -> None:
    """Take over what a report tells beside its own business: names, labels, limits, its message."""
    if (event.task is not None and event.task != job.task) or (event.queue is not None and event.queue != job.queue):
        task = job.task if event.task is None else admitted_task(state, event.task)
        _change_pair(state, job, task, event.queue or job.queue)
    if event.host is not None:
        job.host = event.host
    if event.labels is not None:
        job.labels = event.labels
    if event.attempt is not None:
        job.attempt = event.attempt
    if event.max_retries is not None:
        job.max_retries = event.max_retries
    if event.message is not None:
        job.message = cut_text(event.message)


def _change_pair(state: State, job: Job, task: str | None, queue: str | None) -> None:
    """Count a job under another (task, queue) from now on."""
    old, new = job.counters, pair_for(state.pairs, task, queue)
    job.task, job.queue, job.is_renamed = task, queue, True
    if old is new:
        return
    if job.status != NEW:
        old.statuses[status_word(old.statuses, job.status)] -= 1
        word = status_word(new.statuses, job.status)
        new.statuses[word] = new.statuses.get(word, 0) + 1
    if job.duration_ms is not None:
        moved_us = duration_us(job.duration_ms)
        old.duration_sum_us -= moved_us
        old.duration_count -= 1
        new.duration_sum_us += moved_us
        new.duration_count += 1
    job.counters = new
    _touch(state, old)
    _touch(state, new)


def _touch(state: State, pair: PairCounters) -> None:
    if not pair.is_dirty:
        pair.is_dirty = True
        state.changes.pairs.append(pair)


def is_late(job: Job, event: AnyReport, accept_ms: int) -> bool:
    """
    Whether a report tells of a moment before the end that the job has already reported.

    Only a report with its own time can be late, only against an end told by a worker, and only where both come
    from one host's clock. A higher attempt always reopens.
    """
    if event.at is None or job.status not in ENDED_BY_WORKER:
        return False
    if event.attempt is not None and job.attempt is not None and event.attempt > job.attempt:
        return False
    host = event.host or job.host
    if host is not None and job.end_host is not None and host != job.end_host:
        return False
    end_ms = job.end_at_ms if job.end_at_ms is not None else job.ended_ms
    return end_ms is not None and happened_ms(event.at, accept_ms) < end_ms


def rollup_for(state: State, job: Job, at: float | str | None, accept_ms: int) -> Rollup:
    """The roll-up of the job's task for the moment when something happened: its own time `at`, else its acceptance."""
    happened = accept_ms if at is None else happened_ms(at, accept_ms)
    key = (happened - happened % _FINEST_MS, job.counters.task)
    rollup = state.changes.rollups.get(key)
    if rollup is None:
        rollup = state.changes.rollups[key] = Rollup()
    return rollup


def count_end(rollup: Rollup, status: str) -> None:
    """Count one end in a terminal status."""
    rollup.ends[status] = rollup.ends.get(status, 0) + 1


def note_end(job: Job, event: AnyReport, accept_ms: int, *, is_told_by_update: bool) -> None:
    """
    Remember when the end happened and whose clock told it, so that later reports can be found late.

    A clock far ahead would make late whatever follows; so its time is clamped here as it is everywhere.
    """
    if event.at is not None:
        job.end_at_ms = happened_ms(event.at, accept_ms)
    else:
        job.end_at_ms = None if job.ended_ms == accept_ms else accept_ms  # see `end_ms`
    job.end_host = job.host
    job.is_end_told_by_update = is_told_by_update


def cut_text(text: str) -> str:
    """At most `TEXT_BYTES_KEPT` bytes of a text; what is cut is said, with the full length in bytes."""
    if len(text) * 4 <= TEXT_BYTES_KEPT:
        return text
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) <= TEXT_BYTES_KEPT:
        return text
    mark = f" … [cut, {len(raw)} bytes in all]"
    return raw[: TEXT_BYTES_KEPT - len(mark.encode())].decode("utf-8", "ignore") + mark
