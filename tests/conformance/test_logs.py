"""Both logs keep every promise of the exported suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobsight.logs.base import Log
from jobsight.logs.memory import MemoryLog
from jobsight.logs.sqlite import SqliteLog
from jobsight.testing.logs import DURABLE_PROMISES, PROMISES, RULES_VERSION, TRIM_PROMISES, LogKind, Promise


def open_memory(folder: Path, log_id: str) -> Log:
    return MemoryLog(log_id=log_id, rules_version=RULES_VERSION)


def open_sqlite(folder: Path, log_id: str) -> Log:
    path = folder / "log.db"
    if not path.exists():
        SqliteLog.create(path, log_id=log_id, created_ms=1_790_000_000_000)
    return SqliteLog(path, rules_version=RULES_VERSION, expected_log_id=log_id)


KINDS = [
    LogKind(name="memory", open=open_memory, is_durable=False),
    LogKind(name="sqlite", open=open_sqlite, is_durable=True),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_a_log_keeps_its_promise(kind: LogKind, promise: Promise, tmp_path: Path) -> None:
    """What holds for one log holds for the other, so the rest of Jobsight need not know which it is."""
    promise(kind, tmp_path)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.is_durable], ids=lambda kind: kind.name)
@pytest.mark.parametrize("promise", DURABLE_PROMISES, ids=lambda promise: promise.__name__)
def test_a_log_on_disk_keeps_its_promise(kind: LogKind, promise: Promise, tmp_path: Path) -> None:
    """What was answered is still there after a restart."""
    promise(kind, tmp_path)


@pytest.mark.parametrize("promise", TRIM_PROMISES, ids=lambda promise: promise.__name__)
def test_a_log_that_can_be_trimmed_keeps_its_promise(promise: Promise, tmp_path: Path) -> None:
    """What is left of a log is worth as much as the whole."""
    promise(KINDS[1], tmp_path)
