"""Reports are added to coarse roll-ups later than to fine ones, and no answer shows it."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import NamedTuple

import apsw
from hypothesis import event, given, settings
from hypothesis import strategies as st

from jobsight.core.kept import rollups_kept_from_ms
from jobsight.core.rollup import WIDTHS_S, Rollup, bucket_start_ms, count_duration, merge_rollup
from jobsight.view.migrations import migrate, scripts
from jobsight.view.queries import Reader
from jobsight.view.rollup_queries import sum_of
from jobsight.view.rollups import RollupStore
from jobsight.view.sweep import RollupSweep

DAY_MS = 86_400_000
START_MS = 20_000 * DAY_MS
END_MS = START_MS + 20 * DAY_MS
TASKS = (None, "a", "b", "c")
SCOPES: tuple[tuple[str | None, bool], ...] = ((None, True), (None, False), ("a", True), ("b", True), ("c", True))


class Flush(NamedTuple):
    """Some ends, each so long after the one before it, and how the transaction ends."""

    ends: list[tuple[int, str | None, str]]  # milliseconds from the latest so far, task, status
    is_rolled_back: bool = False


class Reopened(NamedTuple):
    """Another process goes on."""


class Aged(NamedTuple):
    """Time has passed, what is too old is deleted."""

    by_ms: int


# Mostly what comes a little later than what came before; sometimes long after it, or late.
STEPS_MS = st.sampled_from(
    [0, 3_000, 10_000, 17_000, 31_000, -4_000, -25_000, 300_000, 3_700_000, -400_000, DAY_MS, -3 * DAY_MS]
)
FLUSHES = st.builds(
    Flush,
    st.lists(st.tuples(STEPS_MS, st.sampled_from(TASKS), st.sampled_from(["completed", "failed"])), max_size=6),
    st.sampled_from([False, False, False, False, True]),
)
STEPS = st.one_of(
    FLUSHES, FLUSHES, FLUSHES, st.builds(Reopened), st.builds(Aged, st.sampled_from([0, 600_000, DAY_MS, 3 * DAY_MS]))
)


class Both:
    """The stored roll-ups, and what they should say: every report added to the buckets of all widths at once."""

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        migrate(self.connection, None, scripts())
        self.store = RollupStore(self.connection)
        self.expected: dict[int, dict[tuple[str | None, bool], dict[int, Rollup]]] = {
            width_s: {scope: {} for scope in SCOPES} for width_s in WIDTHS_S
        }
        self.latest_ms, self.as_of_ms, self.ends = START_MS, START_MS, 0

    def do(self, step: Flush | Reopened | Aged) -> None:
        """One step on both sides."""
        if isinstance(step, Reopened):
            self.store = RollupStore(self.connection)
        elif isinstance(step, Aged):
            self.age(step.by_ms)
        else:
            self.flush(step)

    def flush(self, step: Flush) -> None:
        """Add, on one side in a transaction that may be rolled back."""
        latest_ms, additions = self.latest_ms, {}
        for step_ms, task, status in step.ends:
            at_ms = max(START_MS, latest_ms + step_ms)
            latest_ms = max(at_ms, latest_ms)
            addition = additions.setdefault((bucket_start_ms(at_ms, WIDTHS_S[0]), task), Rollup())
            self.ends += 1
            addition.ends[status] = addition.ends.get(status, 0) + 1
            count_duration(addition, 1_000 * self.ends)
        self.connection.execute("BEGIN")
        self.store.merge(deepcopy(additions), self.as_of_ms)
        if step.is_rolled_back:
            self.connection.execute("ROLLBACK")
            self.store.forget()
            event("rolled back")
            return
        self.connection.execute("COMMIT")
        self.latest_ms = latest_ms
        for (start_ms, task), addition in additions.items():
            for width_s in WIDTHS_S:
                if start_ms >= rollups_kept_from_ms(width_s, self.as_of_ms):
                    for scope in ((None, True), (task, task is not None)):
                        buckets = self.expected[width_s][scope]
                        merge_rollup(buckets.setdefault(bucket_start_ms(start_ms, width_s), Rollup()), addition)

    def age(self, by_ms: int) -> None:
        """As a flush does it: what is still to be added, and then the deletion."""
        self.as_of_ms = max(self.as_of_ms, self.latest_ms) + by_ms
        self.connection.execute("BEGIN")
        self.store.merge({}, self.as_of_ms)
        sweep = RollupSweep(self.connection)
        while not sweep.is_done(self.as_of_ms):
            sweep.step(self.as_of_ms)
        self.connection.execute("UPDATE applied SET kept_as_of_ms = ?", (self.as_of_ms,))
        self.connection.execute("COMMIT")
        self.store.forget_buckets()
        for width_s, scopes in self.expected.items():
            from_ms = rollups_kept_from_ms(width_s, self.as_of_ms)
            for scope, buckets in scopes.items():
                scopes[scope] = {start_ms: one for start_ms, one in buckets.items() if start_ms >= from_ms}

    def latest_ends(self, scope: tuple[str | None, bool], status: str | None) -> tuple[int, dict[str, int]] | None:
        """From the coarse buckets to the fine ones."""
        found, low_ms, high_ms = None, START_MS, 1 << 62
        for width_s in reversed(WIDTHS_S):
            starts = [
                start_ms
                for start_ms, one in self.expected[width_s][scope].items()
                if low_ms <= start_ms < high_ms and (status is None or status in one.ends)
            ]
            if not starts:
                break
            low_ms, high_ms = max(starts), max(starts) + width_s * 1000
            found = low_ms, self.expected[width_s][scope][low_ms].ends
        return found

    def compare(self) -> None:
        """Everything that is asked of roll-ups."""
        reader = Reader(self.connection, None)
        tasks = [task for task in TASKS if task is not None]
        for since_ms in (0, self.latest_ms - 10_000):
            expected = {task: reader.rollup_sum(since_ms, None, task) for task in tasks}
            assert expected == {task: sum_of(of) for task, of in reader.stored_sums(since_ms, tasks).items()}
        for scope in SCOPES:
            task, has_task = scope
            for width_s in WIDTHS_S:
                buckets = sorted(self.expected[width_s][scope].items())
                for until_ms in (END_MS, self.latest_ms - 20_000, self.latest_ms + 1):
                    points = reader.rollup_series(width_s, START_MS, until_ms, task, has_task=has_task)
                    assert [one for one in buckets if one[0] < until_ms] == [
                        (one.bucket_ms, one.rollup) for one in points
                    ]
            days = self.expected[WIDTHS_S[-1]][scope].values()
            assert summed(days) == reader.rollup_sum(0, None, task, has_task=has_task)
            for status in (None, "failed"):
                latest = reader.latest_ends(START_MS, task, has_task=has_task, status=status)
                assert self.latest_ends(scope, status) == latest
            self.compare_sums(reader, scope)

    def compare_sums(self, reader: Reader, scope: tuple[str | None, bool]) -> None:
        """Of ranges near the end, where something waits, as far as the finest buckets are kept."""
        task, has_task = scope
        finest = self.expected[WIDTHS_S[0]][scope]
        kept_ms = max(rollups_kept_from_ms(WIDTHS_S[0], self.as_of_ms), START_MS)
        for back_ms, until_back_ms in ((10_000, None), (700_000, None), (90_000_000, None), (7_300_000, 40_000)):
            since_ms = bucket_start_ms(self.latest_ms - back_ms, WIDTHS_S[0])
            until_ms = END_MS if until_back_ms is None else bucket_start_ms(self.latest_ms - until_back_ms, WIDTHS_S[0])
            if since_ms >= kept_ms and until_ms >= kept_ms:
                expected = summed(one for start_ms, one in finest.items() if since_ms <= start_ms < until_ms)
                until = None if until_back_ms is None else until_ms
                assert expected == reader.rollup_sum(since_ms, until, task, has_task=has_task)


def summed(rollups: Iterable[Rollup]) -> Rollup:
    """The sum of all of them."""
    total = Rollup()
    for one in rollups:
        merge_rollup(total, one)
    return total


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=25))
def test_no_answer_shows_what_waits(steps: list[Flush | Reopened | Aged]) -> None:
    """In whatever order reports come, with restarts, rolled back transactions, and buckets that are kept no longer."""
    both = Both()
    for step in steps:
        both.do(step)
        both.compare()
    waiting = both.connection.execute("SELECT count(*) FROM rollup_watermarks").get
    event(f"waiting: {waiting}")
