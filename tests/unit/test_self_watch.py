"""What the monitor finds at itself: its disk, the reports that it refuses, its clock; and whether it is well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from watched_state import HOUR_MS, MINUTE_MS, SECOND_MS, WatchedState

from jobsight.core.events import InternalEvent, StatusUpdate
from jobsight.engine.health import OUTBOX_MS, ROOM_BYTES, SLOW_COMMITS, STUCK_MS, TICK_MS, Health, Vitals
from jobsight.engine.self_watch import EVERY_MS, MEBIBYTE, OVER_AFTER_MS, Room, SelfWatch, is_low
from jobsight.engine.ticker import Ticker

GIBIBYTE = 1024 * MEBIBYTE
ENOUGH = Room(free_bytes=50 * GIBIBYTE, total_bytes=100 * GIBIBYTE)
LITTLE = Room(free_bytes=200 * MEBIBYTE, total_bytes=100 * GIBIBYTE)


class Watched:
    """A monitor that looks at itself, over figures that a test sets."""

    def __init__(self) -> None:
        self.watch = WatchedState()
        self.watch.route("mail")
        self.room: Room | None = ENOUGH
        self.refused = 0
        self.reason: str | None = None
        self.is_log_full = False
        self.own = SelfWatch(
            self.watch.state,
            self._submit,
            lambda: self.watch.now_ms,
            room=lambda: self.room,
            refused=lambda: self.refused,
            why_not_ready=lambda: self.reason,
        )

    def step(self, passed_ms: int = EVERY_MS) -> None:
        """Time passes, and the monitor looks."""
        for _ in range(max(1, passed_ms // EVERY_MS)):
            self.watch.step(min(passed_ms, EVERY_MS))
            self.own.tick()

    def open(self) -> list[str]:
        """Rules of the open alerts."""
        return [rule for rule, _, _ in self.watch.open()]

    def told(self) -> list[tuple[str, str]]:
        """Kind and title of every notification."""
        return [(str(one.kind), one.notice.title) for one in self.watch.state.outbox.values()]

    def _submit(self, events: list[InternalEvent], done: Callable[[bool], None]) -> None:
        if not self.is_log_full:
            self.watch.tell(*events)
        done(not self.is_log_full)


@pytest.mark.parametrize(
    ("free", "total", "expected"),
    [
        (255 * MEBIBYTE, 1 * GIBIBYTE, True),
        (257 * MEBIBYTE, 1 * GIBIBYTE, False),
        (1 * GIBIBYTE, 20 * GIBIBYTE, True),
        (2 * GIBIBYTE, 20 * GIBIBYTE, False),
        (11 * GIBIBYTE, 2_000 * GIBIBYTE, False),
        (9 * GIBIBYTE, 2_000 * GIBIBYTE, True),
        (4 * MEBIBYTE, 4 * MEBIBYTE, True),
    ],
)
def test_a_disk_is_low_by_bytes_and_by_share(free: int, total: int, expected: bool) -> None:
    """256 MiB, or a tenth of the disk; 10 GiB are enough for everybody."""
    assert expected is is_low(Room(free_bytes=free, total_bytes=total))


def test_a_low_disk_is_told_once_and_over_once_there_is_clearly_more() -> None:
    """A warning with what is left; it does not come and go around the limit; a replay knows it."""
    one = Watched()
    one.step()
    healthy = one.open()
    one.room = LITTLE
    one.step(MINUTE_MS)
    low = one.open()
    one.room = Room(free_bytes=10 * GIBIBYTE + 1, total_bytes=100 * GIBIBYTE)
    one.step()
    around = one.open()
    one.room = ENOUGH
    one.step()

    assert ([], ["self.disk_low"], ["self.disk_low"], []) == (healthy, low, around, one.open())
    text = "the disk of the data folder has 200 MiB (0 %) left; without room no report can be stored"
    assert [("trigger", text), ("resolve", text)] == one.told()
    assert {} == one.watch.replayed().open_by_id


def test_what_could_not_be_stored_is_found_again() -> None:
    """A finding is not lost with the room that it did not find."""
    one = Watched()
    one.room, one.is_log_full = Room(free_bytes=0, total_bytes=GIBIBYTE), True
    one.step()
    before = one.open()
    one.is_log_full = False
    one.step()

    assert ([], ["self.disk_low"]) == (before, one.open())


def test_refused_reports_are_told_with_their_number_until_none_is_refused() -> None:
    """Critical, with the reason; counted on while it goes on, at most once a minute; over after five quiet minutes."""
    one = Watched()
    one.step()
    one.refused, one.reason = 7, "the store is full"
    one.step()
    (alert,) = one.watch.state.open_by_id.values()
    first = (alert.rule, str(alert.severity), alert.text)
    for _ in range(24):
        one.refused += 1
        one.step()
    count, last = alert.count, alert.text
    one.step(OVER_AFTER_MS - EVERY_MS)
    still = one.open()
    one.step(2 * EVERY_MS)

    when = "2026-03-01 00:00:10Z"
    assert ("self.ingest_dropped", "critical", f"7 reports were refused since {when}: the store is full") == first
    assert 3 == count
    assert f"31 reports were refused since {when}: the store is full" == last
    assert (["self.ingest_dropped"], []) == (still, one.open())


def test_too_many_tasks_are_told_once_and_over_when_more_are_allowed() -> None:
    """Once somebody's task has lost its name; with what is most likely wrong."""
    watched = Watched()
    watched.step()
    state = watched.watch.state
    state.tasks_max = 1
    watched.watch.report(StatusUpdate(job_id="a", status="running", task="one"))
    watched.step()
    before = watched.open()
    for number in range(3):
        watched.watch.report(StatusUpdate(job_id=f"b{number}", status="running", task=f"run-{number}"))
        watched.step()
    during, told = watched.open(), [alert.text for alert in state.open_by_id.values()]
    state.tasks_max = 10
    watched.step()

    assert ([], ["self.tasks_folded"], []) == (before, during, watched.open())
    assert "there are 1 names of tasks already" in told[0]
    assert "does a worker put an id or a time into its task's name?" in told[0]


