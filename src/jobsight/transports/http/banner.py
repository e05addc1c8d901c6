"""What the service says when it is open: where it is, and a first command to try."""

from __future__ import annotations

import shlex
from pathlib import Path

from jobsight.transports.http.dispatch import EVENTS

_FIRST = '{"type": "update_status", "job_id": "job-1", "status": "running", "progress": 25}'


def url_of(host: str, port: int, *, is_tls: bool) -> str:
    """Where a program on this machine reaches the service."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"{'https' if is_tls else 'http'}://{reachable}:{port}"


def first_command(url: str, *, needs_token: bool, tls_cert: Path | None) -> str:
    """A line for a shell that reports a first job."""
    words = ["curl"]
    if tls_cert is not None:
        words += ["--cacert", shlex.quote(str(tls_cert))]
    if needs_token:
        words += ["-H", '"Authorization: Bearer $JOBSIGHT_TOKEN"']
    words += ["-H", "'Content-Type: application/json'", "-d", shlex.quote(_FIRST), f"{url}{EVENTS.path}"]
    return " ".join(words)
