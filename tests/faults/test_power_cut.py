"""F2: a power cut at any moment of the whole write path: what was answered is there, and everything opens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from faults.length import IS_LONG
from faults.whole_path import Driven, made_folder, what_a_start_finds
from msgspec import Struct
from simulation.machine import RecordedDisk, copy_as_cut

from jobsight.errors import JobsightError
from jobsight.testing.disk import Operation

CALLS = 45
CUTS = 2_000 if IS_LONG else 500
AT_ONCE = 50


class Recording(Struct):
    """What a run has done to the disk, and how many reports were answered after how many operations."""

    folder: Path
    operations: list[Operation]
    answered: list[tuple[int, int]]

    def after_a_cut(self, seed: int, target: Path) -> None:
        """What a start finds after the power was cut somewhere; AssertionError or JobsightError where it is not enough."""
        dice = Random(seed)
        cut = dice.randrange(self.answered[0][0], len(self.operations) + 1)
        disk = RecordedDisk.of(self.operations[:cut])
        copy_as_cut(self.folder, target, disk, dice)
        recount, stats = what_a_start_finds(target)
        promised = max(count for done, count in self.answered if done <= cut)
        missing = [number for number in range(1, promised + 1) if number not in recount.seen]

        assert [] == missing, f"cut {seed}: {missing} were answered"
        assert recount.stats() == stats, f"cut {seed}"


def recorded(folder: Path, prepare: Callable[[Driven], object] = lambda _: None) -> Recording:
    """One run of the whole write path."""
    made_folder(folder)
    disk = RecordedDisk()
    try:
        driven = Driven(folder, seed=7)
        prepare(driven)
        answered = [(len(disk.operations), 0)]
        for _ in range(CALLS):
            driven.report()
            answered.append((len(disk.operations), len(driven.ledger.answered)))
        disk.is_recording = False
        driven.release()
    finally:
        disk.close()
    assert answered[-1][1] == driven.ledger.numbers
    return Recording(folder, disk.operations, answered)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A run on a disk that keeps its word."""
    return recorded(tmp_path_factory.mktemp("cut") / "run")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, CUTS, AT_ONCE))
def test_a_power_cut_loses_nothing_that_was_answered(run: Recording, first: int, tmp_path: Path) -> None:
    """However unsynced writes of log and view were lost, torn and reordered: every answered report, and right statistics."""
    for seed in range(first, first + AT_ONCE):
        run.after_a_cut(seed, tmp_path / str(seed))


@pytest.mark.slow
def test_without_full_syncs_answered_reports_are_lost(tmp_path: Path) -> None:
    """The test of the test: with `synchronous=NORMAL` on the log, cuts do lose what was answered."""
    weak = recorded(tmp_path / "weak", lambda driven: driven.monitor.log._connection.pragma("synchronous", "NORMAL"))
    lost = 0
    for seed in range(40):
        try:
            weak.after_a_cut(seed, tmp_path / str(seed))
        except (AssertionError, JobsightError):
            lost += 1

    assert lost >= 10
