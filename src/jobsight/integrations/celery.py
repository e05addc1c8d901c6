"""
Celery: every task instance is a job.

Reports come from the worker's signals, not from its events: those are transient, and off by default. A try that will be
repeated ends with `task_retry`; `task_failure` is final, whatever limit the task has.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, Final

from celery import signals, states

from jobsight.client import Client, default_client
from jobsight.client.job import describe
from jobsight.client.limits import HEARTBEAT_S
from jobsight.client.reports import clock_ms

if TYPE_CHECKING:
    from jobsight.client import Job

_NAME: Final = "jobsight"


def watch(app: Any = None, *, client: Client | None = None, heartbeat_s: float = HEARTBEAT_S) -> None:
    """
    Report every task that this process's worker executes. One line in the module that makes the app is enough.

    Args:
        app: The Celery app; signals are the same for all apps of a process, so it only makes the line read well.
        client: Instead of the one that the environment describes.
        heartbeat_s: Seconds between signs of life of a running task; 0 for none.
    """
    watcher = _Watcher(client, heartbeat_s)
    receivers = {
        signals.celeryd_init: watcher.on_worker,
        signals.task_prerun: watcher.on_start,
        signals.before_task_publish: watcher.on_publish,
        signals.task_success: watcher.on_success,
        signals.task_retry: watcher.on_retry,
        signals.task_failure: watcher.on_failure,
        signals.task_revoked: watcher.on_revoked,
        signals.task_postrun: watcher.on_end,
        signals.worker_process_shutdown: watcher.on_shutdown,
        signals.worker_shutdown: watcher.on_shutdown,
    }
    for one, receiver in receivers.items():
        one.connect(receiver, weak=False, dispatch_uid=f"{_NAME}.{receiver.__name__}")


class _Watcher:
    """What is known of the tasks that run in this process."""

    def __init__(self, client: Client | None, heartbeat_s: float) -> None:
        self._client: Final = client
        self._heartbeat_s: Final = heartbeat_s
        # A task is sent on before its try has ended, so two tries of one task may run side by side.
        self._jobs: Final[dict[tuple[str, int], Job]] = {}
        self._sent_on_ms: Final[dict[tuple[str, int], int]] = {}
        self._host: str | None = None

    def on_worker(self, sender: Any = None, **_: Any) -> None:
        self._host = str(sender)

    def on_start(self, task_id: str, task: Any, **_: Any) -> None:
        job = self._jobs[_key(task_id, task.request)] = self._job(task, task_id, task.request)
        job.start()

    def on_publish(self, headers: Any = None, **_: Any) -> None:
        """A try that sends its task on ends now, before the next one can begin, though Celery says so only later."""
        if isinstance(headers, dict) and headers.get("retries"):
            key = (headers.get("id", ""), headers["retries"] - 1)
            if key in self._jobs:
                self._sent_on_ms[key] = clock_ms()

    def on_success(self, sender: Any, **_: Any) -> None:
        self._take(sender, sender.request.id, sender.request).complete()

    def on_retry(self, sender: Any, request: Any, reason: Any, einfo: Any = None, **_: Any) -> None:
        job = self._take(sender, request.id, request)
        cause = getattr(reason, "exc", None)
        error = describe(cause) if isinstance(cause, BaseException) else str(cause or reason)
        # The limit may be another one for this call alone, or none at all: that it is repeated is what counts.
        limit = max(sender.max_retries or 0, (job.retries or 0) + 1)
        at_ms = self._sent_on_ms.pop(_key(request.id, request), None)
        job.fail(error, getattr(einfo, "traceback", None), max_retries=limit, at_ms=at_ms)

    def on_failure(self, sender: Any, task_id: str, exception: Any, einfo: Any = None, **_: Any) -> None:
        job = self._take(sender, task_id, sender.request)
        # Celery does not try again, though the task's limit (3, if nobody set it) may not be reached.
        job.fail(describe(exception), getattr(einfo, "traceback", None), max_retries=job.retries or 0)

    def on_revoked(
        self, sender: Any, request: Any, terminated: Any = None, signum: Any = None, expired: Any = None, **_: Any
    ) -> None:
        reason = "expired before it ran" if expired else "revoked"
        if terminated:
            reason = f"terminated by {_signal_name(signum)}"
        self._take(sender, request.id, request).cancel(reason)

    def on_end(self, task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
        """After everything else: what has told no end by now has ended in another way."""
        key = _key(task_id, task.request)
        self._sent_on_ms.pop(key, None)
        job = self._jobs.pop(key, None)
        if job is None:
            return
        if state == states.IGNORED:
            job.complete()
        elif state == states.REJECTED:
            job.cancel("rejected")
        else:
            # The process ends, and the worker's main process, which sees to it, will tell.
            job.abandon()

    def on_shutdown(self, **_: Any) -> None:
        (self._client or default_client()).close()

    def _take(self, task: Any, task_id: str, request: Any) -> Job:
        """The job of a task that has ended; a new one where it did not run in this process."""
        return self._jobs.pop(_key(task_id, request), None) or self._job(task, task_id, request)

    def _job(self, task: Any, task_id: str, request: Any) -> Job:
        known = getattr(request, "id", None) == task_id
        return (self._client or default_client()).job(
            task.name,
            job_id=task_id,
            queue=_queue_of(request) if known else None,
            host=(getattr(request, "hostname", None) if known else None) or self._host,
            retries=getattr(request, "retries", None) if known else None,
            max_retries=task.max_retries,
            heartbeat_s=self._heartbeat_s,
        )


def _key(task_id: str, request: Any) -> tuple[str, int]:
    return task_id, getattr(request, "retries", None) or 0


def _queue_of(request: Any) -> str | None:
    route = getattr(request, "delivery_info", None) or {}
    return route.get("routing_key") or None


def _signal_name(number: Any) -> str:
    try:
        return signal.Signals(int(number)).name
    except ValueError:
        return str(number)
