"""The composition root: the only file that names concrete logs, views and transports, and that reads the clock."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from jobsight.core.apply import RULES_VERSION
from jobsight.core.events import InternalEvent, RoutingSet, SettingsChanged
from jobsight.core.state import State
from jobsight.engine.admission import ACTIVE_JOBS_MAX
from jobsight.engine.answers import Answers, Reading
from jobsight.engine.collector import spare_the_collector
from jobsight.engine.duties import Duties, Duty, submit_of
from jobsight.engine.ports import ReadModel
from jobsight.engine.recovery import recover
from jobsight.engine.retention import KeepTimes, Retention
from jobsight.engine.ticker import Ticker
from jobsight.engine.tokens import TokenRegistry
from jobsight.engine.writer import FLUSH_MS, Writer
from jobsight.errors import DamagedViewError, StorageError
from jobsight.logs.base import Log
from jobsight.logs.memory import MemoryLog
from jobsight.protocol.session import ReplyForm, Session
from jobsight.transports.stdio import StdioNode, Waker
from jobsight.view.lazy import LazyView

if TYPE_CHECKING:
    import socket

    from jobsight.config.settings import Settings
    from jobsight.engine.dispatcher import Dispatcher
    from jobsight.engine.instruments import ObservedWriter
    from jobsight.logs.sqlite_reader import SqliteReader
    from jobsight.notifiers.base import Notifier
    from jobsight.transports.http.asking import Source
    from jobsight.transports.http.assembly import ServiceOptions
    from jobsight.view.queries import Reader

AnyWriter = TypeVar("AnyWriter", bound=Writer)
SERVICE_FLUSH_MS: Final = 50
"""The service flushes oftener than a node on stdin: clients wait while it does, so each flush has to be short."""

FAILPOINT: Final = "JOBSIGHT_FAILPOINT"
"""Names a point of `engine.dispatcher` at which the service kills itself; for tests of what survives that."""

VERIFY_HEAD_ONLY: Final = 1 << 62

Say = Callable[[str], None]
"""Writes one line for the operator."""


def clock_ms() -> int:
    """Wall time in milliseconds since the epoch, UTC. The one place where the clock is read."""
    return time.time_ns() // 1_000_000


class Store(Struct, frozen=True, kw_only=True):
    """
    A log, its view, and the state that they give together.

    `reader` answers queries as of the last flush; `began_ms` says when the log was made, ms UTC; `closing` is done first
    at the end; `data` is the folder.
    """

    log: Log
    view: ReadModel
    state: State
    reader: Callable[[], Reading]
    is_durable: bool
    began_ms: int = 0
    data: Path | None = None
    closing: ExitStack = ExitStack()


@contextmanager
def open_store(data: Path | None, say: Say, *, init_new: bool = False, accept_loss: bool = False) -> Iterator[Store]:
    """
    Everything that is kept, recovered and ready; closed at the end of the block.

    Args:
        data: The data folder; None keeps everything in memory.
        say: Told what was repaired or given up on the way.
        init_new, accept_loss: What the operator allows where the log is gone or damaged.

    Raises:
        JobsightError: The folder cannot be used; the text says why, and the exit code of the error is the command's.
    """
    if data is None:
        log = MemoryLog(log_id=secrets.token_hex(16), rules_version=RULES_VERSION)
        view = LazyView(log.log_id)
        yield Store(log=log, view=view, state=recover(log, view), reader=view.reader, is_durable=False)
        view.close()
        return
    with ExitStack() as stack:
        yield _open_folder(stack, data, say, init_new=init_new, accept_loss=accept_loss)


def _open_folder(stack: ExitStack, data: Path, say: Say, *, init_new: bool, accept_loss: bool) -> Store:
    from jobsight.engine.checkpoints import renew_view
    from jobsight.logs.folder import open_folder
    from jobsight.view.queries import open_reader

    os.umask(0o077)  # whatever is made in the folder is the owner's alone
    folder = open_folder(data, init_new=init_new, accept_loss=accept_loss, now_ms=clock_ms())
    stack.callback(folder.close)
    if folder.lost:
        say(folder.lost)
    # The head is verified here, what the view has not seen yet by `recover`; everything by `jobsight log verify`.
    log = folder.open_log(rules_version=RULES_VERSION, verify_after_seq=VERIFY_HEAD_ONLY)
    stack.callback(log.close)
    try:
        view, state = _open_view(folder.view_path, log)
    except DamagedViewError as error:
        say(f"{error}; making it anew")
        renew_view(data, folder.view_path, log)
        view, state = _open_view(folder.view_path, log)
    stack.callback(view.close)
    reader = open_reader(folder.view_path)
    stack.callback(reader.close)
    began_ms = folder.marker.created_ms
    store = Store(log=log, view=view, state=state, reader=lambda: reader, is_durable=True)
    return replace(store, began_ms=began_ms, data=data, closing=stack)


def _open_view(path: Path, log: Log, on_progress: Callable[[int], None] = lambda _: None) -> tuple[ReadModel, State]:
    from jobsight.engine.checkpoints import renew_view
    from jobsight.view.store import View

    if log.bounds()[0] > 1 and not path.exists():
        renew_view(path.parent, path, log)
    view = View.open(path, log.log_id)
    try:
        return view, recover(log, view, on_progress)
    except BaseException:
        view.close()
        raise


@contextmanager
def read_log(data: Path) -> Iterator[SqliteReader]:
    """The log of a data folder, read beside a node that may be running on it. Raises NotFoundError, DataError."""
    from jobsight.logs.folder import open_log_reader

    reader = open_log_reader(data)
    try:
        yield reader
    finally:
        reader.close()


@contextmanager
def read_view(data: Path) -> Iterator[Reader]:
    """The view of a data folder, read beside a node that may be running on it. Raises NotFoundError, DataError."""
    from jobsight.logs.folder import VIEW, open_log_reader
    from jobsight.view.queries import open_reader

    open_log_reader(data).close()
    reader = open_reader(data / VIEW)
    try:
        yield reader
    finally:
        reader.close()


def folder_holder(data: Path) -> int | None:
    """The process that uses a data folder; None for none."""
    from jobsight.logs.lock import holder_of

    return holder_of(data)


def rebuild_view(data: Path, on_progress: Callable[[int, int], None]) -> tuple[int, int]:
    """
    Make the view of a data folder anew from its log.

    Args:
        data: The folder; no other process may use it.
        on_progress: Told the place reached, and the last one.

    Returns:
        Batches that were replayed, and jobs that the view holds.
    """
    from jobsight.engine.checkpoints import renew_view
    from jobsight.logs.folder import open_folder

    os.umask(0o077)  # whatever is made in the folder is the owner's alone
    with ExitStack() as stack:
        folder = open_folder(data, now_ms=clock_ms())
        stack.callback(folder.close)
        log = folder.open_log(rules_version=RULES_VERSION)
        stack.callback(log.close)
        renew_view(data, folder.view_path, log)
        last = log.head().seq
        view, state = _open_view(folder.view_path, log, lambda seq: on_progress(seq, last))
        stack.callback(view.close)
        return last, state.jobs_total


def trim_log(data: Path, keep_ms: int, say: Say) -> int:
    """
    Make a checkpoint of the view, and delete what the log holds beyond `keep_ms`; how many batches that were.

    Raises:
        InUseError: A process holds the folder. JobsightError: See `open_store`.
    """
    from jobsight.engine.checkpoints import trim_now

    with open_store(data, say) as store:
        writer = _writer(store, None, kind=Writer)
        deleted = trim_now(data, store.log, writer.record, clock_ms() - keep_ms)
        writer.close()
        return deleted


def run_node(
    *,
    data: Path | None,
    form: ReplyForm,
    retries_max: int | None,
    complain: Say,
    kept: KeepTimes | None = None,
    init_new: bool = False,
    accept_loss: bool = False,
) -> None:
    """
    Serve the node on stdin and stdout until the input ends or a signal comes.

    Args:
        data: The data folder; None keeps everything in memory.
        form: How replies to envelopes look.
        retries_max: The node's retry limit; None for none.
        complain: Writes one line to stderr.
        kept: How long things are kept in a data folder.
        init_new, accept_loss: What the operator allows where the log is gone or damaged.

    Raises:
        JobsightError: With the command's exit code.
    """
    if data is None and sys.stderr.isatty():
        complain("no --data: everything is kept in memory, and gone at the end")
    spare_the_collector()
    waker = Waker()
    with open_store(data, complain, init_new=init_new, accept_loss=accept_loss) as store:
        writer = _writer(store, waker.wake if store.is_durable else None, kind=Writer)
        if store.state.retries_max != retries_max:
            writer.record(
                [SettingsChanged(max_retries=retries_max, silence_ms=store.state.silence_ms, author="config")]
            )
        duties = duties_of(writer, store, kept or KeepTimes(), complain)
        node = StdioNode(writer, Session(form, complain), waker, complain, ticker=duties)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, node.stop)
        node.serve()


def ticker_of(writer: Writer, view: ReadModel, clock: Callable[[], int] = clock_ms) -> Ticker:
    """The ticker of a writer's state: told what each flush is about to store, and handing in what has passed."""
    ticker = Ticker(writer.state, submit_of(writer), clock, view.note_alive)
    writer.on_flush = ticker.register
    return ticker


