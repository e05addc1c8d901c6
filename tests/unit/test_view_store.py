"""The writing side of the view: files, flushes, what it says when something is wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from jobsight.core.apply import apply
from jobsight.core.events import AnyReport, Batch, JobCompleted, JobFailed, StatusUpdate
from jobsight.core.limits import HISTORY_REFS_MAX
from jobsight.core.state import State
from jobsight.errors import CannotCreateError, DataError, InUseError, StorageError, StorageFullError
from jobsight.testing.disk import Disk, Operation
from jobsight.view import words
from jobsight.view.database import BUSY_MS_MAX
from jobsight.view.migrations import scripts
from jobsight.view.queries import open_reader
from jobsight.view.store import View

AT_MS = 1_790_000_000_000


def feed(view: View, state: State, *events: AnyReport, at_ms: int = AT_MS) -> State:
    """One batch, applied as the engine does it; not flushed."""
    unknown = {event.job_id for event in events} - state.jobs.keys()
    for job in view.fetch(sorted(unknown), state):
        state.jobs[job.job_id] = job
    sources: list[str | None] = ["w"] * len(events)
    apply(state, Batch(seq=state.applied_seq + 1, accept_ms=at_ms, sources=sources, events=list(events)))
    return state


def running(job_id: str, progress: int = 0) -> StatusUpdate:
    return StatusUpdate(job_id=job_id, status="running", progress=progress, msg_id=progress)


def all_bytes(path: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in path.parent.iterdir()}


# ------------------------------------------------------------------------------------------------------------- files


def test_a_view_is_made_small_and_shrinkable(tmp_path: Path) -> None:
    """A new file can give back its free pages in small steps, and answers while it is written."""
    view = View.open(tmp_path / "view.db")

    assert 2 == view.connection.pragma("auto_vacuum")
    assert "wal" == view.connection.pragma("journal_mode")
    assert 1 == view.connection.pragma("synchronous")
    assert len(scripts()) == view.connection.pragma("user_version")
    view.close()
    view.close()


def test_an_empty_view_is_an_empty_state() -> None:
    """Whoever has no view yet begins with nothing, and replays the whole log."""
    view = View.open(None)

    assert State() == view.load_state()
    assert b"" == view.applied_checksum()


def test_a_newer_view_is_left_as_it_is(tmp_path: Path) -> None:
    """Going back to an older version destroys nothing: it refuses, and not a byte changes, nor in the log beside the file."""
    path = tmp_path / "view.db"
    view = View.open(path)
    view.connection.pragma("user_version", len(scripts()) + 1)
    before = all_bytes(path)

    with pytest.raises(DataError, match="nothing was changed") as caught:
        View.open(path)
    with pytest.raises(DataError, match="nothing was changed"):
        open_reader(path)
    view_bytes = {name: content for name, content in all_bytes(path).items() if not name.endswith("-shm")}

    assert 65 == caught.value.exit_code
    assert {name: content for name, content in before.items() if not name.endswith("-shm")} == view_bytes
    view.close()
    closed = path.read_bytes()
    with pytest.raises(DataError, match="nothing was changed"):
        View.open(path)
    assert closed == path.read_bytes()


@pytest.mark.parametrize(
    ("begin", "stop"), [(0, 16), (16, 100), (100, 4096), (0, 1 << 30)], ids=["magic", "header", "schema", "everything"]
)
def test_a_damaged_file_says_that_it_can_be_made_anew(tmp_path: Path, begin: int, stop: int) -> None:
    """Nothing is lost with the view, and the message says so."""
    path = tmp_path / "view.db"
    view = View.open(path)
    view.flush(feed(view, view.load_state(), running("a")), b"c")
    view.close()
    content = bytearray(path.read_bytes())
    content[begin:stop] = b"\xa5" * (min(stop, len(content)) - begin)
    path.write_bytes(content)

    with pytest.raises(DataError, match="jobsight view rebuild") as caught:
        View.open(path).load_state()

    assert 65 == caught.value.exit_code


def test_a_cut_file_says_that_it_can_be_made_anew(tmp_path: Path) -> None:
    """A file that ends too early is damaged as well."""
    path = tmp_path / "view.db"
    view = View.open(path)
    view.flush(feed(view, view.load_state(), running("a")), b"c")
    view.close()
    os.truncate(path, 8192)

    with pytest.raises(DataError, match="jobsight view rebuild"):
        View.open(path).load_state()


def test_the_view_of_another_log_is_refused(tmp_path: Path) -> None:
    """Files that were mixed up by hand do not make a wrong answer."""
    View.open(tmp_path / "view.db", log_id="aa").close()
    View.open(tmp_path / "view.db", log_id="aa").close()

    with pytest.raises(DataError, match="the log aa, this is the log bb"):
        View.open(tmp_path / "view.db", log_id="bb")


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    """An operator reads which path cannot be opened."""
    with pytest.raises(CannotCreateError, match=r"missing/view\.db") as caught:
        View.open(tmp_path / "missing" / "view.db")

    assert 73 == caught.value.exit_code


KILL_AT_STATEMENT = """
import os, signal, sys
from pathlib import Path
import apsw
from jobsight.view.database import connect_writer
from jobsight.view.migrations import migrate, scripts