def test_a_start_ends_what_an_earlier_process_has_left_open() -> None:
    """Nothing is refused any more: the new process says so, though it has counted nothing itself."""
    one = Watched()
    one.step()
    one.refused = 3
    one.step()
    left = one.open()
    one.own = SelfWatch(
        one.watch.state,
        one._submit,
        lambda: one.watch.now_ms,
        room=lambda: ENOUGH,
        refused=lambda: 0,
        why_not_ready=lambda: None,
    )
    one.step()

    assert (["self.ingest_dropped"], []) == (left, one.open())


@pytest.mark.parametrize(
    ("wall_ms", "steady_ms", "expected"),
    [
        (HOUR_MS, 250, "self.clock_stepped: the clock was set forward by 1h"),
        (HOUR_MS, HOUR_MS, "self.blind: monitor was blind for 1h"),
        (-HOUR_MS, 250, "self.clock_stepped: the clock was set back by 1h"),
        (59_000, 250, None),
    ],
)
def test_a_clock_that_was_set_is_told_from_a_time_in_which_nobody_watched(
    wall_ms: int, steady_ms: int, expected: str | None
) -> None:
    """The clock that nobody can set says which of the two it was."""
    watch = WatchedState()
    watch.route("mail")
    watch.expect("t", schedule="0 3 * * *")
    steady = [0]
    watch.ticker = Ticker(watch.state, watch._submit, lambda: watch.now_ms, steady_ms=lambda: steady[0])
    watch.step(SECOND_MS)
    steady[0] += steady_ms
    watch.jump(wall_ms)
    found = [f"{one.notice.rule}: {one.notice.title}" for one in watch.state.outbox.values()]

    assert ([] if expected is None else [expected]) == [text.partition(",")[0] for text in found]