def duties_of(writer: Writer, store: Store, kept: KeepTimes, say: Say) -> Duties:
    """What the owner of a writer has to do from time to time. What is kept in memory alone is bounded by its bytes."""
    duties: list[Duty] = [ticker_of(writer, store.view)]
    if store.data is not None:
        from jobsight.engine.trimming import trimming_of

        submit = submit_of(writer)
        duties.append(Retention(kept, writer.state, submit, clock_ms, store.began_ms))
        trimming = trimming_of(kept.log_ms, store.data, store.log, submit, clock_ms, say)
        store.closing.callback(trimming.close)
        duties.append(trimming)
    return Duties(duties)


def _writer(
    store: Store,
    wake: Callable[[], None] | None,
    *,
    flush_ms: int = FLUSH_MS,
    active_jobs_max: int = ACTIVE_JOBS_MAX,
    kind: type[AnyWriter],
) -> AnyWriter:
    def reading() -> Reading:
        reader = store.reader()
        writer.flush()
        return reader

    writer = kind(
        log=store.log,
        view=store.view,
        state=store.state,
        clock_ms=clock_ms,
        answer=Answers(store.state, reading, store.log, clock_ms).answer,
        wake=wake,
        flush_ms=flush_ms,
        active_jobs_max=active_jobs_max,
    )
    return writer


