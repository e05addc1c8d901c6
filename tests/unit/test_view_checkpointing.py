"""The write-ahead file of the view is copied beside the writer."""

from __future__ import annotations

from pathlib import Path
from threading import Semaphore
from threading import enumerate as threads

import apsw
import pytest
from typing_extensions import override

from jobsight.app.stores import open_store
from jobsight.errors import CannotCreateError
from jobsight.view.checkpointing import LAGGING_PAGES, Checkpointing
from jobsight.view.database import CHECKPOINT_PAGES, connect_reader, connect_writer

PAGE_BYTES = 4096


def filled(path: Path) -> apsw.Connection:
    """A table with one row of a page."""
    connection = connect_writer(path)
    connection.execute("CREATE TABLE t (number INTEGER PRIMARY KEY, filling BLOB)")
    return connection


def add(connection: apsw.Connection, pages: int) -> None:
    """A commit of about so many pages."""
    with connection:
        connection.executemany("INSERT INTO t (filling) VALUES (zeroblob(?))", [(PAGE_BYTES,)] * pages)


def copied(path: Path) -> bool:
    """Whether the file itself holds the table's rows, without its write-ahead file; polled, since a thread copies."""
    return path.stat().st_size > CHECKPOINT_PAGES * PAGE_BYTES


def wait_until_copied(path: Path) -> None:
    """Give the processor away until the thread has copied; the test's own limit ends a wait that nothing ends."""
    reader = connect_reader(path)
    while not copied(path):
        reader.execute("SELECT count(*) FROM t").fetchall()
    reader.close()


def test_a_long_file_is_copied_by_a_thread_that_ends_with_the_view(tmp_path: Path) -> None:
    """A commit that makes it long enough only asks; the thread copies, and is gone after `close`. All rows are there."""
    path = tmp_path / "view.db"
    connection = filled(path)
    checkpointing = Checkpointing(connection, lambda: connect_writer(path))
    add(connection, CHECKPOINT_PAGES // 2)
    assert not any(one.name == "jobsight-view" for one in threads())
    add(connection, CHECKPOINT_PAGES)
    wait_until_copied(path)
    checkpointing.close()

    assert not any(one.name == "jobsight-view" for one in threads())
    connection.close()
    with connect_reader(path) as again:
        assert CHECKPOINT_PAGES * 3 // 2 == again.execute("SELECT count(*) FROM t").get


def test_where_the_thread_cannot_work_commits_copy_by_themselves(tmp_path: Path) -> None:
    """No second connection can be had: no commit fails, and the file does not grow for ever."""
    path = tmp_path / "view.db"
    connection = filled(path)

    def connect() -> apsw.Connection:
        raise CannotCreateError("no")

    checkpointing = Checkpointing(connection, connect)
    for _ in range(LAGGING_PAGES // CHECKPOINT_PAGES + 1):
        add(connection, CHECKPOINT_PAGES)
    checkpointing.close()

    assert LAGGING_PAGES * PAGE_BYTES <= path.stat().st_size
    connection.close()


class Failing(apsw.Connection):
    """A connection whose copies fail; `tried` is released for each."""

    tried: Semaphore

    @override
    def wal_checkpoint(self, dbname: str | None = None, mode: int = apsw.SQLITE_CHECKPOINT_PASSIVE) -> tuple[int, int]:
        """Finds a disk that fails."""
        self.tried.release()
        raise apsw.IOError("the disk fails")


def test_a_disk_that_fails_under_a_copy_is_no_error_of_the_commit(tmp_path: Path) -> None:
    """What was committed stays readable; a copy that failed is asked for again by the next commit, of the same thread."""
    path = tmp_path / "view.db"
    connection = filled(path)
    tried = Semaphore(0)

    def connect() -> apsw.Connection:
        failing = Failing(str(path))
        failing.tried = tried
        return failing

    checkpointing = Checkpointing(connection, connect)
    for _ in range(3):
        add(connection, CHECKPOINT_PAGES)
        assert tried.acquire(timeout=30)
    checkpointing.close()

    assert not copied(path)
    assert 3 * CHECKPOINT_PAGES == connection.execute("SELECT count(*) FROM t").get
    connection.close()


@pytest.mark.parametrize("copies_beside", [True, False])
def test_who_keeps_a_folder_says_whether_a_thread_copies(copies_beside: bool, tmp_path: Path) -> None:
    """A service asks for it; a node, whose one reader waits for nothing but answers, does without."""
    with open_store(tmp_path / "data", lambda _: None, copies_beside=copies_beside) as store:
        for at_ms in range(CHECKPOINT_PAGES + 100):
            store.view.note_alive(at_ms)
        is_there = any(one.name == "jobsight-view" for one in threads())

    assert copies_beside == is_there
    assert not any(one.name == "jobsight-view" for one in threads())