path, statement = Path(sys.argv[1]), int(sys.argv[2])
connection = connect_writer(path)
seen = 0

def trace(cursor, sql, bindings):
    global seen
    seen += 1
    if seen == statement:
        os.kill(os.getpid(), signal.SIGKILL)
    return True

connection.exec_trace = trace
migrate(connection, path, scripts())
print(seen)
"""


@pytest.mark.slow
def test_a_crash_in_a_migration_leaves_the_old_schema_or_the_new(tmp_path: Path) -> None:
    """Killed before any statement of it, the migration has not happened; run again, it is whole."""
    whole = [0]
    connection = apsw.Connection(":memory:")
    for step in scripts():
        connection.execute(step)
        whole.append(connection.execute("SELECT count(*) FROM sqlite_schema").get)
    statement = 0
    while True:
        statement += 1
        path = tmp_path / f"{statement}.db"
        child = subprocess.run(
            [sys.executable, "-c", KILL_AT_STATEMENT, str(path), str(statement)], capture_output=True, text=True
        )
        connection = apsw.Connection(str(path))
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
        version = connection.pragma("user_version")
        connection.close()
        if child.returncode == 0:
            break

        assert -signal.SIGKILL == child.returncode
        assert whole[version] == tables
        View.open(path).close()

    assert len(scripts()) == version
    assert statement > 10


# ----------------------------------------------------------------------------------------------------------- flushes


def test_a_flush_without_room_can_be_tried_again() -> None:
    """A full disk costs nothing but time: the state is as before, and the next flush stores all of it."""
    view, twin = View.open(None), View.open(None)
    state, other = view.load_state(), twin.load_state()
    for one, its in ((view, state), (twin, other)):
        one.flush(feed(one, its, running("kept"), *[running(f"job-{n}") for n in range(50)]), b"1")
        feed(one, its, JobFailed(job_id="kept", error="no", task="t"), *[running(f"more-{n}") for n in range(900)])
    view.connection.pragma("max_page_count", view.connection.pragma("page_count") + 2)

    for _ in range(2):
        with pytest.raises(StorageFullError) as caught:
            view.flush(state, b"2")
    assert 75 == caught.value.exit_code
    assert (1, b"1") == (view.load_state().applied_seq, view.applied_checksum())
    assert {"more-7"} == {job.job_id for job in [state.jobs["more-7"]] if job.is_dirty and not job.is_stored}

    view.connection.pragma("max_page_count", 1 << 30)
    view.flush(state, b"2")
    twin.flush(other, b"2")
    assert twin.load_state() == view.load_state()
    assert twin.fetch(["kept", "more-899"], other) == view.fetch(["kept", "more-899"], state)
    assert twin.reader().rollup_sum(0) == view.reader().rollup_sum(0)
    assert twin.reader().list_jobs(limit=1000) == view.reader().list_jobs(limit=1000)


def is_interrupted(view: View, state: State, statement: int) -> bool:
    """Flush, with Ctrl-C before the n-th statement; False where there are not so many."""
    seen = 0

    def trace(cursor: apsw.Cursor, sql: str, bindings: object) -> bool:
        nonlocal seen
        seen += 1
        if seen == statement:
            raise KeyboardInterrupt
        return True

    view.connection.exec_trace = trace
    try:
        view.flush(state, b"2")
    except KeyboardInterrupt:
        return True
    finally:
        view.connection.exec_trace = None
    return False


def test_a_flush_that_was_interrupted_anywhere_can_be_tried_again() -> None:
    """Ctrl-C in the middle of a flush: nothing of it is stored, nothing of it is forgotten, and the next one stores it once."""

    def second_batch(n: int) -> list[AnyReport]:
        done = [JobCompleted(job_id=f"a{i}", duration_ms=i, task=f"new task {n}") for i in range(5)]
        return [JobFailed(job_id="b", error="no", host=f"new host {n}"), *done, running("c")]

    twin, view = View.open(None), View.open(None)
    other, state = twin.load_state(), view.load_state()
    for one, its in ((twin, other), (view, state)):
        one.flush(feed(one, its, running("b"), JobCompleted(job_id="d", duration_ms=7)), b"1")
    interrupted = statement = 0
    while interrupted == statement:
        statement += 1
        for one, its in ((twin, other), (view, state)):
            feed(one, its, *second_batch(statement))
        if is_interrupted(view, state, statement):
            interrupted += 1
            assert statement == view.load_state().applied_seq
            view.flush(state, b"2")
        twin.flush(other, b"2")
        names = ["b", "d", *[f"a{i}" for i in range(5)]]

        assert twin.load_state() == view.load_state()
        assert twin.fetch(names, twin.load_state()) == view.fetch(names, view.load_state())
        assert twin.reader().rollup_sum(0) == view.reader().rollup_sum(0)
        assert twin.reader().alerts() == view.reader().alerts()
        assert twin.reader().list_jobs() == view.reader().list_jobs()

    assert interrupted > 20


def test_a_file_that_is_held_by_another_process_is_said(tmp_path: Path) -> None:
    """Two writers never mix: the second one is told."""
    view = View.open(tmp_path / "view.db")
    view.connection.set_busy_timeout(0)
    state = feed(view, view.load_state(), running("a"))
    other = apsw.Connection(str(tmp_path / "view.db"))
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(InUseError, match="another process"):
        view.flush(state, b"c")

    other.execute("ROLLBACK")
    view.flush(state, b"c")
    assert 1 == view.load_state().applied_seq
    assert BUSY_MS_MAX > 1000
    other.close()
    view.close()


def test_only_stored_jobs_are_fetched() -> None:
    """A name that was never seen is not found; one that was comes back as it was, without its events."""
    view = View.open(None)
    state = view.load_state()
    done = JobCompleted(job_id="done", msg_id=3, duration_ms=12.5, resource_usage={"cpu_percent": 7}, labels={"a": "b"})
    view.flush(feed(view, state, running("done"), done, running("active")), b"c")
    found = view.fetch(["done", "never"], state)

    assert {"active"} == state.jobs.keys()
    assert ["done"] == [job.job_id for job in found]
    assert (12.5, {"cpu_percent": 7}, {"a": "b"}) == (
        found[0].duration_ms,
        found[0].resource_usage,
        found[0].labels,
    )
    assert (True, False, [], None, 2) == (
        found[0].is_stored,
        found[0].is_dirty,
        found[0].refs,
        found[0].last_event,
        found[0].events_stored,
    )
    assert found[0].last_digest != 0
    assert found[0].counters is state.pairs[(None, None)]


def test_a_report_that_is_repeated_after_a_restart_counts_once() -> None:
    """What a job has said last is known although the report itself has left the memory (protocol.md P17)."""
    view = View.open(None)
    failed = JobFailed(job_id="a", msg_id=9, error="no", retries=3)
    view.flush(feed(view, view.load_state(), failed), b"c")
    state = view.load_state()
    feed(view, state, failed)
    view.flush(state, b"d")

    assert 1 == view.reader().alerts().alerts[0].count
    assert 1 == view.reader().rollup_sum(0).ends["failed"]


def test_a_job_with_very_many_events_keeps_its_first_and_its_last() -> None:
    """A heartbeat every second for days costs as much room as the last thousand events, wherever the flushes fall."""
    view = View.open(None)
    state = view.load_state()
    refs: list[int] = []
    for size in [1, 3, 60, 63, 64, 65, 1, 500, 700, 5, 2500, 1, 40, 1200, 7, *[1] * 70, 64, *[32] * 50]:
        feed(view, state, *[running("chatty", 1 + n % 100) for n in range(size)])
        refs += state.jobs["chatty"].refs
        view.flush(state, b"c")
        shown = view.reader().history_refs("chatty")

        assert refs[:1] + refs[1:][-HISTORY_REFS_MAX:] == shown
        assert len(refs) == state.jobs["chatty"].events_stored
    pieces = view.connection.execute("SELECT count(*), sum(length(refs)) FROM history").get

    assert pieces[0] < 24
    assert pieces[1] < 12_000


def test_names_above_the_limit_are_stored_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that makes up a host name for each job fills rows, not the memory."""
    monkeypatch.setattr(words, "WORDS_MAX", 10)
    view = View.open(None)
    state = view.load_state()
    for n in range(20):
        feed(view, state, StatusUpdate(job_id=f"j{n}", status="running", host=f"host-{n}", task=f"task-{n % 7}"))
        view.flush(state, b"c")
    reader = view.reader()

    assert 10 == view.connection.execute("SELECT count(*) FROM words").get
    assert [f"host-{n}" for n in range(19, -1, -1)] == [job.host for job in reader.list_jobs().jobs]
    assert ["j19", "j12", "j5"] == [job.job_id for job in reader.list_jobs(task="task-5").jobs]
    assert {f"j{n}": f"host-{n}" for n in range(20)} == {
        job.job_id: job.host for job in view.load_state().jobs.values()
    }


