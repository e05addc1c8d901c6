"""What the log in memory does beyond the suite: it is bounded, and light."""

from __future__ import annotations

import subprocess
import sys

from jobsight.logs.base import BatchKind, Entry
from jobsight.logs.memory import RECORD_BYTES, MemoryLog


def a_batch() -> Entry:
    """One batch that takes 1,000 bytes in all."""
    return Entry(accept_ms=1, kind=BatchKind.REPORTS, count=0, payload=bytes(1_000 - RECORD_BYTES))


def test_the_oldest_batches_are_dropped_and_it_is_said_once() -> None:
    """Memory stays within its bound; numbers, chain and readers go on with what is kept."""
    told: list[str] = []
    log = MemoryLog(log_id="0" * 32, rules_version=1, bytes_max=10_000, on_drop=lambda: told.append("dropped"))
    unbounded = MemoryLog(log_id="0" * 32, rules_version=1)
    early = log.read()
    for _ in range(10):
        log.append([a_batch()])
    assert [] == told
    assert 1 == next(early).seq
    for _ in range(90):
        log.append([a_batch()])
    unbounded.append([a_batch()] * 100)

    assert ["dropped"] == told
    assert (91, 100) == log.bounds()
    assert list(range(91, 101)) == [record.seq for record in log.read()]
    assert list(range(91, 101)) == [record.seq for record in early]
    assert None is log.record(90)
    assert unbounded.head() == log.head()


def test_the_newest_batch_is_kept_whatever_its_size() -> None:
    """A batch larger than the bound is still there to be read."""
    log = MemoryLog(log_id="0" * 32, rules_version=1, bytes_max=10)
    log.append([a_batch(), a_batch()])

    assert [2] == [record.seq for record in log.read()]


def test_it_needs_no_database() -> None:
    """A node without a data folder loads neither SQLite nor the compressor."""
    code = "import sys, jobsight.logs.memory; print([name for name in ('apsw', 'zstandard', 'sqlite3') if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[]\n" == said.stdout
