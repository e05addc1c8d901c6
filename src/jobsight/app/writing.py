"""The writer of a store, what its owner has to do from time to time, and what commands change in a folder that nobody holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from jobsight.app.clock import Say, clock_ms, steady_ms
from jobsight.app.stores import Store, open_store
from jobsight.core.events import InternalEvent
from jobsight.core.state import State
from jobsight.engine.admission import ACTIVE_JOBS_MAX
from jobsight.engine.answers import Answers, Reading
from jobsight.engine.duties import Duties, Duty, submit_of
from jobsight.engine.last_room import Reserve
from jobsight.engine.retention import KeepTimes, Retention
from jobsight.engine.ticker import Ticker
from jobsight.engine.writer import FLUSH_MS, Writer

AnyWriter = TypeVar("AnyWriter", bound=Writer)


def writer_of(
    store: Store,
    wake: Callable[[], None] | None,
    *,
    flush_ms: int = FLUSH_MS,
    active_jobs_max: int = ACTIVE_JOBS_MAX,
    kind: type[AnyWriter],
) -> AnyWriter:
    """A writer of this kind on a store; for its arguments see `Writer`."""

    def reading() -> Reading:
        reader = store.reader()
        writer.flush()
        return reader

    writer = kind(
        log=store.log,
        view=store.view,
        state=store.state,
        clock_ms=clock_ms,
        steady_ms=steady_ms,
        answer=Answers(store.state, reading, store.log, clock_ms).answer,
        wake=wake,
        flush_ms=flush_ms,
        active_jobs_max=active_jobs_max,
        reserve=None if store.data is None else _reserve_of(store.data),
    )
    return writer


def _reserve_of(data: Path) -> Reserve:
    from jobsight.logs.reserve import FolderReserve

    return FolderReserve(data)


def ticker_of(writer: Writer, clock: Callable[[], int] = clock_ms) -> Ticker:
    """The ticker of a writer's state: told what each flush is about to store, and handing in what has passed."""
    ticker = Ticker(writer.state, submit_of(writer), clock, writer.note_alive, writer.note_late, steady_ms)
    writer.on_flush = ticker.register
    return ticker


def duties_of(writer: Writer, store: Store, kept: KeepTimes, say: Say, further: Sequence[Duty] = ()) -> Duties:
    """What the owner of a writer has to do from time to time. What is kept in memory alone is bounded by its bytes."""
    ticker = ticker_of(writer)
    duties: list[Duty] = [ticker, *further]
    if store.data is not None:
        from jobsight.engine.trimming import trimming_of

        submit = submit_of(writer)
        duties.append(Retention(kept, writer.state, submit, clock_ms, store.began_ms))
        trimming = trimming_of(kept.log_ms, store.data, store.log, submit, clock_ms, say)
        store.closing.callback(trimming.close)
        duties.append(trimming)
    return Duties(duties, lambda: writer.why_not_ready() is not None, steady_ms, lambda: ticker.is_behind)


def trim_log(data: Path, keep_ms: int, say: Say) -> int:
    """
    Make a checkpoint of the view, and delete what the log holds beyond `keep_ms`; how many batches that were.

    Raises:
        InUseError: A process holds the folder. JobsightError: See `open_store`.
    """
    from jobsight.engine.checkpoints import trim_now

    with open_store(data, say) as store:
        writer = writer_of(store, None, kind=Writer)
        deleted = trim_now(data, store.log, writer.record, clock_ms() - keep_ms)
        writer.close()
        return deleted


@contextmanager
def open_state(data: Path, say: Say) -> Iterator[tuple[State, Callable[[list[InternalEvent]], None]]]:
    """
    The state of a data folder that no other process holds, and what stores events of the monitor.

    Raises:
        InUseError: A process holds the folder; it can be asked through its control socket.
        JobsightError: See `open_store`.
    """
    with open_store(data, say) as store:
        writer = writer_of(store, None, kind=Writer)
        yield store.state, writer.record
        writer.close()