@pytest.mark.parametrize("nth", [1, 2, 3, 5, 8, 13])
def test_a_flush_that_a_disk_has_refused_can_be_tried_again(tmp_path: Path, nth: int) -> None:
    """Whichever write fails: the state is kept, and the next flush stores all of it, once."""
    twin = View.open(None)
    other = feed(twin, twin.load_state(), *[running(f"job-{n}") for n in range(200)])
    twin.flush(other, b"1")
    writes = [-(1 << 30)]

    def fail_nth_write(operation: Operation) -> None:
        writes[0] += operation.verb == "write"
        if writes[0] == nth:
            raise apsw.exception_for(apsw.SQLITE_IOERR_WRITE)

    with Disk(fail_nth_write):
        view = View.open(tmp_path / "view.db")
        state = feed(view, view.load_state(), *[running(f"job-{n}") for n in range(200)])
        writes[0] = 0
        with pytest.raises(StorageError) as caught:
            view.flush(state, b"1")
        assert (0, {}) == (view.load_state().applied_seq, view.load_state().jobs)
        view.flush(state, b"1")
        loaded = view.load_state()
        view.close()

    assert 74 == caught.value.exit_code
    assert twin.load_state() == loaded
    again = View.open(tmp_path / "view.db")
    assert loaded == again.load_state()
    again.close()


