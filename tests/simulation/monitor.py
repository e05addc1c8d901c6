"""One life of the monitor, from its start to its end: all parts that the service has, put together on a simulated machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import apsw
from simulation.machine import Clock

from jobsight.core.apply import RULES_VERSION
from jobsight.core.events import InternalEvent, RoutingSet
from jobsight.core.job import Job
from jobsight.core.state import State
from jobsight.engine.answers import Answers, Reading
from jobsight.engine.checkpoints import adopt_draft, draft_checkpoint, note_of, renew_view
from jobsight.engine.dispatcher import Dispatcher
from jobsight.engine.duties import Duties, submit_of
from jobsight.engine.last_room import Reserve
from jobsight.engine.recovery import recover
from jobsight.engine.retention import KeepTimes, Retention
from jobsight.engine.self_watch import Room, SelfWatch
from jobsight.engine.ticker import Submit, Ticker
from jobsight.engine.writer import Writer
from jobsight.errors import DamagedViewError
from jobsight.logs.base import Log
from jobsight.logs.folder import open_folder
from jobsight.notifiers.base import Notifier
from jobsight.protocol.codec import Chunk
from jobsight.protocol.session import Outcome, ReplyForm, Session
from jobsight.view.queries import open_reader
from jobsight.view.store import View

VERIFY_HEAD_ONLY = 1 << 62
FLUSH_MS = 50
TRIM_ROWS = 3


@contextmanager
def held_open(path: Path) -> Iterator[None]:
    """
    Keep a database open beside those who open and close it.

    The last connection that closes one tries to move the write-ahead file into it, also one that may only read. SQLite
    overlooks that this fails; a disk that is written in Python cannot, as apsw raises whatever was raised on the way.
    """
    if not path.exists():
        yield
        return
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs="unix")
    try:
        with suppress(apsw.Error):
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        yield
    finally:
        connection.close()


def open_view(folder: Path, path: Path, log: Log) -> tuple[View, State]:
    """As the service opens it: made anew from the checkpoint and the log where it is missing or damaged."""

    def open_it() -> tuple[View, State]:
        if log.bounds()[0] > 1 and not path.exists():
            renew_view(folder, path, log)
        with held_open(path):
            view = View.open(path, log.log_id)
        try:
            return view, recover(log, view)
        except BaseException:
            view.close()
            raise

    try:
        return open_it()
    except DamagedViewError:
        renew_view(folder, path, log)
        return open_it()


class Monitor:
    """
    A running monitor. Its log thread's work is done step by step, by `store`.

    Args:
        path: The data folder.
        channels: By name.
        pass_point: Told the points that a delivery passes.
        room: Of the disk. `reserve`: what is kept aside on it.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        dice: Random,
        channels: Mapping[str, Notifier],
        keep: KeepTimes,
        pass_point: Callable[[str], None],
        room: Callable[[], Room | None] = lambda: None,
        reserve: Reserve | None = None,
    ) -> None:
        self.path = path
        with held_open(path / "log.db"):
            self.folder = open_folder(path, now_ms=clock.wall_ms)
            self.log = self.folder.open_log(rules_version=RULES_VERSION, verify_after_seq=VERIFY_HEAD_ONLY)
        self.view, self.state = open_view(path, self.folder.view_path, self.log)
        self.reader = open_reader(self.folder.view_path)
        self.said: list[str] = []
        self.sessions: dict[str, Session] = {}
        self.refused = 0
        self.writer = self._make_writer(clock, reserve)
        submit = submit_of(self.writer)
        self.duties = self._make_duties(clock, keep, submit, room)
        self.dispatcher = Dispatcher(
            self.state,
            channels,
            submit,
            clock.wall,
            clock.steady,
            dice.random,
            tail_of=self._tail_of,
            say=self.said.append,
            pass_point=pass_point,
        )
        self.writer.on_deliveries = self.dispatcher.take
        if self.state.routing.channels != list(channels):
            self.writer.record([RoutingSet(channels=list(channels), author="config")])

    def _make_writer(self, clock: Clock, reserve: Reserve | None) -> Writer:

        def reading() -> Reading:
            self.writer.flush()
            return self.reader

        return Writer(
            log=self.log,
            view=self.view,
            state=self.state,
            clock_ms=clock.wall,
            answer=Answers(self.state, reading, self.log, clock.wall).answer,
            wake=lambda: None,
            steady_ms=clock.steady,
            flush_ms=FLUSH_MS,
            has_thread=False,
            reserve=reserve,
        )

    def _make_duties(self, clock: Clock, keep: KeepTimes, submit: Submit, room: Callable[[], Room | None]) -> Duties:
        state, writer = self.state, self.writer
        ticker = Ticker(state, submit, clock.wall, writer.note_alive, steady_ms=clock.steady)
        writer.on_flush = ticker.register
        self_watch = SelfWatch(
            state,
            submit,
            clock.wall,
            room=room,
            refused=lambda: self.refused,
            why_not_ready=writer.why_not_ready,
        )
        retention = Retention(keep, state, submit, clock.wall, self.folder.marker.created_ms)
        return Duties([ticker, retention, self_watch], lambda: writer.why_not_ready() is not None, clock.steady)

    def start(self) -> None:
        """Begin to deliver."""
        self.dispatcher.start()

    def hear(self, worker: str, lines: bytes, answer: Callable[[bytes], None]) -> None:
        """A worker sends some lines; the replies come later."""
        session = self.sessions.setdefault(worker, Session(ReplyForm.BODY, self.said.append))
        chunk: Chunk = session.feed(lines)

        def deliver(outcome: Outcome) -> None:
            self.refused += len(chunk.reports) if outcome.failure is not None else 0
            answer(session.replies(chunk, outcome))

        self.writer.submit(chunk, deliver)

    def tell(self, *events: InternalEvent) -> None:
        """An operator, or the configuration, says something."""
        self.writer.submit_events(list(events), lambda _: None)

    def work(self) -> None:
        """All that waits is stored, applied and answered."""
        self.writer.settle()
        while self.writer.has_waiting:
            self.writer.store()
            self.writer.settle()

    def due_ms(self) -> int | None:
        """In how many milliseconds the writer or a duty wants something."""
        due = (self.writer.flush_due_ms(), self.duties.due_ms())
        return min((one for one in due if one is not None), default=None)

    def do_what_is_due(self) -> None:
        """One turn of the owner's loop."""
        self.work()
        if self.writer.flush_due_ms() == 0:
            self.writer.flush()
        self.duties.tick()
        self.work()

    def trim(self, before_ms: int) -> Iterator[str]:
        """Make a checkpoint, and let go of old batches: as the trimming thread does, step by step."""
        if self.log.last_before(before_ms, self.log.head().seq) < self.log.bounds()[0]:
            return
        made = draft_checkpoint(self.path, self.folder.view_path, self.log)
        assert made is not None
        yield "drafted"
        heard: list[bool] = []
        submit_of(self.writer)([note_of(made)], heard.append)
        self.work()
        if heard != [True]:
            return
        yield "noted"
        adopt_draft(self.path)
        yield "adopted"
        wanted = min(made.seq, self.log.last_before(before_ms, made.seq))
        while self.log.trim(wanted, TRIM_ROWS):
            yield "trimmed"

    async def stop(self) -> None:
        """In good order, as after a signal."""
        await self.dispatcher.close()
        self.work()
        self.writer.close()
        self._release()

    async def abandon(self) -> None:
        """It is gone already: only what this process holds of it is given back."""
        await self.dispatcher.close()
        self._release()

    def _release(self) -> None:
        self.reader.close()
        self.view.close()
        self.log.close()
        self.folder.close()
        # What was in flight holds on to the writer, which holds it, and the collector does not look into those structures:
        # each crash would leave some megabytes behind for ever.
        vars(self.writer).clear()

    def _tail_of(self, job_id: str) -> str | None:
        job: Job | None = self.state.jobs.get(job_id)
        if job is None:
            job = next(iter(self.view.fetch([job_id], self.state)), None)
        return None if job is None else job.message