# --------------------------------------------------------------------------------------------------------------- health


class Body:
    """Signs of life that a test sets, all well at first."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.in_flight = self.commits = 0
        self.commit_seconds = 0.0
        self.oldest_ms: int | None = None
        self.view_trouble: str | None = None
        self.room: Room | None = ENOUGH
        self.now_ms = self.steady_ms = 1_000_000
        self.health = Health(
            Vitals(
                why_not_ready=lambda: self.reason,
                in_flight=lambda: self.in_flight,
                commits=lambda: self.commits,
                commit_seconds=lambda: self.commit_seconds,
                oldest_waiting_ms=lambda: self.oldest_ms,
                room=lambda: self.room,
                view_trouble=lambda: self.view_trouble,
            ),
            lambda: self.now_ms,
            lambda: self.steady_ms,
        )

    def step(self, passed_ms: int) -> None:
        """Time passes, and a tick comes."""
        self.now_ms += passed_ms
        self.steady_ms += passed_ms
        self.health.tick()

    def found(self) -> list[str]:
        """What is wrong, in one word each."""
        return [fault.partition(":")[0] for fault in self.health.faults()]


def test_a_monitor_that_works_is_well() -> None:
    """Ticks come, what is handed in is stored, notifications leave, there is room."""
    body = Body()
    for _ in range(100):
        body.in_flight, body.commits = 3, body.commits + 1
        body.step(SECOND_MS)
    body.oldest_ms = body.now_ms - MINUTE_MS

    assert ([], True) == (body.found(), body.health.is_alive())


@pytest.mark.parametrize(
    ("trouble", "expected", "is_alive"),
    [
        ({"reason": "the store is full"}, ["commit"], True),
        ({"oldest_ms": 1_000_000 - OUTBOX_MS}, ["outbox"], True),
        ({"room": Room(free_bytes=ROOM_BYTES - 1, total_bytes=GIBIBYTE)}, ["disk"], True),
        ({"room": None}, [], True),
        ({"view_trouble": "what was written cannot be moved"}, ["view"], True),
    ],
)
def test_each_part_is_watched(trouble: dict[str, Any], expected: list[str], is_alive: bool) -> None:
    """A full disk, an unreachable channel and a broken log are no reason for a restart, and none to call it well."""
    body = Body()
    for name, value in trouble.items():
        setattr(body, name, value)
    body.health.tick()

    assert (expected, is_alive) == (body.found(), body.health.is_alive())


def test_a_disk_that_is_slow_for_a_while_is_no_health_and_no_reason_to_start_again() -> None:
    """Half a second for each of ten batches; one that was slow says nothing, and ten fast ones are health again."""
    body = Body()
    found = []
    for seconds in (0.001,) * 9 + (2.0,) + (0.5,) * SLOW_COMMITS + (0.001,) * SLOW_COMMITS:
        body.commits, body.commit_seconds = body.commits + 1, body.commit_seconds + seconds
        body.step(SECOND_MS)
        if body.commits % SLOW_COMMITS == 0:
            found.append((body.health.faults(), body.health.is_alive()))

    slow = "commit: the disk takes 500 ms to store a batch, expected less than 250 ms"
    assert [([], True), ([slow], True), ([], True)] == found


def test_a_disk_that_hangs_and_a_loop_that_hangs_are_no_life() -> None:
    """What was handed in is not stored for half a minute; or no tick comes. A commit, or an empty hand, is life again."""
    body = Body()
    body.in_flight = 1
    body.step(STUCK_MS - 1)
    short = body.found()
    body.step(1)
    stuck = (body.found(), body.health.is_alive())
    body.commits += 1
    body.step(1)
    again = body.found()
    body.now_ms += TICK_MS
    body.steady_ms += TICK_MS

    assert ([], (["commit"], False), []) == (short, stuck, again)
    assert (["ticker"], False) == (body.found(), body.health.is_alive())
