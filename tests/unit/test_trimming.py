"""Trimming behind a checkpoint: whatever happens, the folder opens, and nothing in the kept range is lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobsight.app.stores import Store, open_store, rebuild_view
from jobsight.app.writing import trim_log
from jobsight.core.apply import RULES_VERSION
from jobsight.core.events import InternalEvent
from jobsight.core.statistics import Totals, totals_of
from jobsight.engine.checkpoints import CHECKPOINT, DRAFT, adopt_draft, draft_checkpoint, note_of, notes_in, trimmable
from jobsight.engine.recovery import encode_internal
from jobsight.engine.trimming import LOOK_MS, WORTH_MS, Trimming
from jobsight.errors import DamagedViewError, DataError
from jobsight.logs.base import BatchKind, Entry
from jobsight.logs.folder import VIEW, open_folder
from jobsight.logs.sqlite import SqliteLog

DAY_MS = 86_400_000
AT_MS = 20_000 * DAY_MS
JOBS = 60


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    with open_store(folder, lambda _: None) as store:
        yield store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with a job a day, each a batch of its own, and its view."""
    data = tmp_path / "data"
    held = open_folder(data, now_ms=AT_MS)
    log = held.open_log(rules_version=RULES_VERSION)
    log.append([ended(number) for number in range(JOBS)])
    log.close()
    held.close()
    with opened(data):
        return data


def ended(number: int) -> Entry:
    line = b'{"type": "job_completed", "job_id": "j%d", "duration_ms": 10}\n' % number
    return Entry(accept_ms=AT_MS + number * DAY_MS, kind=BatchKind.REPORTS, count=1, payload=line)


def append(log: SqliteLog, events: list[InternalEvent]) -> None:
    at_ms = AT_MS + JOBS * DAY_MS
    log.append([Entry(accept_ms=at_ms, kind=BatchKind.INTERNAL, count=len(events), payload=encode_internal(events))])


def figures(folder: Path) -> tuple[Totals, list[str]]:
    """What the folder says once it is opened."""
    with opened(folder) as store:
        jobs = store.reader().list_jobs(status=None, task=None, queue=None, limit=500, cursor=None).jobs
        return totals_of([store.state.counters]), [job.job_id for job in jobs]


def remove_view(folder: Path) -> None:
    for path in folder.glob("view.db*"):
        path.unlink()


ALL = (Totals(total=JOBS, completed=JOBS, failed=0, avg_duration_ms=10), [f"j{n}" for n in reversed(range(JOBS))])
STAGES = ["draft", "noted", "adopted", "half trimmed", "trimmed"]


def trim_up_to(folder: Path, stage: str) -> None:
    """Trim a folder by hand, and stop somewhere as a crash would."""
    held = open_folder(folder, now_ms=AT_MS)
    log = held.open_log(rules_version=RULES_VERSION)
    made = draft_checkpoint(folder, folder / VIEW, log)
    assert made is not None
    steps: list[Callable[[], object]] = [
        lambda: append(log, [note_of(made)]),
        lambda: adopt_draft(folder),
        lambda: log.trim(40, 16),
        lambda: [log.trim(40) for _ in range(10)],
    ]
    for step in steps[: STAGES.index(stage)]:
        step()
    log.close()
    held.close()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("is_view_lost", [False, True], ids=["view kept", "view lost"])
def test_a_stop_anywhere_leaves_a_folder_that_opens(folder: Path, stage: str, is_view_lost: bool) -> None:
    """Whether the view survives or has to be made anew, every job and every figure is there."""
    trim_up_to(folder, stage)
    if is_view_lost:
        remove_view(folder)

    assert ALL == figures(folder)


@pytest.mark.parametrize("stage", STAGES)
def test_a_second_trimming_may_stop_anywhere_too(folder: Path, stage: str) -> None:
    """While a new checkpoint takes the place of an older one, one of the two is always good."""
    trim_up_to(folder, "half trimmed")
    trim_up_to(folder, stage)
    remove_view(folder)

    assert ALL == figures(folder)


