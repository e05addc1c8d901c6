"""Listening, serving and stopping: uvicorn within our own loop, under our own signals."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from ssl import SSLContext
from typing import Final

from msgspec import Struct
from typing_extensions import override
from uvicorn import Server

from jobsight.engine.duties import Duties
from jobsight.engine.together import Living
from jobsight.engine.writer import Writer
from jobsight.transports.http.connections import SWEEP_SECONDS, BoundedConfig, Bounds, Connection
from jobsight.transports.http.dispatch import Dispatcher
from jobsight.transports.http.hot import HotPaths
from jobsight.transports.http.ingest import Ingest
from jobsight.transports.http.reading_side import ReadingSide
from jobsight.transports.stdio_beside import StdioBeside

STOP_SECONDS_MAX: Final = 9
"""After a signal: time for committing, answering and flushing, before the process ends all the same."""

ANSWER_SECONDS_MAX: Final = 5
"""The part of it in which clients may take their answers."""

TICK_SECONDS: Final = 0.25
"""How often passed deadlines are looked for; an alert may be two seconds late."""

SOON_SECONDS: Final = 0.005
"""How soon they are looked for again while more of them have passed than one look takes; requests come in between."""

BACKLOG: Final = 2_048


class Listener(Struct, frozen=True, kw_only=True):
    """A bound socket, what may be done on it, and its TLS context where it has one."""

    socket: socket.socket
    bounds: Bounds
    tls: SSLContext | None = None


class Service:
    """
    Serves the app on its listeners, keeps the view fresh, and ends in good order.

    Args:
        app: What answers. `hot`: what is answered below it.
        ingest, reading: Told to end their streams when the service stops.
        writer: Owned by this loop; `wake` is what its log thread calls.
        ticker: Sees deadlines pass. `deliveries`: tells people what was decided.
        listeners: Where to serve.
        on_ready: Called once every listener is open.
        beside: Stdin and stdout, where they are served as well; the service ends with them.
    """

    def __init__(
        self,
        *,
        app: Dispatcher,
        hot: HotPaths,
        ingest: Ingest,
        reading: ReadingSide,
        writer: Writer,
        ticker: Duties,
        deliveries: Living,
        listeners: Sequence[Listener],
        on_ready: Callable[[], None],
        beside: StdioBeside | None = None,
    ) -> None:
        self._ingest = ingest
        self._reading = reading
        self._writer = writer
        self._ticker = ticker
        self._deliveries = deliveries
        self._servers = [_QuietServer(_config(app, hot, listener)) for listener in listeners]
        self._listeners = listeners
        self._on_ready = on_ready
        self._beside = beside
        self._is_stopping = False
        self._bug: BaseException | None = None
        self._flush_timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """
        Serve until a signal comes or the log cannot be written any more.

        Raises:
            StorageError: The log could not be written; the outcome of the last batch is unknown.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        serving = [
            asyncio.create_task(server.serve(sockets=[listener.socket]))
            for server, listener in zip(self._servers, self._listeners, strict=True)
        ]
        self._deliveries.start()
        sweeping = asyncio.create_task(self._sweep())
        ticking = asyncio.create_task(self._tick())
        await asyncio.gather(*(server.opened.wait() for server in self._servers))
        self._on_ready()
        if self._beside is not None:
            self._beside.start(loop, self.stop)
        starting = asyncio.create_task(self._reading.start())
        try:
            await asyncio.gather(*serving)
        finally:
            sweeping.cancel()
            ticking.cancel()
            await self._deliveries.close()
            starting.cancel()
            if self._flush_timer is not None:
                self._flush_timer.cancel()
            self._writer.close()
            if self._beside is not None:
                self._beside.close()
            self._reading.close()
        if self._bug is not None:
            raise self._bug
        if self._writer.broken is not None:
            raise self._writer.broken
        if self._beside is not None and self._beside.gone is not None:
            raise self._beside.gone

    def settle(self) -> None:
        """Apply and answer what became durable. Called on the loop, whenever the log thread has stored something."""
        try:
            self._writer.settle()
        except BaseException as error:
            self._end_by(error)
            raise
        if self._writer.broken is not None:
            self.stop()
        elif self._flush_timer is None:
            self._plan_flush()

    def stop(self) -> None:
        """Take no more connections, answer what came, and let `run` end."""
        if self._is_stopping:
            return
        self._is_stopping = True
        self._ingest.stop()
        self._reading.stop()
        for server in self._servers:
            server.should_exit = True

    def _on_signal(self, number: int) -> None:
        if self._is_stopping:
            os._exit(128 + number)
        signal.signal(signal.SIGALRM, lambda *_: os._exit(74))
        signal.alarm(STOP_SECONDS_MAX)
        self.stop()

    def _flush(self) -> None:
        self._flush_timer = None
        try:
            if self._writer.flush_due_ms() == 0:
                self._writer.flush()
        except BaseException as error:
            self._end_by(error)
            raise
        self._plan_flush()

    def _plan_flush(self) -> None:
        due_ms = self._writer.flush_due_ms()
        if due_ms is not None and not self._is_stopping:
            self._flush_timer = asyncio.get_running_loop().call_later(due_ms / 1000, self._flush)

    def _end_by(self, bug: BaseException) -> None:
        """Nothing goes on after a mistake of our own: who waits for an answer must not wait for ever."""
        self._bug = self._bug or bug
        self.stop()

    async def _tick(self) -> None:
        try:
            await keep_ticking(self._ticker)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._end_by(error)
            raise

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = asyncio.get_running_loop().time()
            for server in self._servers:
                for connection in list(server.server_state.connections):
                    if isinstance(connection, Connection):
                        connection.sweep(now)


async def keep_ticking(duties: Duties) -> None:
    """Do what is due, again and again: soon, while more of it has passed than one look takes."""
    while True:
        await asyncio.sleep(SOON_SECONDS if duties.is_behind() else TICK_SECONDS)
        duties.tick()


class _QuietServer(Server):
    """uvicorn's server without its signal handlers; it tells when it is open."""

    def __init__(self, config: BoundedConfig) -> None:
        super().__init__(config)
        self.opened = asyncio.Event()

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.opened.set()

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: Dispatcher, hot: HotPaths, listener: Listener) -> BoundedConfig:
    tls = listener.tls
    config = BoundedConfig(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=int(listener.bounds.idle_seconds),
        timeout_graceful_shutdown=ANSWER_SECONDS_MAX,
        ssl_context_factory=None if tls is None else lambda *_: tls,
    )
    config.bounds, config.hot = listener.bounds, hot
    return config


def run_loop(main: Coroutine[None, None, None]) -> None:
    """Run to its end, on uvloop where it is installed."""
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        from uvloop import new_event_loop

        loop_factory = new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main)
