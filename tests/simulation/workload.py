"""What workers and operators do, as the dice fall."""

from __future__ import annotations

from random import Random
from typing import Any

from jobsight.core.check import Expectation, Origin, Severity
from jobsight.core.events import (
    AlertResolved,
    CheckRemoved,
    CheckSet,
    InternalEvent,
    MaintenanceSet,
    SettingsChanged,
    SilenceEnded,
    SilenceSet,
)
from jobsight.core.routing import Matcher
from jobsight.core.state import State

WORKERS = ("w1", "w2", "w3")
TASKS = ("backup", "export", "mail", None, None)
QUEUES = (None, None, "default")
ERRORS = ("disk full", "timeout after 30 s", "exit code 7", None)
SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000


class Workload:
    """
    A few workers with a few jobs, and an operator.

    Args:
        dice: Decide everything.
    """

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self._count = 0
        self._jobs: list[str] = []
        self._silences: list[str] = []
        self.has_checks = dice.random() < 0.7

    def report(self, now_ms: int) -> dict[str, Any]:
        """A report about a new job, or about one of the last ones."""
        dice = self._dice
        body: dict[str, Any] = {"type": "", "job_id": self._job()}
        task = dice.choice(TASKS)
        if task is not None and dice.random() < 0.8:
            body["task"] = task
        if dice.random() < 0.3:
            body["queue"] = dice.choice(QUEUES)
        if dice.random() < 0.15:
            body["at"] = now_ms - dice.choice((0, 500, 2 * MINUTE_MS, 3 * HOUR_MS))
        if dice.random() < 0.1:
            body["attempt"] = dice.randrange(3)
        if dice.random() < 0.15:
            body["max_retries"] = dice.randrange(3)
        if dice.random() < 0.1:
            body["message"] = "what it said" * dice.choice((1, 1, 200))
        kind = dice.choices(
            ("update_status", "job_completed", "job_failed", "heartbeat", "job_cancelled"), (4, 3, 4, 1, 1)
        )[0]
        body["type"] = kind
        if kind == "update_status":
            body["status"] = dice.choice(
                ("queued", "running", "running", "completed", "failed", "cancelled", "warming up")
            )
            if dice.random() < 0.5:
                body["progress"] = dice.randrange(101)
        elif kind == "job_completed":
            body["duration_ms"] = dice.choice((0, 40, 1_500, 90_000, 0.125))
        elif kind == "job_failed":
            body["error"], body["retries"] = dice.choice(ERRORS), dice.randrange(3)
        return {name: value for name, value in body.items() if value is not None}

    def query(self, state: State) -> dict[str, Any]:
        """Something that is asked, or an acknowledgement."""
        dice = self._dice
        kind = dice.choice(("get_stats", "get_stats", "get_job", "list_jobs", "get_alerts", "acknowledge_alert"))
        if kind == "get_job":
            return {"type": kind, "job_id": self._job(), "history": dice.random() < 0.5}
        if kind == "get_stats":
            return {"type": kind, **({"detail": True} if dice.random() < 0.5 else {})}
        if kind == "acknowledge_alert":
            alert_ids = list(state.open_by_id) or ["nobody-knows"]
            return {"type": kind, "alert_id": dice.choice(alert_ids), "by": "ana"}
        return {"type": kind}

    def told(self, state: State, now_ms: int) -> InternalEvent | None:
        """What an operator or the configuration says."""
        dice = self._dice
        task = dice.choice(("backup", "export", "mail"))
        kind = dice.randrange(7)
        if kind <= 2 and self.has_checks:
            if kind == 2 and task in state.checks:
                return CheckRemoved(task=task, author="ana")
            return CheckSet(task=task, expected=self._expectation(), origin=Origin.API, author="ana")
        if kind == 3:
            return self._silence(task, now_ms)
        if kind == 4 and state.open_by_id:
            return AlertResolved(alert_id=dice.choice(list(state.open_by_id)), by="ana")
        if kind == 5:
            return SettingsChanged(max_retries=dice.choice((None, 1)), author="config")
        if kind == 6 and dice.random() < 0.3:
            return MaintenanceSet(
                maintenance_id="window",
                matchers=[Matcher(name="task", pattern=task)],
                schedule="@hourly",
                duration_ms=dice.choice((None, 5 * MINUTE_MS)),
                author="ana",
            )
        return None

    def _job(self) -> str:
        dice = self._dice
        if not self._jobs or dice.random() < 0.4:
            self._count += 1
            self._jobs.append(f"job-{self._count}")
        # Old ids come back now and then: workers that were away for long, and ids that are used again.
        return dice.choice(self._jobs[-8:] if dice.random() < 0.9 else self._jobs)

    def _silence(self, task: str, now_ms: int) -> InternalEvent:
        dice = self._dice
        if self._silences and dice.random() < 0.4:
            return SilenceEnded(silence_id=self._silences.pop(), author="ana")
        self._count += 1
        self._silences.append(f"silence-{self._count}")
        return SilenceSet(
            silence_id=self._silences[-1],
            matchers=[Matcher(name="task", pattern=task)],
            starts_ms=now_ms,
            ends_ms=now_ms + dice.choice((MINUTE_MS, HOUR_MS)),
            author="ana",
        )

    def _expectation(self) -> Expectation:
        dice = self._dice

        def maybe(value: Any) -> Any:
            return value if dice.random() < 0.4 else None

        return Expectation(
            schedule=maybe(dice.choice(("*/10 * * * *", "every 15m", "@hourly"))),
            heartbeat_ms=maybe(2 * MINUTE_MS),
            max_runtime_ms=maybe(20 * MINUTE_MS),
            stall_after_ms=maybe(10 * MINUTE_MS),
            failure_threshold=dice.choice((1, 1, 2)),
            recovery_threshold=dice.choice((1, 1, 2)),
            severity=dice.choice((Severity.CRITICAL, Severity.WARNING)),
            depends_on=dice.choice(((), (), ("backup",))),
        )
