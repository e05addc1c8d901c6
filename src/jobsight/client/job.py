"""One job that is being watched, as the code that does its work sees it."""

from __future__ import annotations

import os
import threading
import time

from jobsight.client import limits, reports
from jobsight.client.measures import Stopwatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    from jobsight.client.client import Client


class Job:
    """
    Reports of one job. No method waits for anything, and none raises.

    Args:
        client: The way to the monitor.
        task: What the job executes; None for none.
        job_id: Its id; minted from the task and the time by default.
        queue, labels, host: As the monitor's reports have them; this machine's name by default.
        retries: Tries before this one.
        max_retries: How many tries may follow the first; None where that is not known.
        heartbeat_s: Seconds between signs of life while there is nothing else to report; 0 for none.
    """

    def __init__(
        self,
        client: Client,
        task: str | None,
        *,
        job_id: str | None = None,
        queue: str | None = None,
        labels: Mapping[str, object] | None = None,
        host: str | None = None,
        retries: int | None = None,
        max_retries: int | None = None,
        heartbeat_s: float = limits.HEARTBEAT_S,
    ) -> None:
        self.task: Final = reports.clean_name(task)
        self.job_id: Final = reports.clean_job_id(job_id) if job_id else reports.mint_job_id(self.task or "job")
        self.retries: int | None = None
        self._client: Final = client
        self._names: Final[dict[str, Any]] = {"task": self.task}
        self._facts: Final[dict[str, Any]] = {}
        self._heartbeat_s = limits.HEARTBEAT_S
        # What cannot be made sense of is logged and left out; each for itself, so that the rest is told all the same.
        with client.shield:
            self._names.update(queue=reports.clean_name(queue), host=reports.clean_name(host))
        with client.shield:
            self.retries = reports.clean_count(retries)
            self._facts["attempt"] = None if self.retries is None else self.retries + 1
        with client.shield:
            self._facts["max_retries"] = reports.clean_count(max_retries)
        with client.shield:
            self._facts["labels"] = reports.clean_labels(labels)
        with client.shield:
            self._heartbeat_s = reports.clean_interval(heartbeat_s)
        self._pid: Final = os.getpid()
        self._lock: Final = threading.RLock()
        self._stopwatch = Stopwatch()
        self._measures: dict[str, float] = {}
        self._update: dict[str, Any] = {}
        self._sent_at = float("-inf")
        self._at_ms = 0
        self._is_over = False

    def start(self) -> None:
        """Report that the job runs, and let heartbeats begin."""
        with self._client.shield, self._lock:
            self._stopwatch = Stopwatch()
            self._send("update_status", {"status": "running", **self._facts})
            self._client.sender.watch(self, self._sent_at + self._heartbeat_s)

    def progress(self, percent: float, message: str | None = None) -> None:
        """Tell how far the job is, 0 to 100. Sent at most once a second; the last one always."""
        with self._client.shield:
            update: dict[str, Any] = {"progress": reports.clean_percent(percent)}
            if message is not None:
                update["message"] = reports.clean_message(message)
            self._tell(update)

    def message(self, text: str) -> None:
        """Tell in words what the job is doing. Sent at most once a second; the last one always."""
        with self._client.shield:
            self._tell({"message": reports.clean_message(text)})

    def measure(self, **measures: float) -> None:
        """Add figures (`rows=12`) to the resource usage that is reported with the job's completion; the last ones count."""
        with self._client.shield, self._lock:
            self._measures.update(measures)

    def complete(self) -> None:
        """Report that the job ended well. Only the first end of a job is reported, and only by the process that began it."""
        with self._client.shield, self._lock:
            usage = reports.clean_usage({**self._stopwatch.usage(), **self._measures})
            self._end("job_completed", {"duration_ms": self._stopwatch.duration_ms(), "resource_usage": usage})

    def fail(
        self, error: str, message: str | None = None, *, max_retries: int | None = None, at_ms: int | None = None
    ) -> None:
        """
        Report that this try of the job failed. Whether more tries follow is known from `retries` and `max_retries`.

        Args:
            error: In one line; failures are grouped by it.
            message: What helps to understand it: the end of a traceback.
            max_retries: Instead of the job's own.
            at_ms: When it failed, milliseconds since the epoch; now by default.
        """
        with self._client.shield, self._lock:
            fields: dict[str, Any] = {"error": reports.clean_message(error), "retries": self.retries}
            if message:
                fields["message"] = reports.tail_of(message)
            if max_retries is not None:
                fields["max_retries"] = reports.clean_count(max_retries)
            if at_ms is not None:
                fields["at"] = at_ms
            self._end("job_failed", fields)

    def end_with(self, error: str | None, duration_ms: float, usage: Mapping[str, float], message: str | None) -> None:
        """Report an end that was measured elsewhere: failed where there is an `error`, else completed."""
        with self._client.shield, self._lock:
            fields: dict[str, Any] = {"duration_ms": duration_ms, "resource_usage": reports.clean_usage(usage)}
            if message:
                fields["message"] = reports.tail_of(message)
            if error is None:
                self._end("job_completed", fields)
            else:
                self._end("job_failed", {"error": error, "retries": self.retries, **fields})

    def cancel(self, reason: str) -> None:
        """Report that the job was stopped on purpose."""
        with self._client.shield, self._lock:
            self._end("job_cancelled", {"reason": reports.clean_message(reason)})

    def abandon(self) -> None:
        """Say nothing more about this job: somebody else tells its end."""
        with self._client.shield, self._lock:
            self._is_over = True
            self._client.sender.unwatch(self)

    def close_with(self, error: BaseException | None) -> None:
        """Report the end that an exception, or its absence, means."""
        with self._client.shield:
            if error is None or (isinstance(error, SystemExit) and error.code in {None, 0}):
                self.complete()
            elif isinstance(error, KeyboardInterrupt | GeneratorExit) or type(error).__name__ == "CancelledError":
                self.cancel(type(error).__name__)
            else:
                self.fail(describe(error), traceback_tail(error))

    def tick(self, now: float) -> float | None:
        """For the client's thread: send what is due at `now` (monotonic seconds), and say when something is due next."""
        with self._lock:
            if self._is_over:
                return None
            if self._update:
                if now < self._sent_at + limits.PROGRESS_S:
                    return self._sent_at + limits.PROGRESS_S
                self._send_update()
            elif now >= self._sent_at + self._heartbeat_s:
                self._send("heartbeat", {}, is_minor=True)
            return self._sent_at + self._heartbeat_s

    def _tell(self, update: dict[str, Any]) -> None:
        with self._lock:
            if self._is_over:
                return
            self._update.update(update, at=reports.clock_ms())
            due = self._sent_at + limits.PROGRESS_S
            if time.monotonic() >= due:
                self._send_update()
            else:
                self._client.sender.watch(self, due)

    def _send_update(self, *, is_minor: bool = True) -> None:
        update, self._update = self._update, {}
        self._send("update_status", {"status": "running", **update}, is_minor=is_minor)

    def _end(self, kind: str, fields: dict[str, Any]) -> None:
        if self._is_over or os.getpid() != self._pid:
            return
        if self._update:
            self._send_update(is_minor=False)
        self._is_over = True
        self._client.sender.unwatch(self)
        self._send(kind, {**self._facts, **fields})

    def _send(self, kind: str, fields: Mapping[str, Any], *, is_minor: bool = False) -> None:
        # No two reports of a job happened at the same moment: one that comes twice, or late, is known to be before the end.
        self._at_ms = max(self._at_ms + 1, fields.get("at") or reports.clock_ms())
        self._sent_at = time.monotonic()
        self._client.report(kind, self.job_id, is_minor=is_minor, **{**self._names, **fields, "at": self._at_ms})


def describe(error: BaseException) -> str:
    """An exception in one line: its type and its text."""
    try:
        text = str(error)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as fault:
        text = f"(its text cannot be made: {type(fault).__name__})"
    name = type(error).__qualname__
    return f"{name}: {text}" if text else name


def traceback_tail(error: BaseException) -> str:
    """The end of an exception's traceback, with the frames nearest to it."""
    import traceback

    frames = limits.TRACEBACK_FRAMES_MAX
    return reports.tail_of("".join(traceback.format_exception(error, limit=-frames)))
