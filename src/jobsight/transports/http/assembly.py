"""The parts of the service, put together from plain values."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_network
from ssl import SSLContext

from msgspec import Struct

from jobsight.core.state import State
from jobsight.engine.duties import Duties
from jobsight.engine.instruments import ObservedWriter
from jobsight.engine.together import Living
from jobsight.engine.users import is_guarded
from jobsight.errors import ConfigError
from jobsight.transports.http.access import Access
from jobsight.transports.http.acknowledge import acknowledge_endpoints
from jobsight.transports.http.asking import Source
from jobsight.transports.http.channel_api import Telling
from jobsight.transports.http.connections import Bounds
from jobsight.transports.http.dispatch import EVENTS, Dispatcher
from jobsight.transports.http.guarding import Guard, Secrets, guard_of
from jobsight.transports.http.health import health_endpoints
from jobsight.transports.http.journal import Journal
from jobsight.transports.http.openapi import openapi_endpoint
from jobsight.transports.http.operator_side import operator_endpoints
from jobsight.transports.http.peers import Peers, is_loopback
from jobsight.transports.http.ping_url_api import ping_url_endpoints
from jobsight.transports.http.rate import RateLimit
from jobsight.transports.http.reading_side import ReadingSide
from jobsight.transports.http.routes import Endpoint, inventory_endpoint
from jobsight.transports.http.server import Listener, Service
from jobsight.transports.http.taking_side import TakingSide, taking_side
from jobsight.transports.stdio_beside import StdioBeside


class ServiceOptions(Struct, frozen=True, kw_only=True):
    """
    What the service is to be like; the meaning of each is that of the setting of its name.

    Attributes:
        host: The address on which it listens.
        tls: Its certificate, for the address but not for the control socket.
        link_key: With which links in notifications are signed; None where there are none.
    """

    host: str
    tls: SSLContext | None
    trusted_proxies: tuple[str, ...]
    insecure_no_auth: bool
    log_requests: bool
    connections: int
    header_seconds: int
    idle_seconds: int
    inflated_bytes: int
    requests_per_second: int
    metrics_seconds: int
    link_key: bytes | None = None


def build_service(
    options: ServiceOptions,
    *,
    writer: ObservedWriter,
    ticker: Duties,
    deliveries: Living,
    open_source: Callable[[], Source],
    secrets: Secrets,
    telling: Telling,
    clock_ms: Callable[[], int],
    listening: socket.socket,
    control: socket.socket | None,
    on_ready: Callable[[], None],
    beside: StdioBeside | None = None,
) -> Service:
    """
    The service, ready to run, as `options` want it.

    Args:
        writer: Whose `wake` leads to the service's `settle`.
        ticker, deliveries: Run on the service's loop.
        telling: Who delivers. `open_source`: opens the view and the log for a thread that answers queries.
        secrets: Where hashes of passwords and sessions are kept.
        clock_ms: Wall time, ms since the epoch, UTC.
        listening: The bound address.
        control: The bound control socket of the data folder, where there is one. `on_ready`: told once all is open.
        beside: Stdin and stdout, where they are served as well.
    """
    journal = Journal()
    peers = Peers([ip_network(network) for network in options.trusted_proxies])
    guard = _guard(options, writer, secrets, peers, clock_ms)
    taking = _taking(options, writer, guard.access, peers, clock_ms, journal)
    reading = ReadingSide(writer, open_source, telling, clock_ms, metrics_ms=options.metrics_seconds * 1000)
    endpoints = [
        *guard.endpoints,
        *ping_url_endpoints(writer, taking.pings.last_ping_ms),
        *reading.endpoints,
        *operator_endpoints(writer, reading.asking, telling, clock_ms),
        *_free_endpoints(options, writer, reading, peers, clock_ms),
    ]
    app = Dispatcher(
        access=guard.access,
        ingest=taking.ingest,
        pings=taking.pings,
        count_refused=writer.instruments.count_refused,
        endpoints=[*endpoints, *_about([EVENTS, *endpoints])],
        log_request=journal.request if options.log_requests else None,
    )
    return Service(
        app=app,
        hot=taking.hot,
        ingest=taking.ingest,
        reading=reading,
        writer=writer,
        ticker=ticker,
        deliveries=deliveries,
        listeners=_listeners(options, listening, control),
        on_ready=on_ready,
        beside=beside,
    )


def refuse_open_address(options: ServiceOptions, state: State, folder: str) -> None:
    """
    Refuse to let everybody in by accident.

    Raises:
        ConfigError: Others can reach the address, and no token protects it.
    """
    if options.insecure_no_auth or is_loopback(options.host) or is_guarded(state):
        return
    raise ConfigError(
        f"server.listen: {options.host} can be reached by others, and there is no token yet, so everybody could report and "
        f"read. Make one first: jobsight token create --scope admin --data {folder}  (or listen on 127.0.0.1; or let "
        "everybody in: --insecure-no-auth)"
    )


def _guard(
    options: ServiceOptions,
    writer: ObservedWriter,
    secrets: Secrets,
    peers: Peers,
    clock_ms: Callable[[], int],
) -> Guard:
    return guard_of(
        writer,
        secrets=secrets,
        peers=peers,
        rate=RateLimit(options.requests_per_second),
        is_open_to_all=options.insecure_no_auth,
        is_on_loopback=is_loopback(options.host),
        clock_ms=clock_ms,
    )


def _about(inventory: list[Endpoint]) -> list[Endpoint]:
    """The routes that tell of routes."""
    described = openapi_endpoint(inventory)
    return [described, inventory_endpoint([*inventory, described])]


def _free_endpoints(
    options: ServiceOptions, writer: ObservedWriter, reading: ReadingSide, peers: Peers, clock_ms: Callable[[], int]
) -> list[Endpoint]:
    """The routes that need no token: who starts and watches the process, and signed links."""
    return [
        *health_endpoints(writer.why_not_ready),
        *acknowledge_endpoints(writer, reading.asking, peers, options.link_key, clock_ms),
    ]


def _taking(
    options: ServiceOptions,
    writer: ObservedWriter,
    access: Access,
    peers: Peers,
    clock_ms: Callable[[], int],
    journal: Journal,
) -> TakingSide:
    return taking_side(
        writer,
        access=access,
        peers=peers,
        rate=RateLimit(options.requests_per_second),
        inflated_bytes_max=options.inflated_bytes,
        clock_ms=clock_ms,
        note=journal.note,
        log_request=journal.request if options.log_requests else None,
    )


def _listeners(options: ServiceOptions, listening: socket.socket, control: socket.socket | None) -> list[Listener]:
    listeners = [Listener(socket=listening, bounds=_bounds(options), tls=options.tls)]
    if control is not None:
        listeners.append(Listener(socket=control, bounds=_bounds(options, is_control=True)))
    return listeners


def _bounds(options: ServiceOptions, *, is_control: bool = False) -> Bounds:
    return Bounds(
        connections=options.connections,
        header_seconds=options.header_seconds,
        idle_seconds=options.idle_seconds,
        is_control=is_control,
    )
