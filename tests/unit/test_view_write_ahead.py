"""Moving pages into the view's file: what fails there costs no flush, is said, and leaves no mixture behind."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from jobsight.core.apply import apply
from jobsight.core.events import Batch, StatusUpdate
from jobsight.core.state import State
from jobsight.errors import DamagedViewError
from jobsight.testing.disk import Disk, Operation
from jobsight.view.store import View
from jobsight.view.write_ahead import UNSURE

AT_MS = 1_790_000_000_000


def flush_some(view: View, state: State, times: int) -> None:
    """So many flushes, each with a job of its own."""
    for _ in range(times):
        seq = state.applied_seq + 1
        event = StatusUpdate(job_id=f"job-{seq}", status="running", message="m" * 900)
        apply(state, Batch(seq=seq, accept_ms=AT_MS, sources=["w"], events=[event]))
        view.flush(state, b"%d" % seq)


class Failing(Disk):
    """A disk on which an operation on a file fails for as long as `fails` says so."""

    def __init__(self, verb: str, file: str, code: int) -> None:
        self.fails = False
        self._what, self._code = (file, verb), code
        super().__init__(self._fail)

    def _fail(self, operation: Operation) -> None:
        if self.fails and (operation.file, operation.verb) == self._what:
            raise apsw.exception_for(self._code)


def opened(path: Path) -> View:
    """A view that moves its pages often."""
    view = View.open(path)
    view.write_ahead.pages_max = 8
    return view


@pytest.mark.parametrize(
    ("verb", "file", "code"),
    [
        ("sync", "view.db-wal", apsw.SQLITE_IOERR_FSYNC),
        ("sync", "view.db", apsw.SQLITE_IOERR_FSYNC),
        ("write", "view.db", apsw.SQLITE_IOERR_WRITE),
        ("write", "view.db", apsw.SQLITE_FULL),
    ],
)
def test_pages_that_cannot_be_moved_cost_no_flush(tmp_path: Path, verb: str, file: str, code: int) -> None:
    """Each flush is stored, once; the view says what is wrong, tries again, and says nothing more once it works."""
    path, state = tmp_path / "view.db", State()
    with Failing(verb, file, code) as disk:
        view = opened(path)
        flush_some(view, state, 1)
        disk.fails = True
        flush_some(view, state, 12)
        troubled = view.trouble
        disk.fails = False
        flush_some(view, state, 12)
        trouble = view.trouble
        view.close()
    view = View.open(path)
    found = view.load_state()
    view.close()

    assert troubled is not None
    assert "cannot be moved" in troubled
    assert trouble is None
    assert 25 == found.applied_seq == found.jobs_total


def test_after_a_sync_that_failed_the_view_is_trusted_again_once_all_was_written_anew(tmp_path: Path) -> None:
    """A process that ends before that leaves a mark, and the next start makes the view anew from the log."""
    path, state = tmp_path / "view.db", State()
    mark = path.with_name(path.name + UNSURE)
    with Failing("sync", "view.db-wal", apsw.SQLITE_IOERR_FSYNC) as disk:
        view = opened(path)
        disk.fails = True
        flush_some(view, state, 12)
        disk.fails = False
        with pytest.raises(DamagedViewError, match="a sync of the view"):
            View.open(path)
        flush_some(view, state, 1)
        is_marked_still = mark.exists()
        flush_some(view, state, 12)
        is_marked = mark.exists()
        view.close()

    assert (True, False) == (is_marked_still, is_marked)
