"""A power cut at any moment: what was answered is there, and the log opens (F2)."""

from __future__ import annotations

from pathlib import Path
from random import Random

import apsw
import pytest
from msgspec.structs import replace

from jobsight.errors import JobsightError, StorageError
from jobsight.logs.base import BatchKind, Entry
from jobsight.logs.sqlite import SqliteLog
from jobsight.testing.disk import Disk, Operation, image
from jobsight.testing.logs import LOG_ID

CALLS = 60
CHECKPOINT_PAGES = 40
"""Small, so that cuts fall into checkpoints too."""


def an_entry(number: int, dice: Random) -> Entry:
    """A batch that hardly compresses, from a few bytes to several pages."""
    payload = dice.randbytes(dice.choice((20, 900, 9_000, 30_000))).replace(b"\n", b" ") + b"\n"
    return Entry(accept_ms=number, kind=BatchKind.REPORTS, count=1, payload=payload)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Operation], list[tuple[int, int]], list[bytes]]:
    """One run: what it did to the disk, (how much had been done, last batch that was answered by then), every payload."""
    folder = tmp_path_factory.mktemp("run")
    operations: list[Operation] = []
    answers, payloads, dice = [], [], Random(5)
    with Disk(operations.append):
        SqliteLog.create(folder / "log.db", log_id=LOG_ID, created_ms=0)
        log = SqliteLog(folder / "log.db", rules_version=1, checkpoint_pages=CHECKPOINT_PAGES)
        answers.append((len(operations), 0))
        for call in range(CALLS):
            entries = [an_entry(call, dice) for _ in range(dice.choice((1, 1, 5)))]
            heads = log.append(entries)
            payloads += [entry.payload for entry in entries]
            answers.append((len(operations), heads[-1].seq))
        log.close()
    return operations, answers, payloads


def after_a_cut(
    run: tuple[list[Operation], list[tuple[int, int]], list[bytes]], seed: int, folder: Path, *, wal_lies: bool
) -> tuple[int, int]:
    """Last batch that was answered before the cut, last one found after it; what is found is what was appended."""
    operations, answers, payloads = run
    dice = Random(seed)
    cut = dice.randrange(answers[0][0], answers[-1][0] + 1)
    answered = max(seq for done, seq in answers if done <= cut)
    files = image(
        operations[:cut],
        dice,
        is_synced=lambda one: not (wal_lies and one.file.endswith("-wal")) or dice.random() < 0.2,
    )
    for name, content in files.items():
        if name in {"log.db", "log.db-wal"}:
            (folder / name).write_bytes(content)
    log = SqliteLog(folder / "log.db", rules_version=1)
    found = [record.payload for record in log.read()]
    log.append([an_entry(0, dice)])
    log.close()
    assert payloads[: len(found)] == found
    return answered, len(found)


def cuts(seeds: range) -> list[object]:
    """Each seed is a cut; most of them are for `make test`, and hundreds of the whole write path in tests/faults."""
    return [pytest.param(seed, marks=pytest.mark.slow if seed >= 40 else ()) for seed in seeds]


@pytest.mark.parametrize("seed", cuts(range(160)))
def test_a_power_cut_loses_nothing_that_was_answered(run, seed: int, tmp_path: Path) -> None:
    """However unsynced writes were lost, torn and reordered, every answered batch is there, and appending goes on."""
    answered, found = after_a_cut(run, seed, tmp_path, wal_lies=False)

    assert answered <= found


def test_a_sync_that_failed_before_the_restart_does_not_harm_what_is_answered_after_it(tmp_path: Path) -> None:
    """
    After a failed sync the system may show a process what is not on the disk (F3).

    Batches that are answered after the next start must not stand behind such a hole.
    """
    operations: list[Operation] = []
    dice = Random(6)

    def before(operation: Operation) -> None:
        if is_failing and operation.verb == "sync":
            operations.append(replace(operation, verb="failed sync"))
            raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC)
        operations.append(operation)

    is_failing = False
    path = tmp_path / "log.db"
    with Disk(before):
        SqliteLog.create(path, log_id=LOG_ID, created_ms=0)
        log = SqliteLog(path, rules_version=1)
        log.append([an_entry(1, dice)])
        is_failing = True
        with pytest.raises(StorageError):
            log.append([an_entry(2, dice)])
        log.close()
        is_failing = False
        log = SqliteLog(path, rules_version=1)
        answered = log.append([an_entry(3, dice)])[-1]
        found = image(operations, Random(0))
        log.close()
    (tmp_path / "after").mkdir()
    for name in ("log.db", "log.db-wal"):
        (tmp_path / "after" / name).write_bytes(found[name])

    log = SqliteLog(tmp_path / "after" / "log.db", rules_version=1)
    assert answered == log.head()
    assert None is log.verify().damage
    log.close()


def test_a_disk_that_does_not_sync_loses_answered_batches(run, tmp_path: Path) -> None:
    """The test of the test: on a disk whose sync does nothing, most of the time, cuts do lose what was answered."""
    lost = 0
    for seed in range(20):
        folder = tmp_path / str(seed)
        folder.mkdir()
        try:
            answered, found = after_a_cut(run, seed, folder, wal_lies=True)
        except (AssertionError, JobsightError):
            lost += 1
        else:
            lost += found < answered

    assert lost > 0
