"""A disk that fails: a full one is a definite no, any other error leaves the outcome open until the next start (F3, F4, F6)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from shutil import copyfile

import apsw
import pytest

from jobsight.errors import StorageError, StorageFullError
from jobsight.logs.base import BatchKind, Entry, Head
from jobsight.logs.sqlite import SqliteLog
from jobsight.testing.disk import Disk, Operation, failing_disk
from jobsight.testing.logs import LOG_ID

CALLS = 12
CHECKPOINT_PAGES = 20


def entries() -> Iterator[list[Entry]]:
    """Calls of one to three batches that hardly compress, some of them longer than a page."""
    dice = Random(3)
    for call in range(CALLS):
        payloads = [dice.randbytes(dice.choice((50, 20_000))).replace(b"\n", b" ") + b"\n" for _ in range(call % 3 + 1)]
        yield [Entry(accept_ms=call, kind=BatchKind.REPORTS, count=1, payload=payload) for payload in payloads]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty log."""
    SqliteLog.create(tmp_path / "log.db", log_id=LOG_ID, created_ms=1)
    return tmp_path / "log.db"


def payloads_in(path: Path) -> list[bytes]:
    """What a start without faults finds."""
    log = SqliteLog(path, rules_version=1)
    try:
        assert log.verify().damage is None
        return [record.payload for record in log.read()]
    finally:
        log.close()


def append_until_it_fails(
    path: Path, verb: str, nth: int, code: int, once: bool
) -> tuple[list[bytes], list[bytes], bool]:
    """What was answered, what was in the call that failed, and whether one did. A log that failed takes nothing more."""
    answered: list[bytes] = []
    with failing_disk(verb, nth=nth, code=code, once=once):
        try:
            log = SqliteLog(path, rules_version=1, checkpoint_pages=CHECKPOINT_PAGES)
        except StorageError:
            return [], [], True
        for call in entries():
            payloads = [entry.payload for entry in call]
            try:
                log.append(call)
            except StorageError:
                with pytest.raises(StorageError, match="nothing more is taken"):
                    log.append(call)
                log.close()
                return answered, payloads, True
            answered += payloads
        log.close()
    return answered, [], False


@pytest.mark.parametrize("once", [True, False], ids=["once", "from-now-on"])
@pytest.mark.parametrize(
    ("verb", "code"),
    [
        pytest.param("write", apsw.SQLITE_IOERR_WRITE, marks=pytest.mark.slow),
        ("sync", apsw.SQLITE_IOERR_FSYNC),
    ],
)
def test_whichever_operation_fails_nothing_answered_is_lost(verb: str, code: int, once: bool, tmp_path: Path) -> None:
    """The nth write or sync fails, for every n until a run passes: what was answered is there, the failed call whole or not."""
    has_failed, nth = True, 0
    while has_failed:
        nth += 1
        path = tmp_path / f"{nth}.db"
        SqliteLog.create(path, log_id=LOG_ID, created_ms=1)
        answered, unsure, has_failed = append_until_it_fails(path, verb, nth, code, once)
        found = payloads_in(path)

        assert found in (answered, answered + unsure), nth

    assert nth > CALLS


@pytest.mark.parametrize("nth", range(1, 60, 2))
def test_a_full_disk_is_a_definite_no(path: Path, nth: int) -> None:
    """When a write finds no room, nothing of the call is stored; when there is room again, appending goes on."""
    expected: list[bytes] = []
    refused = 0
    with failing_disk("write", nth=nth, code=apsw.SQLITE_FULL, once=True, file="-wal"):
        log = SqliteLog(path, rules_version=1, checkpoint_pages=CHECKPOINT_PAGES)
        for call in entries():
            head = log.head()
            try:
                log.append(call)
            except StorageFullError:
                refused += 1
                assert head == log.head()
                log.append(call)
            expected += [entry.payload for entry in call]
        log.close()

    assert expected == payloads_in(path)
    assert 1 == refused


def test_a_full_disk_does_not_fail_what_is_stored_already(path: Path) -> None:
    """A batch that is in the write-ahead file is answered, even when there is no room to move it into the log itself."""
    expected: list[bytes] = []
    with failing_disk("write", nth=1, code=apsw.SQLITE_FULL, once=False, file=".db"):
        log = SqliteLog(path, rules_version=1, checkpoint_pages=CHECKPOINT_PAGES)
        for call in entries():
            log.append(call)
            expected += [entry.payload for entry in call]
        log.close()

    assert expected == payloads_in(path)


def test_a_log_at_its_limit_refuses_whole_calls(path: Path) -> None:
    """With SQLite's own limit on pages, a long call is refused as a whole, and a shorter one still fits."""
    log = SqliteLog(path, rules_version=1)
    log._connection.pragma("max_page_count", 8)
    dice = Random(4)
    large, small = (
        Entry(accept_ms=1, kind=BatchKind.REPORTS, count=0, payload=dice.randbytes(size)) for size in (60_000, 100)
    )
    with pytest.raises(StorageFullError, match="no room left while a batch was appended; nothing of it was stored"):
        log.append([small, large])

    assert (1, 0) == log.bounds()
    heads = log.append([small])
    assert [Head(seq=1, checksum=log.head().checksum)] == heads
    log.close()


def test_what_a_full_disk_has_left_of_a_batch_is_no_damage_after_a_kill(path: Path, tmp_path: Path) -> None:
    """Some pages of a batch were written before the room ended, and a kill came in the middle of the next: nothing is lost."""
    room_bytes = 1 << 30

    def before(operation: Operation) -> None:
        nonlocal room_bytes
        room_bytes -= len(operation.content)
        if room_bytes < 0:
            raise apsw.exception_for(apsw.SQLITE_FULL)

    def batch(payload: bytes) -> list[Entry]:
        return [Entry(accept_ms=1, kind=BatchKind.REPORTS, count=1, payload=payload + b"\n")]

    after = tmp_path / "after"
    after.mkdir()
    with Disk(before):
        log = SqliteLog(path, rules_version=1)
        log.append(batch(b"stored"))
        for payload, left_bytes in ((Random(5).randbytes(60_000).replace(b"\n", b" "), 40_000), (b"small", 100)):
            room_bytes = left_bytes
            with pytest.raises(StorageFullError):
                log.append(batch(payload))
        for name in ("log.db", "log.db-wal"):
            copyfile(path.with_name(name), after / name)
        room_bytes = 1 << 30
        log.close()

    assert [b"stored\n"] == payloads_in(after / "log.db")