def _observed_writer(store: Store, wake: Callable[[], None], *, flush_ms: int, active_jobs_max: int) -> ObservedWriter:
    """The writer of a service, which shows what it does."""
    from jobsight.engine.instruments import Instruments, ObservedLog, ObservedWriter
    from jobsight.engine.recent import Recent

    instruments = Instruments()
    measured = replace(store, log=ObservedLog(store.log, instruments))
    writer = _writer(measured, wake, flush_ms=flush_ms, active_jobs_max=active_jobs_max, kind=ObservedWriter)
    writer.instruments, writer.recent = instruments, Recent()
    return writer


def _open_source(data: Path) -> Source:
    """What one thread answers queries from, beside the writer."""
    from jobsight.logs.folder import VIEW, open_log_reader
    from jobsight.transports.http.asking import Source
    from jobsight.view.queries import open_reader

    reader, log = open_reader(data / VIEW), open_log_reader(data)

    def close() -> None:
        reader.close()
        log.close()

    def log_bytes() -> int:
        return sum(path.stat().st_size for path in data.glob("log.db*"))

    return Source(view=reader, log=log, log_bytes=log_bytes, close=close)


@contextmanager
def open_state(data: Path, say: Say) -> Iterator[tuple[State, Callable[[list[InternalEvent]], None]]]:
    """
    The state of a data folder that no other process holds, and what stores events of the monitor.

    Raises:
        InUseError: A process holds the folder; it can be asked through its control socket.
        JobsightError: See `open_store`.
    """
    with open_store(data, say) as store:
        writer = _writer(store, None, kind=Writer)
        yield store.state, writer.record
        writer.close()


@contextmanager
def open_tokens(data: Path, say: Say) -> Iterator[tuple[TokenRegistry, Callable[[list[InternalEvent]], None]]]:
    """
    The tokens of a data folder that no other process holds, and what stores their changes.

    Raises:
        InUseError: A process holds the folder; it can be asked through its control socket.
        JobsightError: See `open_store`.
    """
    with open_store(data, say) as store:
        writer = _writer(store, None, kind=Writer)
        yield TokenRegistry(store.state), writer.record
        writer.close()


def run_service(settings: Settings, *, data: Path, say: Say, stdio: ReplyForm | None = None) -> None:
    """
    Serve HTTP, and the control socket of the data folder, until a signal comes.

    Args:
        settings: All of them, checked.
        data: The data folder.
        say: Writes one line to stderr.
        stdio: How envelopes on stdin are answered, where stdin and stdout are served too; the service ends with the input.

    Raises:
        JobsightError: With the command's exit code.
    """
    from jobsight.notifiers.registry import channels_from
    from jobsight.transports.http.assembly import refuse_open_address
    from jobsight.transports.http.listening import bind_address, control_socket
    from jobsight.transports.http.server import run_loop

    options = _service_options(settings)
    channels = channels_from(settings.channels, settings.notify, settings.smtp, os.environ, os.uname().nodename)
    with (
        closing(bind_address(options.host, settings.server.listen.port)) as listening,
        open_store(data, say) as store,
    ):
        refuse_open_address(options, TokenRegistry(store.state), str(data))
        spare_the_collector()
        with control_socket(data) as control:
            run_loop(_serve(settings, options, channels, store, data, listening, control, say, stdio))


