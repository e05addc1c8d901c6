"""What can be set, as plain frozen values. `config.keys` says how each is written, read and explained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from typing_extensions import override

from jobsight.core.limits import SILENCE_MS
from jobsight.protocol.declared import Declared


class Address(Struct, frozen=True):
    """Where to listen: a host (a name, an IPv4 or an IPv6 address without brackets) and a port; port 0 takes any free one."""

    host: str
    port: int

    @override
    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Limits(Struct, frozen=True, kw_only=True):
    """
    Bounds against overload.

    Attributes:
        connections: Open at once; further ones are answered 503 and closed.
        header_seconds: Within which a request's head has to come in.
        idle_seconds: After which a connection that neither sends nor takes anything is closed.
        inflated_bytes: What the body of one request may grow to when it is unpacked.
        requests_per_second: Of one token (of one address, where none is needed); 0 for no bound.
        active_jobs: Jobs that may be active at once; above, new ones are refused until some have ended.
        tasks: Names of tasks; above, the jobs of further ones are counted as those of `(other)`.
        metrics_seconds: A task that ended nothing for so long has no series in `/metrics` any more.
    """

    connections: int = 4_096
    header_seconds: int = 10
    idle_seconds: int = 75
    inflated_bytes: int = 64 * 1024 * 1024
    requests_per_second: int = 20_000
    active_jobs: int = 1_000_000
    tasks: int = 200_000
    metrics_seconds: int = 7 * 86_400


class ServerSettings(Struct, frozen=True, kw_only=True):
    """
    How the service is reached.

    Attributes:
        public_url: Under which people reach it, without a slash at its end; None: notifications carry no links.
        tls_cert, tls_key: PEM files; both or none.
        trusted_proxies: Networks whose X-Forwarded-* headers are believed.
        insecure_no_auth: Start without any token on an address that others can reach.
        log_requests: One line a request on stderr.
    """

    listen: Address = Address("127.0.0.1", 8787)
    public_url: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    insecure_no_auth: bool = False
    log_requests: bool = False
    limits: Limits = Limits()


class DataSettings(Struct, frozen=True, kw_only=True):
    """Where everything is kept; None for the platform's data folder."""

    dir: Path | None = None


class JobSettings(Struct, frozen=True, kw_only=True):
    """
    What holds for jobs that say nothing else.

    Attributes:
        max_retries: The retry limit; None for none known.
        silence_ms: After so long without a word an active job is called lost, quietly.
    """

    max_retries: int | None = None
    silence_ms: int = SILENCE_MS


class RetentionSettings(Struct, frozen=True, kw_only=True):
    """How long jobs are kept after their end (`failed_ms`: all that did not complete), and events in the log; ms, 0 for ever."""

    completed_ms: int = 30 * 86_400_000
    failed_ms: int = 90 * 86_400_000
    log_ms: int = 90 * 86_400_000


class DeadmanSettings(Struct, frozen=True, kw_only=True):
    """Who is told every minute that the monitor is well: a URL, a secret as a whole; None for nobody."""

    url: str | None = None


class Settings(Struct, frozen=True, kw_only=True):
    """
    Everything that can be set.

    Attributes:
        notify: URLs of channels that hear of every alert.
        channels: Tables of the file by the channel's name; what may stand in one depends on its `type`.
        smtp: The mail server for all `mailto:` channels.
        declared: Checks, routes and maintenance windows of the file.
    """

    server: ServerSettings = ServerSettings()
    data: DataSettings = DataSettings()
    jobs: JobSettings = JobSettings()
    retention: RetentionSettings = RetentionSettings()
    deadman: DeadmanSettings = DeadmanSettings()
    notify: tuple[str, ...] = ()
    channels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    smtp: Mapping[str, Any] = field(default_factory=dict)
    declared: Declared = Declared()