def test_jobs_that_tell_the_same_measures_share_their_names(tmp_path: Path) -> None:
    """A row holds the numbers of a usage; the names stand once, however many jobs tell them, also after a start."""
    path = tmp_path / "view.db"
    usages: list[dict[str, int | float | None]] = [
        {"cpu_percent": 7, "memory_mb": 1.5},
        {"cpu_percent": 8.0, "memory_mb": None},
        {"memory_mb": 1, "cpu_percent": 2},
        {},
    ]
    for number, usage in enumerate(usages):
        view = View.open(path)
        done = JobCompleted(job_id=f"job-{number}", duration_ms=1, resource_usage=usage)
        view.flush(feed(view, view.load_state(), done), b"c" * 16)
        view.close()

    view = View.open(path)
    found = view.fetch([f"job-{number}" for number in range(4)], view.load_state())
    rows = view.connection.execute("SELECT resource_usage FROM jobs ORDER BY number").fetchall()

    assert [repr(usage) for usage in usages] == [repr(job.resource_usage) for job in found]
    assert all(text.startswith("[") for (text,) in rows)
    assert rows[0][0].partition(",")[0] == rows[1][0].partition(",")[0]


def test_a_start_copies_what_a_killed_process_has_left(tmp_path: Path) -> None:
    """The first commit of a service that answers already does not wait for it."""
    left, found = tmp_path / "left.db", tmp_path / "found.db"
    view = View.open(left)
    view.connection.wal_autocheckpoint(0)
    view.flush(feed(view, State(), *(running(f"job-{place}") for place in range(3_000))), b"")
    for suffix in ("", "-wal"):
        found.with_name(found.name + suffix).write_bytes(left.with_name(left.name + suffix).read_bytes())
    view.close()
    size = found.with_name("found.db-wal").stat().st_size

    view = View.open(found)

    frames, copied = view.connection.execute("PRAGMA wal_checkpoint(NOOP)").fetchall()[0][1:]
    assert size > 50 * 4096
    assert 1 == frames
    assert 0 == copied
    view.close()