def _service_options(settings: Settings) -> ServiceOptions:
    from jobsight.transports.http.assembly import ServiceOptions
    from jobsight.transports.http.listening import tls_context

    server, limits = settings.server, settings.server.limits
    return ServiceOptions(
        host=server.listen.host,
        tls=tls_context(server.tls_cert, server.tls_key) if server.tls_cert and server.tls_key else None,
        trusted_proxies=server.trusted_proxies,
        insecure_no_auth=server.insecure_no_auth,
        log_requests=server.log_requests,
        connections=limits.connections,
        header_seconds=limits.header_seconds,
        idle_seconds=limits.idle_seconds,
        inflated_bytes=limits.inflated_bytes,
        requests_per_second=limits.requests_per_second,
        metrics_seconds=limits.metrics_seconds,
    )


def _dispatcher(writer: Writer, view: ReadModel, channels: Mapping[str, Notifier], say: Say) -> Dispatcher:
    from jobsight.engine.dispatcher import Dispatcher

    state, dice, submit = writer.state, secrets.SystemRandom().random, submit_of(writer)

    def tail_of(job_id: str) -> str | None:
        job = state.jobs.get(job_id)
        if job is None:
            with suppress(StorageError):  # an alert goes out without its output rather than not at all
                job = next(iter(view.fetch([job_id], state)), None)
        return None if job is None else job.message

    def pass_point(name: str) -> None:
        if name == os.environ.get(FAILPOINT):
            os.kill(os.getpid(), signal.SIGKILL)

    dispatcher = Dispatcher(state, channels, submit, clock_ms, dice, tail_of=tail_of, say=say, pass_point=pass_point)
    writer.on_deliveries = dispatcher.take
    return dispatcher


async def _serve(
    settings: Settings,
    options: ServiceOptions,
    channels: Mapping[str, Notifier],
    store: Store,
    data: Path,
    listening: socket.socket,
    control: socket.socket | None,
    say: Say,
    stdio: ReplyForm | None,
) -> None:
    import asyncio

    from jobsight.transports.http.assembly import build_service
    from jobsight.transports.stdio_beside import StdioBeside

    loop = asyncio.get_running_loop()

    def wake() -> None:
        loop.call_soon_threadsafe(service.settle)

    active_jobs_max = settings.server.limits.active_jobs
    writer = _observed_writer(store, wake, flush_ms=SERVICE_FLUSH_MS, active_jobs_max=active_jobs_max)
    jobs = settings.jobs
    if (store.state.retries_max, store.state.silence_ms) != (jobs.max_retries, jobs.silence_ms):
        writer.record([SettingsChanged(max_retries=jobs.max_retries, silence_ms=jobs.silence_ms, author="config")])
    if store.state.routing.channels != list(channels):
        writer.record([RoutingSet(channels=list(channels), author="config")])
    retention = settings.retention
    kept = KeepTimes(completed_ms=retention.completed_ms, other_ms=retention.failed_ms, log_ms=retention.log_ms)
    service = build_service(
        options,
        writer=writer,
        ticker=duties_of(writer, store, kept, say),
        deliveries=_dispatcher(writer, store.view, channels, say),
        open_source=lambda: _open_source(data),
        clock_ms=clock_ms,
        listening=listening,
        control=control,
        on_ready=lambda: _greet(settings, listening.getsockname()[1], TokenRegistry(store.state), say),
        beside=None if stdio is None else StdioBeside(writer, Session(stdio, say), say),
    )
    await service.run()


def _greet(settings: Settings, port: int, tokens: TokenRegistry, say: Say) -> None:
    from jobsight.transports.http.banner import first_command, url_of

    server = settings.server
    url = url_of(server.listen.host, port, is_tls=server.tls_cert is not None)
    if server.insecure_no_auth and tokens.is_empty:
        say("WARNING: --insecure-no-auth: everybody who reaches this address may report, read and change everything")
    say(f"listening on {url}")
    say(f"try: {first_command(url, needs_token=not tokens.is_empty, tls_cert=server.tls_cert)}")
