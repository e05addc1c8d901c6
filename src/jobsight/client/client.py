"""The client: one way to one monitor, for any number of jobs and threads."""

from __future__ import annotations

import os
import threading

from jobsight.client import limits, reports
from jobsight.client.job import Job
from jobsight.client.sender import Sender
from jobsight.client.settings import Settings
from jobsight.client.voice import Voice, logging_voice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any, Final, Self


class Client:
    """
    Reports jobs to a monitor. No method waits for the monitor (`flush` and `close` do, as long as they are told to), and
    none raises: what goes wrong is logged under `jobsight`, and what cannot be sent waits in the spool.

    Args:
        server: The monitor's URL; `JOBSIGHT_SERVER`, else `http://127.0.0.1:8787`. `off` sends nothing.
        token: Its access token; `JOBSIGHT_TOKEN` by default.
        spool: Folder for reports that wait; `JOBSIGHT_SPOOL`, else one in the user's state folder.
        flush_s: How long the end of the program may wait for what is still to be sent; the rest goes to the spool.
        settings: All settings at once, instead of the first three.
        voice: Whom to tell; the logger `jobsight` by default.
    """

    def __init__(
        self,
        server: str | None = None,
        token: str | None = None,
        *,
        spool: str | os.PathLike[str] | None = None,
        flush_s: float = limits.FLUSH_S,
        settings: Settings | None = None,
        voice: Voice | None = None,
    ) -> None:
        self.settings: Final = settings or Settings(server=server, token=token, spool=spool)
        self.shield: Final = voice or logging_voice()
        self.sender: Final = Sender(self.settings, self.shield, flush_s)

    def job(
        self,
        task: str | None,
        *,
        job_id: str | None = None,
        queue: str | None = None,
        labels: Mapping[str, object] | None = None,
        host: str | None = None,
        retries: int | None = None,
        max_retries: int | None = None,
        heartbeat_s: float = limits.HEARTBEAT_S,
    ) -> Job:
        """A job to be started and ended by hand. `with jobsight.monitor(...)` does both; see `Job` for the arguments."""
        return Job(
            self,
            task,
            job_id=job_id,
            queue=queue,
            labels=labels,
            host=host,
            retries=retries,
            max_retries=max_retries,
            heartbeat_s=heartbeat_s,
        )

    def report(self, kind: str, job_id: str, *, is_minor: bool = False, **fields: Any) -> None:
        """
        Hand in one report.

        Args:
            kind: Its type: `update_status`, `job_completed`, `job_failed`, `heartbeat`, `job_cancelled`.
            job_id: Whose it is.
            is_minor: It may be left out when too much waits.
            fields: Further fields as the protocol names them; None for absent. `at` and `host` are added.
        """
        with self.shield:
            body: dict[str, Any] = {"type": kind, "job_id": job_id}
            body.update((name, value) for name, value in fields.items() if value is not None)
            body.setdefault("host", reports.host_name())
            body.setdefault("at", reports.clock_ms())
            self.sender.put(body, is_minor=is_minor)

    def flush(self, timeout_s: float) -> bool:
        """Wait until the monitor has everything, also what waited in the spool; whether that came true in time."""
        return self.sender.flush(timeout_s)

    def close(self, timeout_s: float | None = None) -> bool:
        """Send what waits, for so long (`flush_s` by default); the rest goes to the spool. Whether nothing was lost."""
        return self.sender.close(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_default: list[Client] = []
_making: Final = threading.Lock()


def default_client() -> Client:
    """The client of `jobsight.monitor`, made from the environment when it is first needed."""
    if not _default:
        with _making:
            if not _default:
                _default.append(Client())
    return _default[0]
