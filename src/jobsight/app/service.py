"""The monitor as a service: HTTP, the control socket of the data folder, the channels."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import force_setattr, replace

from jobsight.app.clock import Say, clock_ms, steady_ms
from jobsight.app.stores import Store, open_store
from jobsight.app.writing import duties_of, writer_of
from jobsight.core.events import InternalEvent, SettingsChanged
from jobsight.engine.collector import spare_the_collector
from jobsight.engine.declaring import CONFIG, steps_of
from jobsight.engine.retention import KeepTimes
from jobsight.protocol.declared import Declared
from jobsight.protocol.session import ReplyForm, Session

if TYPE_CHECKING:
    import socket

    from jobsight.config.settings import Settings
    from jobsight.core.state import State
    from jobsight.engine.instruments import ObservedWriter
    from jobsight.notifiers.base import Notifier
    from jobsight.transports.http.assembly import ServiceOptions
    from jobsight.transports.http.guarding import Secrets

SERVICE_FLUSH_MS: Final = 50
RECORDED_AT_ONCE: Final = 5_000
"""Events of the configuration file that a start records in one batch: a file of 100,000 checks is not held twice."""

"""The service flushes oftener than a node on stdin: clients wait while it does, so each flush has to be short."""


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
        open_store(data, say, copies_beside=True) as store,
    ):
        refuse_open_address(options, store.state, str(data))
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


def _observed_writer(store: Store, wake: Callable[[], None], *, flush_ms: int, active_jobs_max: int) -> ObservedWriter:
    """The writer of a service, which shows what it does."""
    from jobsight.engine.instruments import Instruments, ObservedLog, ObservedWriter
    from jobsight.engine.recent import Recent

    instruments = Instruments()
    measured = replace(store, log=ObservedLog(store.log, instruments))
    writer = writer_of(measured, wake, flush_ms=flush_ms, active_jobs_max=active_jobs_max, kind=ObservedWriter)
    writer.instruments, writer.recent = instruments, Recent()
    return writer


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

    from jobsight.app.in_folder import source_of
    from jobsight.app.links import link_key, links_under
    from jobsight.app.systemd import READY, Systemd
    from jobsight.app.telling import dispatcher_of, health_of, living_of, self_watch_of
    from jobsight.notifiers.abouts import abouts_from
    from jobsight.transports.http.assembly import build_service
    from jobsight.transports.http.channel_api import Telling
    from jobsight.transports.stdio_beside import StdioBeside

    loop = asyncio.get_running_loop()

    def wake() -> None:
        loop.call_soon_threadsafe(service.settle)

    active_jobs_max = settings.server.limits.active_jobs
    writer = _observed_writer(store, wake, flush_ms=SERVICE_FLUSH_MS, active_jobs_max=active_jobs_max)
    _record_settings(settings, channels, writer)
    public_url = settings.server.public_url
    key = None if public_url is None else link_key(data)
    retention = settings.retention
    kept = KeepTimes(completed_ms=retention.completed_ms, other_ms=retention.failed_ms, log_ms=retention.log_ms)
    dispatcher = dispatcher_of(writer, store.view, channels, links_under(public_url, key), say)
    health = health_of(writer, store.view, data, dispatcher)
    systemd = Systemd(os.environ, health.is_alive, steady_ms)

    def be_ready() -> None:
        _greet(settings, listening.getsockname()[1], store.state, data, say)
        systemd.tell(READY)

    service = build_service(
        replace(options, link_key=key),
        writer=writer,
        ticker=duties_of(writer, store, kept, say, [self_watch_of(writer, data), health, systemd]),
        deliveries=living_of(dispatcher, channels, store.state, data, health, settings.deadman.url, systemd, say),
        telling=Telling(dispatcher=dispatcher, abouts=abouts_from(settings.channels, settings.notify)),
        open_source=lambda: source_of(data),
        secrets=_secrets_of(data),
        clock_ms=clock_ms,
        listening=listening,
        control=control,
        on_ready=be_ready,
        beside=None if stdio is None else StdioBeside(writer, Session(stdio, say), say),
    )
    await service.run()


def _secrets_of(data: Path) -> Secrets:
    from jobsight.logs.folder import SECRETS
    from jobsight.logs.passwords import PasswordFiles
    from jobsight.logs.session_file import SessionFile
    from jobsight.transports.http.guarding import Secrets

    return Secrets(passwords=PasswordFiles(data / SECRETS), sessions=SessionFile(data / SECRETS))


def _record_settings(settings: Settings, channels: Mapping[str, Notifier], writer: ObservedWriter) -> None:
    """What `apply` reads of the settings becomes events, where it differs from what the log says."""
    state, jobs = writer.state, settings.jobs
    events: list[InternalEvent] = []
    tasks_max = settings.server.limits.tasks
    if (state.retries_max, state.silence_ms, state.tasks_max) != (jobs.max_retries, jobs.silence_ms, tasks_max):
        changed = SettingsChanged(
            max_retries=jobs.max_retries, silence_ms=jobs.silence_ms, tasks_max=tasks_max, author=CONFIG
        )
        events.append(changed)
    for step in steps_of(state, settings.declared, CONFIG, channels=list(channels)):
        events += step.events
        if len(events) >= RECORDED_AT_ONCE:
            writer.record(events)
            writer.flush()
            events = []
    if events:
        writer.record(events)
        writer.flush()
    # What is declared stands in the state from here on: a file of 100,000 checks is not held twice.
    force_setattr(settings, "declared", Declared())


def _greet(settings: Settings, port: int, state: State, data: Path, say: Say) -> None:
    from jobsight.engine.users import is_guarded
    from jobsight.transports.http.banner import first_command, url_of

    server = settings.server
    url = url_of(server.listen.host, port, is_tls=server.tls_cert is not None)
    if server.insecure_no_auth and not is_guarded(state):
        say("WARNING: --insecure-no-auth: everybody who reaches this address may report, read and change everything")
    say(f"data in {data.absolute()}")
    say(f"listening on {url}")
    say(f"try: {first_command(url, needs_token=is_guarded(state), tls_cert=server.tls_cert)}")
