"""The table of settings: how each is called in the file and in the environment, how it is read, and what it is for."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from jobsight.config import values
from jobsight.config.values import Reader
from jobsight.core.limits import MEASURE_MAX


class Key(Struct, frozen=True, kw_only=True):
    """
    One setting.

    Attributes:
        path: Its name in the file, with its sections (`server.listen`).
        field: Where it stands in `Settings`.
        read: Reads what is written.
        about: What it is for, one sentence.
        is_secret: It may hold secrets: `${NAME}` is replaced from the environment, and it is masked where it is shown.
    """

    path: str
    field: str
    read: Reader
    about: str
    is_secret: bool = False

    @property
    def variable(self) -> str:
        """Its name in the environment: the sections `server` and `data` are left out, so are dots."""
        known = {"data.dir": "DATA"}.get(self.path) or self.path.removeprefix("server.").replace(".", "_")
        return f"JOBSIGHT_{known.upper()}"


def _key(path: str, read: Reader, about: str, *, field: str | None = None, is_secret: bool = False) -> Key:
    return Key(path=path, field=field or path, read=read, about=about, is_secret=is_secret)


KEYS: Final = (
    _key("server.listen", values.address, "Address and port of the service."),
    _key(
        "server.public_url",
        values.web_url,
        "Under which URL people reach the service; notifications then carry links, also one that acknowledges.",
    ),
    _key("server.tls_cert", values.path, "PEM file of the certificate; with `tls_key`, the service speaks https."),
    _key("server.tls_key", values.path, "PEM file of the certificate's key, without a password."),
    _key(
        "server.trusted_proxies", values.networks, "Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."
    ),
    _key("server.insecure_no_auth", values.flag, "Start without any token on an address that others can reach."),
    _key("server.log_requests", values.flag, "One line for each request on stderr."),
    _key("server.limits.connections", values.whole(1, 100_000), "Connections open at once; further ones get 503."),
    _key(
        "server.limits.header_seconds", values.whole(1, 3_600), "Seconds in which the head of a request has to come in."
    ),
    _key(
        "server.limits.idle_seconds",
        values.whole(1, 86_400),
        "Seconds after which a connection on which nothing moves is closed.",
    ),
    _key(
        "server.limits.inflated_bytes",
        values.whole(1, 2**40),
        "Bytes to which the body of one gzipped request may unpack.",
    ),
    _key(
        "server.limits.requests_per_second",
        values.whole(0, 1_000_000),
        "Requests a second of one token, or of one address where none is needed; 0 for any number.",
    ),
    _key(
        "server.limits.active_jobs",
        values.whole(1, 1_000_000_000),
        "Jobs active at once; above, reports of further ones are refused, ends never.",
    ),
    _key(
        "server.limits.tasks",
        values.whole(1, 10_000_000),
        "Names of tasks; above, the jobs of further ones are counted as those of `(other)`.",
    ),
    _key(
        "server.limits.metrics_seconds",
        values.whole(60, 366 * 86_400),
        "Seconds after which a task that ended nothing has no series in /metrics any more.",
    ),
    _key(
        "data.dir",
        values.path,
        "The folder in which everything is kept; the platform's data folder where none is named.",
    ),
    _key(
        "jobs.max_retries",
        values.whole(0, MEASURE_MAX),
        "Retry limit of jobs that tell none; without one, `job_failed` is final.",
    ),
    _key(
        "jobs.silence",
        values.duration_ms,
        "An active job that was silent for so long is called lost.",
        field="jobs.silence_ms",
    ),
    _key(
        "retention.completed",
        values.keep_ms,
        "How long a completed job is kept after its end; 0 for ever.",
        field="retention.completed_ms",
    ),
    _key(
        "retention.failed",
        values.keep_ms,
        "How long a job that ended otherwise is kept after its end; 0 for ever.",
        field="retention.failed_ms",
    ),
    _key(
        "retention.log",
        values.keep_ms,
        "How long events are kept in the log at least; 0 for ever.",
        field="retention.log_ms",
    ),
    _key(
        "deadman.url",
        values.secret_url,
        "Asked for every minute while the monitor is well: a dead-man's switch that notices when that stops.",
        is_secret=True,
    ),
    _key("notify", values.urls, "URLs of channels that are told of every alert.", is_secret=True),
)

KEY_BY_PATH: Final = {key.path: key for key in KEYS}
KEY_BY_VARIABLE: Final = {key.variable: key for key in KEYS}
SECTIONS: Final = frozenset(key.path[:at] for key in KEYS for at, character in enumerate(key.path) if character == ".")
"""Names of tables in the file: `server`, `server.limits`, ..."""
