"""Trimming a log: it begins later, and all that is left is as sound as before."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from jobsight.errors import StorageFullError
from jobsight.logs.base import BatchKind, Entry
from jobsight.logs.sqlite import FREE_PAGES_KEPT, TRIM_ROWS, SqliteLog
from jobsight.logs.sqlite_reader import SqliteReader
from jobsight.logs.verdict import words
from jobsight.testing.disk import failing_disk
from jobsight.testing.logs import LOG_ID, RULES_VERSION, an_entry

AT_MS = 1_790_000_000_000


def a_log(path: Path, batches: int) -> SqliteLog:
    SqliteLog.create(path, log_id=LOG_ID, created_ms=AT_MS)
    log = SqliteLog(path, rules_version=RULES_VERSION)
    log.append([an_entry(number) for number in range(1, batches + 1)])
    return log


def trim_all(log: SqliteLog, upto_seq: int) -> list[int]:
    steps = []
    while step := log.trim(upto_seq):
        steps.append(step)
    return steps


def test_a_trimmed_log_begins_behind_what_was_deleted(tmp_path: Path) -> None:
    """Bounds, records and the chain begin at the first batch that is kept; deletion goes in small steps."""
    log = a_log(tmp_path / "log.db", 100)
    kept = list(log.read(40))

    assert [TRIM_ROWS, TRIM_ROWS, 40 - 2 * TRIM_ROWS] == trim_all(log, 40)
    assert (41, 100) == log.bounds()
    assert kept == list(log.read()) == list(log.read(7))
    assert log.record(40) is None
    assert kept[0] == log.record(41)
    assert "60 batches with 120 events are sound" == words(log.verify())
    log.append([an_entry(101)])
    log.close()
    again = SqliteLog(tmp_path / "log.db", rules_version=RULES_VERSION, expected_log_id=LOG_ID)
    assert (41, 101) == again.bounds()
    assert [40, "61 batches with 122 events are sound"] == [again.verify().head.seq - 61, words(again.verify())]
    again.close()


def test_the_head_always_stays(tmp_path: Path) -> None:
    """Whatever is asked for, the last batch remains: the next one is chained to it."""
    log = a_log(tmp_path / "log.db", 20)
    trim_all(log, 1_000)

    assert (20, 20) == log.bounds()
    assert 0 == log.trim(1_000)
    log.close()


def test_readers_that_are_open_follow(tmp_path: Path) -> None:
    """A reader of another process that is in the middle of the log goes on behind what was trimmed under it."""
    log = a_log(tmp_path / "log.db", 200)
    reader = SqliteReader(tmp_path / "log.db")
    reading = reader.read()
    begun = [next(reading).seq for _ in range(10)]
    trim_all(log, 150)
    rest = [record.seq for record in reading]

    assert list(range(1, 11)) == begun
    assert [*range(11, 33), *range(151, 201)] == rest
    assert reader.record(150) is None
    assert reader.record(151) is not None
    assert (151, 200) == reader.bounds()
    reader.close()
    log.close()


def test_a_moment_is_found_by_halving(tmp_path: Path) -> None:
    """The last batch that was accepted before a moment, up to a place; the base where none was."""
    log = a_log(tmp_path / "log.db", 100)
    first_ms = next(log.read()).accept_ms

    assert [0, 0, 1, 50, 70, 100] == [
        log.last_before(first_ms + after_ms, upto)
        for after_ms, upto in ((-5, 100), (0, 100), (1, 100), (50, 100), (99, 70), (500, 100))
    ]
    log.close()


def test_the_file_shrinks_as_it_is_trimmed(tmp_path: Path) -> None:
    """Free pages are given back in small steps, but for those that the next appends will want."""
    path = tmp_path / "log.db"
    SqliteLog.create(path, log_id=LOG_ID, created_ms=AT_MS)
    log = SqliteLog(path, rules_version=RULES_VERSION)
    noise = bytes(range(256)) * 4
    for number in range(300):
        payload = b"".join(bytes(one ^ (number * step & 255) for one in noise) for step in range(60)) + b"\n"
        log.append([Entry(accept_ms=AT_MS, kind=BatchKind.REPORTS, count=payload.count(b"\n"), payload=payload)])
    trim_all(log, 290)
    log.close()

    assert path.stat().st_size <= (FREE_PAGES_KEPT + 200) * 8_192


def test_a_full_disk_deletes_nothing(tmp_path: Path) -> None:
    """Trimming that finds no room is taken back whole, and the log goes on once there is room."""
    a_log(tmp_path / "log.db", 50).close()
    with failing_disk("write", nth=1, code=apsw.SQLITE_FULL, once=True, file="-wal"):
        log = SqliteLog(tmp_path / "log.db", rules_version=RULES_VERSION)
        with pytest.raises(StorageFullError):
            log.trim(20)
        assert (1, 50) == log.bounds()
        trim_all(log, 20)
        log.append([an_entry(51)])
    assert (21, 51) == log.bounds()
    assert 31 == log.verify().batches
    log.close()


@pytest.mark.parametrize("upto", [0, -3])
def test_nothing_to_trim_is_nothing_done(tmp_path: Path, upto: int) -> None:
    """A place before the first batch deletes nothing."""
    log = a_log(tmp_path / "log.db", 5)

    assert 0 == log.trim(upto)
    assert (1, 5) == log.bounds()
    log.close()
