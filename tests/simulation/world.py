"""One simulated run: a monitor that is started, used, killed and started again, as the dice of one seed fall."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

from simulation.channel import FAR_SIDES, FAULTS, FakeChannel, FakeSettings, FarSide
from simulation.ledger import Ledger
from simulation.machine import Clock, RecordedDisk, SteppedLoop, copy_as_cut, copy_as_killed
from simulation.monitor import Monitor
from simulation.promises import Promises
from simulation.workload import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WORKERS, Workload

from jobsight.engine.dispatcher import AFTER_SEND
from jobsight.engine.retention import KeepTimes
from jobsight.engine.self_watch import Room
from jobsight.errors import JobsightError
from jobsight.logs.folder import open_folder
from jobsight.notifiers.base import Making, Notification, Notifier, Receipt

START_MS = 1_772_323_200_000
"""2026-03-01T00:00:00Z."""

STEPS = 60
LONGEST_STEP_MS = 55_000
"""Time goes on by so much at most, so that the monitor is never taken for blind while it runs."""

QUIET_MS = 40 * MINUTE_MS
"""Longer than any group of alerts waits, and any pause between two tries that is left at the end."""

SHM = Path("/dev/shm")


class Dead(Exception):
    """The process, or the machine, has died in the middle of something."""


class _Watched(FakeChannel):
    """A channel of a monitor that may be dead: nothing that it sends then reaches anybody."""

    def __init__(self, settings: FakeSettings, making: Making, world: World) -> None:
        super().__init__(settings, making)
        self._world, self._life = world, world.life

    async def send(self, notification: Notification, *, now_ms: int) -> Receipt:
        if self._world.is_dead or self._life != self._world.life:
            await asyncio.Event().wait()
        receipt = await super().send(notification, now_ms=now_ms)
        self._world.note_sent(self.name, notification)
        return receipt


class World:
    """
    Everything around the monitor, and the monitor.

    Args:
        seed: Decides everything.
        steps: So many things happen.
    """

    def __init__(self, seed: int, steps: int = STEPS) -> None:
        self.dice = Random(seed)
        self.steps = steps
        self.trace: list[str] = []
        self.clock = Clock(START_MS)
        self.root = Path(mkdtemp(prefix="jobsight-simulation-", dir=SHM if SHM.is_dir() else None))
        open_folder(self.root / "life-0", now_ms=START_MS).close()
        self.disk = RecordedDisk()
        self.disk.on_death = self._die
        self.life = 0
        self.is_dead = False
        self.is_cut = False
        self.is_healing = False
        self.sides = {name: FarSide() for name in ("pager", "mail")[: self.dice.choice((1, 2))]}
        FAR_SIDES.update(self.sides)
        self.configured = list(self.sides)
        self.ledger = Ledger(self.sides)
        self.promises = Promises(self.ledger)
        self.workload = Workload(self.dice)
        keeps = self.dice.random() < 0.5
        self.keep = KeepTimes(completed_ms=2 * HOUR_MS if keeps else 0, other_ms=5 * HOUR_MS if keeps else 0, log_ms=0)
        self.trims = self.dice.random() < 0.3
        self.unmarked: dict[tuple[str, str], int] = {}
        self._trimming: Iterator[str] = iter(())
        self.loop = SteppedLoop(self.clock)
        self.monitor: Monitor

    def run(self) -> None:
        """Let it all happen; AssertionError where a promise is broken."""
        try:
            self.loop.run_until_complete(self._live())
        finally:
            self.disk.close()
            self.loop.close()
            shutil.rmtree(self.root, ignore_errors=True)

    def note_sent(self, channel: str, notification: Notification) -> None:
        """The far side has said yes."""
        key = (channel, f"{notification.dedup_key}|{notification.kind}|{notification.sequence}")
        self.unmarked[key] = self.unmarked.get(key, 0) + 1

    async def _live(self) -> None:
        await self._start(self.root / "life-0")
        for _ in range(self.steps):
            what = self._pick()
            self.trace.append(what.__name__.strip("_"))
            await what()
            await self.loop.until_quiet()
            await self._bury_or_check()
        await self._heal()
        self.disk.is_recording = False
        self.promises.at_the_end(self.monitor, self.root / "anew")
        await self.monitor.stop()

    def _pick(self) -> Callable[[], Any]:
        chances = {
            self._report: 30,
            self._ask: 8,
            self._send_again: 4,
            self._storm: 1,
            self._store_only: 6,
            self._wait_a_little: 12,
            self._wait_longer: 6,
            self._wait_long: 1,
            self._tell: 6,
            self._break_channel: 5,
            self._mend_channel: 4,
            self._set_clock: 1,
            self._fill_disk: 2,
            self._make_room: 3,
            self._arm_failing_sync: 1,
            self._arm_death: 4,
            self._kill: 2,
            self._cut_power: 2,
            self._restart: 2,
            self._trim: 4 if self.trims else 0,
        }
        return self.dice.choices(list(chances), list(chances.values()))[0]

    # --------------------------------------------------------------------------------------------- lives and deaths

    async def _start(self, path: Path) -> None:
        self.is_dead = self.is_cut = False
        self.life += 1
        channels: dict[str, Notifier] = {
            name: _Watched(FakeSettings(side=name), Making(name=name), self) for name in self.configured
        }
        self.monitor = Monitor(
            path, self.clock, self.dice, channels, self.keep, self._pass_point, self._room, self.disk
        )
        self._trimming = iter(())
        if self.monitor.writer.broken is not None:
            return
        self.promises.after_a_start(self.monitor)
        self.monitor.start()
        owed, self.ledger.owed = self.ledger.owed, []
        for number in owed:
            self._send(number)

    def _die(self) -> None:
        """In the middle of an operation on the disk: what comes after this moment reaches nobody."""
        if self.is_dead:
            return
        self.is_dead = True
        new = self.root / f"life-{self.life}"
        if self.is_cut:
            copy_as_cut(self.monitor.path, new, self.disk, self.dice)
        else:
            copy_as_killed(self.monitor.path, new)

    async def _bury_or_check(self) -> None:
        """Go on with the next life where the last one has ended; else see whether all promises hold."""
        if not self.is_dead and self.monitor.writer.broken is not None:
            self.trace.append("(exit 74)")
            self._die()
        if not self.is_dead:
            self._note_marks()
            self.promises.after_a_step(self.monitor)
            return
        self._excuse()
        self.disk.begin_anew()
        await self.monitor.abandon()
        self.disk.begin_anew()
        self.clock.advance(self.dice.choice((0, SECOND_MS, 5 * MINUTE_MS, 3 * HOUR_MS)))
        await self._start(self.root / f"life-{self.life}")

    def _excuse(self) -> None:
        """The end came before the log knew of these deliveries: each may be repeated once."""
        for key, count in self.unmarked.items():
            self.ledger.excused[key] += count
        self.unmarked.clear()

    def _note_marks(self) -> None:
        """Deliveries whose result stands in the log need no excuse any more."""
        waiting = {
            (one.channel, f"{one.dedup_key}|{one.kind}|{0 if one.kind == 'trigger' else one.sequence}")
            for one in self.monitor.state.outbox.values()
            if one.state == "waiting"
        }
        for key in [key for key in self.unmarked if key not in waiting]:
            del self.unmarked[key]

    def _room(self) -> Room:
        return Room(free_bytes=0 if self.disk.full else 1 << 40, total_bytes=1 << 40)

    def _pass_point(self, name: str) -> None:
        if name == AFTER_SEND and not self.is_healing and self.dice.random() < 0.03:
            self.trace.append("(killed after a send)")
            self.is_cut = False
            self._die()

    async def _kill(self) -> None:
        self.is_cut = False
        self._die()

    async def _cut_power(self) -> None:
        self.is_cut = True
        self._die()

    async def _arm_death(self) -> None:
        self.is_cut = self.dice.random() < 0.5
        self.disk.dies_in = self.dice.randrange(1, 60)

    async def _restart(self) -> None:
        path = self.monitor.path
        self.disk.mend()
        await self.monitor.stop()
        self._note_marks()
        self._excuse()
        self.clock.advance(self.dice.choice((SECOND_MS, 2 * MINUTE_MS)))
        if len(self.sides) > 1 and self.dice.random() < 0.3:  # a channel is taken out of the configuration, or put back
            self.configured = ["pager"] if len(self.configured) > 1 else list(self.sides)
        await self._start(path)

    # ------------------------------------------------------------------------------------------- what the outside does

    def _send(self, number: int) -> None:
        line = self.ledger.lines[number]
        self.ledger.owed.append(number)
        self.ledger.sent[number] += 1
        self._hand_in(json.loads(line)["src"], line)

    def _hand_in(self, worker: str, lines: bytes) -> None:
        life = self.life

        def answer(replies: bytes) -> None:
            if not self.is_dead and life == self.life:
                self.ledger.take_replies(replies)

        self.monitor.hear(worker, lines, answer)

    async def _report(self) -> None:
        for _ in range(self.dice.choice((1, 1, 1, 2, 5))):
            body = self.workload.report(self.clock.wall_ms)
            self._send(self.ledger.write(self.dice.choice(WORKERS), body))
        if self.dice.random() < 0.7:
            self.monitor.work()

    async def _ask(self) -> None:
        """A query between two reports of one sender, in one breath."""
        worker = self.dice.choice(WORKERS)
        lines = []
        for _ in range(self.dice.randrange(3)):
            number = self.ledger.write(worker, self.workload.report(self.clock.wall_ms))
            self.ledger.owed.append(number)
            self.ledger.sent[number] += 1
            lines.append(self.ledger.lines[number])
            if self.dice.random() < 0.7:
                lines.append(self._query(worker))
        self._hand_in(worker, b"".join(lines) or self._query(worker))
        self.monitor.work()

    def _query(self, worker: str) -> bytes:
        query = self.workload.query(self.monitor.state)
        return json.dumps({"src": worker, "body": query}).encode() + b"\n"

    async def _send_again(self) -> None:
        """A worker that has heard nothing sends once more, or one that is confused sends what was answered long ago."""
        numbers = list(self.ledger.lines)[-4:]
        if numbers:
            number = self.dice.choice(numbers)
            if number not in self.ledger.owed:
                self._send(number)

    async def _storm(self) -> None:
        """Many failures at once, of many kinds: more than a channel may be told of one by one."""
        kinds = self.dice.choice((1, 30))
        for number in range(40):
            body = {"type": "job_failed", "job_id": f"storm-{number % 25}", "queue": f"q{number % kinds}", "retries": 0}
            self._send(self.ledger.write("w1", {**body, "error": f"kind {'abcdefghij'[number % 10]}"}))
        self.monitor.work()

    async def _store_only(self) -> None:
        """The log thread is ahead of the owner."""
        if self.monitor.writer.has_waiting:
            self.monitor.writer.store()

    async def _tell(self) -> None:
        event = self.workload.told(self.monitor.state, self.clock.wall_ms)
        if event is not None:
            self.monitor.tell(event)
            self.monitor.work()

    async def _trim(self) -> None:
        """One more step of trimming."""
        try:
            if next(self._trimming, None) is None:
                before_ms = self.clock.wall_ms - self.dice.choice((0, MINUTE_MS, HOUR_MS))
                self._trimming = self.monitor.trim(before_ms)
        except JobsightError as error:
            self.trace.append(f"({error})")
            self._trimming = iter(())

    async def _break_channel(self) -> None:
        side = self.dice.choice(list(self.sides.values()))
        side.mode = self.dice.choice(list(FAULTS))

    async def _mend_channel(self) -> None:
        for side in self.sides.values():
            side.mode = ""

    async def _fill_disk(self) -> None:
        self.disk.full = self.dice.choice((("log.db", "log.db-wal"), ("view.db", "view.db-wal"), (".db", "-wal")))

    async def _make_room(self) -> None:
        self.disk.full = ()

    async def _arm_failing_sync(self) -> None:
        self.disk.fails_on = self.dice.choice(("log", "log", "view"))
        self.disk.fails_in = self.dice.randrange(1, 12)

    # ------------------------------------------------------------------------------------------------------------ time

    async def _wait_a_little(self) -> None:
        await self._pass(self.dice.choice((10, 60, 400, 2 * SECOND_MS)))

    async def _wait_longer(self) -> None:
        await self._pass(self.dice.choice((20 * SECOND_MS, MINUTE_MS, 6 * MINUTE_MS)))

    async def _wait_long(self) -> None:
        await self._pass(self.dice.choice((HOUR_MS, 5 * HOUR_MS)), coarse=True)

    async def _set_clock(self) -> None:
        by_ms = self.dice.choice((-HOUR_MS, HOUR_MS, -10 * SECOND_MS, 400 * DAY_MS, -400 * DAY_MS))
        self.trace.append(f"({by_ms:+} ms)")
        self.clock.set(by_ms)
        self.monitor.do_what_is_due()

    async def _pass(self, total_ms: int, *, coarse: bool = False) -> None:
        """Time goes on, and what is due is done when it is due."""
        end_ms = self.clock.steady_ms + total_ms
        while not self.is_dead and self.monitor.writer.broken is None:
            left_ms = end_ms - self.clock.steady_ms
            if left_ms <= 0:
                return
            due = [one for one in (self.monitor.due_ms(), self.loop.due_ms()) if one is not None]
            step_ms = LONGEST_STEP_MS if coarse else min([*due, LONGEST_STEP_MS])
            self.clock.advance(min(left_ms, max(self.dice.choice((1, 5, 200)), step_ms)))
            self.monitor.do_what_is_due()
            await self._until_idle()

    async def _until_idle(self) -> None:
        """Everything that can go on without more time has gone on."""
        await self.loop.until_quiet()
        while self.monitor.writer.has_waiting:
            self.monitor.work()
            await self.loop.until_quiet()
        self.monitor.work()

    async def _heal(self) -> None:
        """Everything works again, and there is time enough."""
        self.is_healing = True
        for _ in range(3):
            self.disk.mend()
            for side in self.sides.values():
                side.mode = ""
            self.monitor.work()
            await self._pass(QUIET_MS, coarse=True)
            await self.loop.until_quiet()
            was_sound = not self.is_dead and self.monitor.writer.broken is None
            await self._bury_or_check()
            if was_sound:
                break
        self.monitor.work()
        self.monitor.writer.flush()
        self._note_marks()
