"""Which job a ping tells of, and what it reports of it: pings and all other reports live in one world of jobs and tasks."""

from __future__ import annotations

import secrets
from hashlib import blake2b
from typing import Any, Final

from jobsight.core.job import TERMINAL
from jobsight.core.limits import JOB_ID_BYTES_MAX
from jobsight.core.state import State
from jobsight.engine.ping_urls import UUID
from jobsight.transports.http.ping_paths import Ping

BODY_BYTES_MAX: Final = 10_000
"""What is kept of a ping's body."""

RUN_MS_MAX: Final = 72 * 3_600_000
"""A start longer ago has nothing to do with an end."""

ERROR_CHARACTERS_MAX: Final = 200
LAST_JOBS_MAX: Final = 10_000
"""Tasks whose latest ping is remembered, for pings that only want to be recorded."""

_MINTED: Final = "ping-"


class PingRuns:
    """
    Turns pings into reports.

    Args:
        state: Knows which jobs are active, and since when.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._last: dict[str, str] = {}
        self._open: dict[str, str] = {
            job.task: job.job_id
            for job in state.jobs.values()
            if job.task is not None and job.job_id.startswith(_MINTED)
        }

    def report(self, ping: Ping, task: str, body: bytes, now_ms: int) -> dict[str, Any]:
        """
        The report that a ping becomes.

        Args:
            ping: What its address says.
            task: Whose job it is about.
            body: What it brought, at most `BODY_BYTES_MAX` bytes of it.
            now_ms: ms since the epoch, UTC.
        """
        job_id = self._job_id(ping, task, now_ms)
        told: dict[str, Any] = {"job_id": job_id, "task": task}
        message = body.decode("utf-8", "replace")
        if message:
            told["message"] = message
        match ping.action:
            case "start":
                report = {"type": "update_status", "status": "running", **told}
            case "log":
                report = self._log(told)
            case "fail":
                report = {"type": "job_failed", **told, "error": _error(ping, message), "retries": 0, "max_retries": 0}
            case _:
                report = {"type": "job_completed", **told}
                duration_ms = self._duration_ms(job_id, now_ms)
                if duration_ms is not None:
                    report["duration_ms"] = duration_ms
        self._remember(ping, task, job_id)
        return report

    def _job_id(self, ping: Ping, task: str, now_ms: int) -> str:
        if ping.rid is not None:
            return _job_of_rid(ping.rid, task)
        opened = self._open.get(task)
        if ping.action == "start" or opened is None or not self._is_active(opened):
            if ping.action == "log" and task in self._last:
                return self._last[task]
            return f"{_MINTED}{now_ms:011x}-{secrets.token_hex(4)}"
        return opened

    def _is_active(self, job_id: str) -> bool:
        job = self._state.jobs.get(job_id)
        return job is not None and job.status not in TERMINAL

    def _duration_ms(self, job_id: str, now_ms: int) -> int | None:
        job = self._state.jobs.get(job_id)
        if job is None or job.status in TERMINAL or job.started_ms is None:
            return None
        duration_ms = max(0, now_ms - job.started_ms)
        return duration_ms if duration_ms <= RUN_MS_MAX else None

    def _log(self, told: dict[str, Any]) -> dict[str, Any]:
        """A word about a job changes nothing; where there is none, it ends at once the one that it makes."""
        if told["job_id"] in self._state.jobs or told["job_id"] in self._last.values():
            return {"type": "heartbeat", **told}
        return {"type": "job_cancelled", **told, "reason": told.get("message") or "recorded only"}

    def _remember(self, ping: Ping, task: str, job_id: str) -> None:
        if ping.rid is None and ping.action == "start":
            self._open[task] = job_id
        elif self._open.get(task) == job_id and ping.action != "log":
            del self._open[task]
        self._last.pop(task, None)
        if len(self._last) >= LAST_JOBS_MAX:
            del self._last[next(iter(self._last))]
        self._last[task] = job_id


def _job_of_rid(rid: str, task: str) -> str:
    """A UUID is a job id as it is; a shorter token means something only within its task."""
    if UUID.fullmatch(rid.lower()) is not None:
        return rid.lower()
    job_id = f"{task}/{rid}"
    if len(job_id.encode()) <= JOB_ID_BYTES_MAX:
        return job_id
    return f"{blake2b(task.encode(), digest_size=16).hexdigest()}/{rid}"


def _error(ping: Ping, message: str) -> str:
    first = next((line.strip() for line in message.splitlines() if line.strip()), "")[:ERROR_CHARACTERS_MAX]
    if ping.exit_status is None:
        return first or "a ping reported a failure"
    return f"exit status {ping.exit_status}" + (f": {first}" if first else "")
