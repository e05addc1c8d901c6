"""A month of a thousand tasks: no false page, and every fault found in time."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from watched_state import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WatchedState

from jobsight.core.check import Expectation, Origin
from jobsight.core.events import AnyReport, CheckSet, JobCompleted, JobFailed, StatusUpdate
from jobsight.core.schedule import next_slot_ms

SEED = 20_260_329
TASKS = 1_000
FAULTS = 100
FAULTS_UNSEEN_MAX = 15
"""Further ones, in whose place others may come due while nobody watches."""

DAYS = 30
LATE_MS = 2 * SECOND_MS
BERLIN_SPRING_MS = round(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp()) * 1000
BERLIN_AUTUMN_MS = round(datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp()) * 1000

OFTEN = (("*/30 * * * *", "UTC"), ("5 */4 * * *", "Europe/Berlin"), ("every 6h", "UTC"), ("@hourly", "Asia/Kolkata"))
DAILY = (
    ("30 2 * * *", "Europe/Berlin"),
    ("0 3 * * *", "Europe/Berlin"),
    ("15 2 * * *", "America/New_York"),
    ("45 1 * * *", "Australia/Lord_Howe"),
    ("@daily", "America/New_York"),
    ("10 4 * * 1-5", "UTC"),
)
OFTEN_EVERY = 50
"""One task in so many runs more often than once a day."""


@dataclass
class Task:
    """What a task does: when it runs, for how long, how often it says something meanwhile."""

    name: str
    schedule: str
    tz: str
    run_ms: int
    expected: Expectation
    runs: int = 0


@dataclass
class Fault:
    """One thing that goes wrong, and by when it has to be found; `found_ms` once it was."""

    rule: str
    task: str
    due_ms: int = 0
    found_ms: int | None = None


@dataclass
class Month:
    """A simulated time: workers that do their work, a monitor that is told, and what goes wrong."""

    seed: int
    start_ms: int
    faults: int
    watch: WatchedState = field(init=False)
    dice: random.Random = field(init=False)
    injected: list[Fault] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    _queue: list[tuple[int, int, Any]] = field(default_factory=list)
    _count: int = 0
    opened: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.watch = WatchedState(self.start_ms, keeps_batches=False)
        for index in range(TASKS):
            schedules = OFTEN if index % OFTEN_EVERY == 0 else DAILY
            schedule, tz = schedules[index // OFTEN_EVERY % len(schedules)]
            run_ms = self.dice.choice((20 * SECOND_MS, 50 * SECOND_MS, 4 * MINUTE_MS))
            expected = Expectation(
                schedule=schedule,
                tz=tz,
                start_grace_ms=5 * MINUTE_MS,
                heartbeat_ms=2 * MINUTE_MS,
                max_runtime_ms=20 * MINUTE_MS,
                stall_after_ms=15 * MINUTE_MS,
            )
            self.tasks.append(Task(f"task-{index}", schedule, tz, run_ms, expected))
        self.watch.tell(
            *[
                CheckSet(task=task.name, expected=task.expected, origin=Origin.CONFIG, author="test")
                for task in self.tasks
            ]
        )
        for index, task in enumerate(self.tasks):
            self._plan(task, self.start_ms)
            if index < self.faults:
                at_ms = self.start_ms + self.dice.randrange(2 * DAY_MS, (DAYS - 3) * DAY_MS)
                self._put(at_ms, ("fault", task))

    def run(self, interruptions: list[tuple[int, str, int]]) -> None:
        """Let a month pass. `interruptions`: when, what (restart, set the clock forward, back), by how much."""
        for at_ms, what, by_ms in interruptions:
            self._put(at_ms, (what, by_ms))
        end_ms = self.start_ms + DAYS * DAY_MS
        while self._queue and self._queue[0][0] < end_ms:
            at_ms, _, item = heapq.heappop(self._queue)
            if at_ms > self.watch.now_ms:
                self.watch.run_until(at_ms)
                self._look()
            self._do(at_ms, item)
            self._look()

    def _put(self, at_ms: int, item: Any) -> None:
        self._count += 1
        heapq.heappush(self._queue, (at_ms, self._count, item))

    def _plan(self, task: Task, after_ms: int) -> None:
        slot_ms = next_slot_ms(task.schedule, task.tz, after_ms, self.start_ms)
        assert slot_ms is not None
        self._put(slot_ms + self.dice.randrange(0, 90 * SECOND_MS), ("start", task, slot_ms))

    def _do(self, at_ms: int, item: Any) -> None:
        match item:
            case ("start", task, slot_ms):
                self._plan(task, slot_ms)
                task.runs += 1
                self._work(task, slot_ms, f"{task.name}-{task.runs}", at_ms)
            case ("say", report):
                self._say(report, at_ms)
            case ("fault", task):
                self._break(task)
            case ("restart", by_ms):
                self.watch.restart(by_ms)
            case (_, by_ms):
                self._set_clock(by_ms)

    def _say(self, report: AnyReport, at_ms: int) -> None:
        """A worker reports; what it could not say while the monitor was away it says afterwards, with its time."""
        self.watch.report(msgspec.structs.replace(report, at=at_ms) if at_ms < self.watch.now_ms else report)

    def _work(self, task: Task, slot_ms: int, job_id: str, at_ms: int) -> None:
        """The reports of one run: its start, a word each minute, its end."""
        run_ms = round(task.run_ms * self.dice.uniform(0.8, 1.2))
        fault = self._fault_of(task, slot_ms, at_ms)
        if fault == "missed":
            return
        self._say(StatusUpdate(job_id=job_id, task=task.name, status="running"), at_ms)
        if fault == "overdue":
            return
        end_ms = 40 * MINUTE_MS if fault == "too_long" else run_ms
        for told_ms in range(MINUTE_MS, end_ms, MINUTE_MS):
            progress = min(99, round(100 * told_ms / end_ms))
            self._put(at_ms + told_ms, ("say", StatusUpdate(job_id=job_id, status="running", progress=progress)))
        if fault == "job_failed":
            self._put(at_ms + run_ms, ("say", JobFailed(job_id=job_id, error="disk full", retries=0)))
            self.injected[-1].due_ms = at_ms + run_ms
            return
        self._put(at_ms + end_ms, ("say", JobCompleted(job_id=job_id, duration_ms=end_ms)))

    def _fault_of(self, task: Task, slot_ms: int, now_ms: int) -> str | None:
        fault = next((one for one in self.injected if one.task == task.name and one.due_ms == -1), None)
        if fault is None:
            return None
        fault.due_ms = {
            "missed": slot_ms + task.expected.start_grace_ms,
            "overdue": now_ms + 3 * MINUTE_MS,
            "too_long": now_ms + 20 * MINUTE_MS,
            "job_failed": now_ms,
        }[fault.rule]
        self.injected.remove(fault)
        self.injected.append(fault)
        return fault.rule

    def _break(self, task: Task) -> None:
        rule = ("missed", "overdue", "too_long", "job_failed")[len(self.injected) % 4]
        self.injected.append(Fault(rule, task.name, due_ms=-1))

    def _set_clock(self, by_ms: int) -> None:
        """The machine's clock is set: everybody's plans are by that clock, but what runs goes on for as long as it does."""
        running = [(at_ms + by_ms, item) for at_ms, _, item in self._queue if item[0] == "say"]
        others = [(at_ms, item) for at_ms, _, item in self._queue if item[0] != "say"]
        if by_ms > 0:
            # cron starts nothing for the hour that was left out
            now_ms = self.watch.now_ms + by_ms
            others = [(at_ms, item) for at_ms, item in others if item[0] != "start" or at_ms >= now_ms]
            planned = {item[1].name for _, item in others if item[0] == "start"}
            self._queue = []
            self._count = 0
            self.watch.jump(by_ms)
            for task in self.tasks:
                if task.name not in planned:
                    self._plan(task, now_ms)
        else:
            self._queue = []
            self._count = 0
            self.watch.jump(by_ms)
        for at_ms, item in running + others:
            self._put(at_ms, item)

    def _look(self) -> None:
        """Note what was raised."""
        for alert in self.watch.raised:
            if alert.alert_id in self.opened:
                continue
            self.opened[alert.alert_id] = f"{alert.rule} of {alert.task}: {alert.text}"
            for fault in self.injected:
                if fault.task == alert.task and fault.rule == alert.rule and fault.found_ms is None:
                    fault.found_ms = alert.opened_ms
        self.watch.raised.clear()


def interruptions(start_ms: int) -> list[tuple[int, str, int]]:
    """Three restarts, and a clock that is set forward and back."""
    return [
        (start_ms + 4 * DAY_MS + 2 * HOUR_MS, "restart", 30 * SECOND_MS),
        (start_ms + 9 * DAY_MS + 25 * MINUTE_MS, "restart", 90 * MINUTE_MS),
        (start_ms + 17 * DAY_MS + 11 * HOUR_MS, "restart", 7 * HOUR_MS),
        (start_ms + 12 * DAY_MS + 6 * HOUR_MS, "forward", HOUR_MS),
        (start_ms + 21 * DAY_MS + 6 * HOUR_MS, "back", -HOUR_MS),
    ]


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("change_ms", [BERLIN_SPRING_MS, BERLIN_AUTUMN_MS], ids=["spring", "autumn"])
def test_a_healthy_month_pages_nobody(change_ms: int) -> None:
    """30 days, 1,000 healthy tasks with jitter, a clock change, 3 restarts, 2 clock steps: nobody is called."""
    print(f"seed {SEED}")
    month = Month(SEED, change_ms - 15 * DAY_MS - 3 * HOUR_MS, faults=0)
    month.run(interruptions(month.start_ms))

    notices = ("self.blind", "self.clock_stepped")
    pages = [what for what in month.opened.values() if not what.startswith(notices)]

    assert [] == pages
    assert 20 * TASKS < sum(task.runs for task in month.tasks)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_fault_is_found_in_time() -> None:
    """
    Faults among 1,000 tasks, in a month with the same restarts and clock steps: each is found within its grace and 2 s, and
    nothing else is. 100 of them at least come due while somebody watches; what comes due while nobody does is unverified.
    """
    print(f"seed {SEED}")
    month = Month(SEED, BERLIN_SPRING_MS - 15 * DAY_MS, faults=FAULTS + FAULTS_UNSEEN_MAX)
    broken = interruptions(month.start_ms)
    month.run(broken)
    away = [(at_ms, at_ms + by_ms) for at_ms, what, by_ms in broken if what == "restart"]
    seen = [fault for fault in month.injected if not any(since <= fault.due_ms <= until for since, until in away)]
    late = [fault for fault in seen if fault.found_ms is None or fault.found_ms > fault.due_ms + LATE_MS]
    early = [fault for fault in month.injected if fault.found_ms is not None and fault.found_ms < fault.due_ms]
    found = {what.split()[2].rstrip(":") for what in month.opened.values() if not what.startswith("self.")}

    assert [] == late
    assert [] == early
    assert FAULTS + FAULTS_UNSEEN_MAX == len(month.injected)
    assert len(seen) >= FAULTS
    assert {fault.task for fault in seen} <= found <= {fault.task for fault in month.injected}
