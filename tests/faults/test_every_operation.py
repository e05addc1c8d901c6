"""F3, F4, F6 over the whole write path: the n-th write or sync of log and view fails, for n = 1, 2, 3, ... until a run passes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import apsw
import pytest
from faults.length import IS_LONG
from faults.whole_path import Driven, made_folder, what_a_start_finds

from jobsight.errors import JobsightError
from jobsight.testing.disk import Disk, Operation

CALLS = 14


class FailingNth(Disk):
    """A disk whose n-th operation of a kind fails, once or from then on, until it is mended."""

    def __init__(self, verb: str, nth: int, code: int, *, once: bool) -> None:
        self._verb, self._nth, self._code, self._once = verb, nth, code, once
        self.count = 0
        self.is_mended = False
        super().__init__(self._fail)

    def _fail(self, operation: Operation) -> None:
        if self.is_mended or operation.verb != self._verb:
            return
        self.count += 1
        if self.count == self._nth or (self.count > self._nth and not self._once):
            raise apsw.exception_for(self._code)


def passes(folder: Path, verb: str, nth: int, code: int, *, once: bool) -> bool:
    """Run until something fails for good, and hold what a start finds to what was answered; whether nothing failed at all."""
    made_folder(folder)
    driven = None
    with FailingNth(verb, nth, code, once=once) as disk:
        with suppress(JobsightError):  # a start that is refused, in words
            driven = Driven(folder, seed=3)
        while driven is not None and driven.ledger.numbers < 3 * CALLS and driven.monitor.writer.broken is None:
            driven.report()
        disk.is_mended = True
        if driven is not None:
            driven.release()
    recount, stats = what_a_start_finds(folder)
    assert recount.stats() == stats
    if driven is None:
        return False
    ledger = driven.ledger
    assert [] == [number for number in ledger.answered if number not in recount.seen]
    assert [] == [number for number in ledger.refused if number in recount.seen]
    assert all(count == 1 for count in recount.seen.values())
    return disk.count < nth


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("once", [True, False], ids=["once", "from-now-on"])
@pytest.mark.parametrize(
    ("verb", "code", "stride"),
    [
        ("sync", apsw.SQLITE_IOERR_FSYNC, 1),
        ("write", apsw.SQLITE_IOERR_WRITE, 23),
        ("write", apsw.SQLITE_FULL, 29),
        ("truncate", apsw.SQLITE_IOERR_TRUNCATE, 1),
    ],
    ids=["sync", "write", "full", "truncate"],
)
def test_whichever_operation_fails_no_answer_lies(
    verb: str, code: int, stride: int, once: bool, tmp_path: Path
) -> None:
    """What was answered is there, what was refused is not, the view is right or is made anew; the next start finds all sound."""
    nth = 1
    while not passes(tmp_path / str(nth), verb, nth, code, once=once):
        nth += 1 if nth < 12 or IS_LONG else stride

    assert nth > 1
