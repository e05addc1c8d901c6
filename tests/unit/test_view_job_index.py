"""Finding a job by its name, over segments and restarts."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from jobsight.core.job import Job
from jobsight.core.state import State
from jobsight.core.statistics import pair_for
from jobsight.view.job_index import FILTER_SEGMENTS, GENERATION_BITS, SEGMENT_BITS, StoredHashes, hash_of
from jobsight.view.queries import open_reader
from jobsight.view.store import View

SEGMENT = 1 << SEGMENT_BITS
GENERATION = 1 << GENERATION_BITS


def grow(view: View, state: State, upto: int, step: int) -> None:
    """Flush jobs with the numbers up to `upto`, so many at a time."""
    pair = pair_for(state.pairs, None, None)
    while state.jobs_total < upto:
        first, last = state.jobs_total + 1, min(upto, state.jobs_total + step)
        for number in range(first, last + 1):
            job = Job(
                number=number, job_id=f"job {number}", counters=pair, status="completed", ended_ms=1, is_dirty=True
            )
            state.changes.jobs.append(job)
        state.jobs_total = last
        state.applied_seq += 1
        view.flush(state, b"c")


def found(view: View, numbers: list[int]) -> list[int]:
    return sorted(job.number for job in view.fetch([f"job {number}" for number in numbers], State()))


@pytest.mark.slow
def test_every_job_is_found_by_its_name_after_any_restart(tmp_path: Path) -> None:
    """However many jobs there are, and wherever the monitor stopped: each one is found, and nothing that was never seen."""
    view = View.open(tmp_path / "view.db")
    state = view.load_state()
    asked = [1, 2, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT - 1, 2 * SEGMENT, 2 * SEGMENT + 40]
    sizes = [SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT - 1, 2 * SEGMENT + 50, (FILTER_SEGMENTS + 1) * SEGMENT + 5]
    for size in sizes:
        grow(view, state, size, 20_000)
        present = [number for number in asked if number <= size]

        assert present == found(view, asked)
        view.close()
        view = View.open(tmp_path / "view.db")
        assert present == found(view, asked)
        state = view.load_state()

        with_reader = open_reader(tmp_path / "view.db")
        assert [n in present for n in asked] == [with_reader.job(f"job {n}") is not None for n in asked]
        with_reader.close()
    every = list(range(1, sizes[-1] + 1, 97))

    assert every == found(view, every)
    assert [] == view.fetch([f"never {n}" for n in range(5_000)], State())
    view.close()


@pytest.mark.slow
def test_a_name_is_looked_for_in_the_file_only_when_it_may_be_there() -> None:
    """Names that were never seen cost no look at the file: at most one of a hundred passes the filter."""
    view = View.open(None)
    grow(view, view.load_state(), 2 * SEGMENT, 20_000)
    looks = []
    view.connection.exec_trace = lambda cursor, sql, bindings: looks.append(sql) or True
    view.fetch([f"never {n}" for n in range(2_000)], State())

    assert len(looks) < 20
    assert [] == StoredHashes(view.connection).candidates(["never seen"])


@pytest.mark.slow
def test_a_flush_that_failed_leaves_no_trace_in_the_index() -> None:
    """The names of a flush that was tried twice are found like any others, also once their segment is full."""
    view = View.open(None)
    state = view.load_state()
    grow(view, state, SEGMENT - 100, 20_000)
    view.connection.set_commit_hook(lambda: True)
    with pytest.raises(apsw.ConstraintError):
        grow(view, state, SEGMENT + 100, 200)
    view.connection.set_commit_hook(None)
    view.flush(state, b"c")
    grow(view, state, 2 * SEGMENT + 10, 20_000)
    asked = [1, SEGMENT - 101, *range(SEGMENT - 100, SEGMENT + 200), 2 * SEGMENT - 1]

    assert asked == found(view, asked)


def test_some_names_cost_one_walk_through_those_that_came_last() -> None:
    """With a UUID and without one; names that are equal but for their UUID, or but for what stands before it, are told apart."""
    uuid, other = "0123abcd-0000-4000-8000-00000000000a", "0123abcd-0000-4000-8000-00000000000b"
    names = ["a", f"a{uuid}", f"a{other}", f"b{uuid}", uuid, 'a "quoted" \u2028 name']
    view = View.open(None)
    state = view.load_state()
    pair = pair_for(state.pairs, None, None)
    for number, name in enumerate(names, 1):
        state.changes.jobs.append(Job(number=number, job_id=name, counters=pair, status="completed", ended_ms=1))
    state.jobs_total = len(names)
    view.flush(state, b"c")
    walks = []
    view.connection.exec_trace = lambda cursor, sql, bindings: walks.append(sql) or True
    stored = StoredHashes(view.connection)

    for number, name in enumerate(names, 1):
        assert [number] == stored.candidates([name])
    walks.clear()
    assert [4, 2, 6, 1] == stored.candidates([f"b{uuid}", f"b{other}", f"a{uuid}", names[5], "b", "a", other])
    assert 1 == len([sql for sql in walks if "FROM jobs" in sql])


@pytest.mark.slow
def test_names_with_the_same_hash_are_told_apart() -> None:
    """Two names that agree in all bits that are stored (found by trying two million) are still two jobs."""
    one, other = "job-1158933", "job-1754890"
    assert _stored_bits(one) == _stored_bits(other)
    view = View.open(None)
    state = view.load_state()
    pair = pair_for(state.pairs, None, None)
    state.jobs_total = 1
    state.changes.jobs.append(Job(number=1, job_id=one, counters=pair, status="completed", ended_ms=1))
    view.flush(state, b"c")
    grow(view, state, SEGMENT, 20_000)

    assert [one] == [job.job_id for job in view.fetch([one], state)]
    assert [] == view.fetch([other], state)
    assert [one] == [job.job_id for job in view.fetch([one, other], state)]
    assert view.reader().job(other) is None

    grow(view, state, 2 * SEGMENT - 1, 20_000)
    state.jobs_total += 1
    state.changes.jobs.append(Job(number=2 * SEGMENT, job_id=other, counters=pair, status="completed", ended_ms=1))
    view.flush(state, b"c")
    grow(view, state, 3 * SEGMENT, 20_000)
    assert [1, 2 * SEGMENT] == sorted({job.number for job in view.fetch([one, other], state)})
    assert [one] == [job.job_id for job in view.fetch([one], state)]


@pytest.mark.slow
def test_jobs_are_found_over_the_end_of_a_generation(tmp_path: Path) -> None:
    """The job with the number 1,048,576 and those around it are found like any others, also after a restart."""
    view = View.open(tmp_path / "view.db")
    view.connection.execute("UPDATE applied SET jobs_total = ?", (GENERATION - SEGMENT - 5,))
    state = view.load_state()
    for upto in (GENERATION - 1, GENERATION, GENERATION + SEGMENT + 5):
        grow(view, state, upto, 20_000)
        asked = [GENERATION - SEGMENT - 4, GENERATION - 1, GENERATION, GENERATION + SEGMENT, GENERATION + SEGMENT + 5]
        present = [number for number in asked if number <= upto]

        assert present == found(view, asked)
        view.close()
        view = View.open(tmp_path / "view.db")
        state = view.load_state()
        assert present == found(view, asked)
        reader = view.reader()
        assert [number in present for number in asked] == [reader.job(f"job {n}") is not None for n in asked]
        reader.close()
    view.close()


def _stored_bits(job_id: str) -> tuple[int, int]:
    return hash_of(job_id) >> 32, hash_of(job_id) & 1023
