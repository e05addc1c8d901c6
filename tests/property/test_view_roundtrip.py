"""Whatever happens to the jobs: what is flushed is what is loaded, however the flushes fall."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from jobsight.core.apply import apply, apply_internal
from jobsight.core.events import (
    AnyReport,
    Batch,
    DeadlinePassed,
    Heartbeat,
    JobCancelled,
    JobCompleted,
    JobFailed,
    SettingsChanged,
    StatusUpdate,
)
from jobsight.core.job import Job
from jobsight.core.state import State
from jobsight.view.history import unpack
from jobsight.view.rows import last_digest
from jobsight.view.store import View

START_MS = 1_790_000_000_000
CHECKSUM = bytes(range(16))

msg_ids = st.sampled_from([UNSET, None, 1, 2])
names = st.sampled_from([None, None, "backup", "export", "naïve ☂"])
texts = st.one_of(st.none(), st.text(max_size=20))
measures = st.one_of(st.none(), st.integers(0, 2**53 - 1), st.floats(0, 1e12, allow_nan=False))
common = {
    "job_id": st.sampled_from(["a", "b", "c", "0b9f7e0e-5f0c-4a55-9a3a-1d8c55555555", "☂", "(other)"]),
    "msg_id": msg_ids,
    "task": names,
    "queue": names,
    "host": names,
    "labels": st.one_of(st.none(), st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2)),
    "attempt": st.one_of(st.none(), st.integers(0, 3)),
    "max_retries": st.one_of(st.none(), st.integers(0, 3)),
    "at": st.one_of(st.none(), st.integers(START_MS - 20_000, START_MS + 20_000)),
    "message": texts,
}
reports = st.one_of(
    st.builds(
        StatusUpdate,
        status=st.sampled_from(["queued", "running", "completed", "failed", "cancelled", "warming up"]),
        progress=st.one_of(st.just(UNSET), st.none(), st.integers(0, 100), st.floats(0, 100)),
        **common,
    ),
    st.builds(
        JobCompleted,
        duration_ms=st.one_of(st.just(UNSET), measures),
        resource_usage=st.one_of(st.just(UNSET), st.none(), st.dictionaries(st.sampled_from(["cpu", "mb"]), measures)),
        **common,
    ),
    st.builds(
        JobFailed, error=st.one_of(st.just(UNSET), texts), retries=st.one_of(st.none(), st.integers(0, 3)), **common
    ),
    st.builds(Heartbeat, **common),
    st.builds(JobCancelled, reason=st.one_of(st.just(UNSET), texts), **common),
)
batches = st.lists(
    st.tuples(st.integers(START_MS, START_MS + 90_000), st.lists(reports, min_size=1, max_size=4)),
    min_size=1,
    max_size=8,
)


def run(view: View, state: State, steps: Sequence[tuple[int, list[AnyReport]]], flush_every: int) -> State:
    """Apply batches as the engine does: fetch what is not in memory, apply, flush now and then and at the end."""
    for number, (at_ms, events) in enumerate(steps, start=1):
        batch = Batch(seq=state.applied_seq + 1, accept_ms=at_ms, sources=["w"] * len(events), events=list(events))
        unknown = {event.job_id for event in events} - state.jobs.keys()
        for job in view.fetch(sorted(unknown), state):
            state.jobs[job.job_id] = job
        apply(state, batch)
        if number % flush_every == 0:
            view.flush(state, CHECKSUM)
    view.flush(state, CHECKSUM)
    return state


def as_loaded(job: Job) -> Job:
    """A job as it comes back: of its last report only the digest is left."""
    plain = dataclasses.replace(job, last_event=None, last_source=None, last_digest=last_digest(job))
    plain.refs = job.refs[:]
    return plain


def everything(view: View) -> dict[str, object]:
    """All that the view knows of jobs (with their histories), alerts and counters."""
    ask = view.connection.execute
    state = view.load_state()
    ended = view.reader().rollup_sum(0)
    job_ids = [job_id for (job_id,) in ask("SELECT job_id FROM jobs ORDER BY number")]
    return {
        "jobs": sorted(view.fetch(job_ids, state), key=lambda job: job.number),
        "histories": [unpack(packed) for (packed,) in ask("SELECT history FROM jobs ORDER BY number")],
        "alerts": ask("SELECT * FROM alerts ORDER BY number").fetchall(),
        "ended": (ended.ends, ended.duration_sum_us, ended.duration_max_us, ended.durations),
        "state": state,
        "checksum": view.applied_checksum(),
    }


@given(batches, st.integers(1, 4))
def test_what_was_flushed_is_what_is_loaded(steps: list[tuple[int, list[AnyReport]]], flush_every: int) -> None:
    """After a start the monitor goes on from exactly the state that it had when it stopped."""
    view = View.open(None)
    state = run(view, State(), steps, flush_every)
    loaded = view.load_state()

    assert {job_id: as_loaded(job) for job_id, job in state.jobs.items()} == loaded.jobs
    assert state.counters == loaded.counters
    assert state.pairs == loaded.pairs
    assert state.open_by_id == loaded.open_by_id
    assert state.open_by_task == loaded.open_by_task
    assert state.open_by_fingerprint == loaded.open_by_fingerprint
    assert (state.applied_seq, state.jobs_total) == (loaded.applied_seq, loaded.jobs_total)
    view.close()


@given(batches, st.integers(1, 4), st.integers(1, 4))
def test_it_does_not_matter_where_the_flushes_fall(
    steps: list[tuple[int, list[AnyReport]]], one: int, other: int
) -> None:
    """A view that was flushed often and one that was flushed seldom hold the same jobs, alerts and counters."""
    often, seldom = View.open(None), View.open(None)
    run(often, State(), steps, one)
    run(seldom, State(), steps, other)

    assert everything(often) == everything(seldom)
    often.close()
    seldom.close()


@given(batches, st.integers(1, 3))
def test_a_restart_between_any_two_batches_changes_nothing(
    steps: list[tuple[int, list[AnyReport]]], split: int
) -> None:
    """Going on from a loaded state gives what going on without a stop gives."""
    whole, parted = View.open(None), View.open(None)
    run(whole, State(), steps, 1)
    state = State()
    for begin in range(0, len(steps), split):
        run(parted, state, steps[begin : begin + split], 1)
        state = parted.load_state()

    assert everything(whole) == everything(parted)
    whole.close()
    parted.close()


def test_what_the_monitor_itself_records_is_kept() -> None:
    """Settings and passed deadlines survive a restart."""
    view = View.open(None)
    state = run(view, State(), [(START_MS, [StatusUpdate(job_id="a", status="running", msg_id=1)])], 1)
    events = [
        SettingsChanged(max_retries=5, silence_ms=60_000, author="config"),
        DeadlinePassed(subject_kind="job", subject="a", rule="silence", deadline_ms=START_MS + 60_000),
    ]
    apply_internal(state, Batch(seq=2, accept_ms=START_MS + 60_000, sources=[None, None], events=list(events)))
    view.flush(state, CHECKSUM)
    loaded = view.load_state()
    (job,) = view.fetch(["a"], loaded)

    assert (5, 60_000, 2) == (loaded.retries_max, loaded.silence_ms, loaded.applied_seq)
    assert "lost" == job.status
    assert START_MS + 60_000 == job.ended_ms
    view.close()
