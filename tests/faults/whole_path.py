"""The whole write path in one process, driven report by report: log, state, view, replies. Faults are put under it by tests."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import msgspec
from simulation.ledger import Ledger
from simulation.machine import Clock
from simulation.monitor import VERIFY_HEAD_ONLY, Monitor, open_view
from simulation.recount import Recount
from simulation.workload import WORKERS, Workload

from jobsight.core.apply import RULES_VERSION
from jobsight.core.statistics import totals_of
from jobsight.engine.retention import KeepTimes
from jobsight.logs.folder import open_folder
from jobsight.logs.sqlite import SqliteLog

START_MS = 1_772_323_200_000
CHECKPOINT_PAGES = 40
"""Small, so that what is done to the disk in a checkpoint is a good part of it all."""

FOR_EVER = KeepTimes(completed_ms=0, other_ms=0, log_ms=0)


class Driven:
    """
    A monitor on a folder, and the workers that report to it.

    Args:
        folder: Made when it is missing.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.ledger = Ledger({})
        self._dice = Random(seed)
        self._clock = Clock(START_MS)
        self._workload = Workload(self._dice)
        self.monitor = Monitor(folder, self._clock, self._dice, {}, FOR_EVER, lambda _: None)
        self.monitor.log._checkpoint_pages = CHECKPOINT_PAGES
        self.monitor.view.write_ahead.pages_max = CHECKPOINT_PAGES

    def report(self) -> None:
        """A few reports in one breath; what is due is done."""
        for _ in range(self._dice.choice((1, 1, 4))):
            body = self._workload.report(self._clock.wall_ms)
            if self._dice.random() < 0.3:
                body["message"] = self._dice.randbytes(4_000).hex()
            worker = self._dice.choice(WORKERS)
            number = self.ledger.write(worker, body)
            self.ledger.owed.append(number)
            self.monitor.hear(worker, self.ledger.lines[number], self.ledger.take_replies)
        self.monitor.work()
        self._clock.advance(self._dice.choice((5, 60, 1_100)))
        self.monitor.do_what_is_due()

    def release(self) -> None:
        """Give everything back, in whatever state it is."""
        self.monitor._release()


def made_folder(path: Path) -> Path:
    """An empty data folder."""
    open_folder(path, now_ms=START_MS).close()
    return path


def what_a_start_finds(folder: Path) -> tuple[Recount, dict[str, Any]]:
    """The log, counted anew, and the statistics that a start on this folder gives; the log is sound, and takes more."""
    log = SqliteLog(folder / "log.db", rules_version=RULES_VERSION, verify_after_seq=VERIFY_HEAD_ONLY)
    view, state = open_view(folder, folder / "view.db", log)
    recount = Recount()
    for record in log.read():
        recount.take(record)
    assert state.applied_seq == log.head().seq == recount.upto
    view.close()
    log.close()
    return recount, msgspec.to_builtins(totals_of([state.counters]))