def test_a_rebuilt_view_is_the_live_one(folder: Path) -> None:
    """Checkpoint and tail together are what the whole log was, and what comes after goes on from there."""
    trim_up_to(folder, "trimmed")
    held = open_folder(folder, now_ms=AT_MS)
    log = held.open_log(rules_version=RULES_VERSION)
    log.append([ended(JOBS), ended(JOBS + 1)])
    log.close()
    held.close()
    live = figures(folder)
    shutil.copyfile(folder / VIEW, folder / "kept")
    rebuild_view(folder, lambda done, last: None)

    assert live == figures(folder)
    assert JOBS + 2 == live[0].total
    assert ["j61", "j60"] == live[1][:2]


def test_damage_of_a_checkpoint_is_found(folder: Path) -> None:
    """A checkpoint in which one bit differs is not taken; the words say what is missing, and the good view stays."""
    trim_up_to(folder, "trimmed")
    content = bytearray((folder / CHECKPOINT).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / CHECKPOINT).write_bytes(content)

    assert ALL == figures(folder)
    with pytest.raises(DataError, match="not the one that the log has noted"):
        rebuild_view(folder, lambda done, last: None)
    assert ALL == figures(folder)
    remove_view(folder)
    with pytest.raises(DataError, match=CHECKPOINT):
        figures(folder)


def test_a_view_from_before_the_log_begins_is_not_taken(folder: Path) -> None:
    """An old copy of the view would miss what was trimmed: the checkpoint is taken in its place."""
    shutil.copyfile(folder / VIEW, folder / "old")
    held = open_folder(folder, now_ms=AT_MS)
    log = held.open_log(rules_version=RULES_VERSION)
    log.append([ended(JOBS + number) for number in range(30)])
    log.close()
    held.close()
    before = figures(folder)
    held = open_folder(folder, now_ms=AT_MS)
    log = held.open_log(rules_version=RULES_VERSION)
    made = draft_checkpoint(folder, folder / VIEW, log)
    assert made is not None
    append(log, [note_of(made)])
    adopt_draft(folder)
    while log.trim(80):
        pass
    log.close()
    held.close()
    remove_view(folder)
    (folder / "old").replace(folder / VIEW)

    assert before == figures(folder)


def test_a_copy_of_another_log_is_no_checkpoint(folder: Path, tmp_path: Path) -> None:
    """What does not stand in this log at its place is refused before anything is noted or trimmed."""
    other = open_folder(tmp_path / "other", now_ms=AT_MS)
    log = other.open_log(rules_version=RULES_VERSION)
    log.append([ended(1)])
    with pytest.raises(DamagedViewError, match="differ"):
        draft_checkpoint(tmp_path / "other", folder / VIEW, log)
    log.close()
    other.close()


def test_trimming_by_hand_says_how_much_went(folder: Path) -> None:
    """`log trim` deletes what is older than it is told to keep, and nothing when nothing is."""
    assert 0 == trim_log(folder, 10**15, lambda _: None)
    assert not (folder / CHECKPOINT).exists()
    assert JOBS == trim_log(folder, 1_000, lambda _: None)
    assert (folder / CHECKPOINT).exists()
    assert not (folder / DRAFT).exists()
    assert ALL == figures(folder)


def test_the_log_is_trimmed_beside_the_writer(folder: Path) -> None:
    """The duty copies, has the copy noted, and deletes down to what is to be kept; a log that is young enough is left alone."""
    with opened(folder) as store:
        log = trimmable(store.log)
        now_ms = AT_MS + JOBS * DAY_MS

        def submit(events: list[InternalEvent], done: Callable[[bool], None]) -> None:
            assert isinstance(log, SqliteLog)
            append(log, events)
            done(True)

        duty = Trimming(
            20 * DAY_MS,
            folder=folder,
            view=folder / VIEW,
            log=log,
            submit_events=submit,
            clock_ms=lambda: now_ms,
            say=pytest.fail,
        )
        now_ms += LOOK_MS
        duty.tick()
        while not duty.wait(0.01):
            duty.tick()
        assert (42, JOBS + 1) == log.bounds()
        assert [JOBS] == [note.seq for note in notes_in(log)]
        now_ms += WORTH_MS // 2
        duty.tick()
        assert duty.wait(0)
        duty.close()
    remove_view(folder)
    assert ALL == figures(folder)


def test_a_copy_gives_up_when_the_process_ends(folder: Path) -> None:
    """A stop does not wait for a whole view to be copied, and leaves nothing half done."""
    with opened(folder) as store:
        assert draft_checkpoint(folder, folder / VIEW, store.log, lambda: True) is None
    assert not (folder / DRAFT).exists()
    assert ALL == figures(folder)
