"""
A small second model of the specification, written from its text and not from the code.

It keeps whole histories as plain objects, computes with exact fractions, and is as slow as it likes. It knows the six
event kinds, the retry rule, repeats, late and reopened jobs, and the figures of a plain `get_stats`. Lines, addresses and
errors are in `fuzz/oracle.py`, which stands on it; checks are in neither.
"""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

Body = dict[str, Any]

ENDS = ("completed", "failed", "cancelled")


class ModelJob:
    """One job: where it stands, and what the rules need to know about its past."""

    def __init__(self) -> None:
        self.status: str | None = None
        self.duration: Fraction | None = None
        self.max_retries: int | None = None
        self.attempt: int | None = None
        self.task: str | None = None
        self.queue: str | None = None
        self.host: str | None = None
        self.end_host: str | None = None
        self.progress: Any = None
        self.ended_ms: int | None = None
        self.last_said: str | None = None


class Model:
    """A node as the specification describes it; `now_ms` is set from outside."""

    def __init__(self, retries_max: int | None = None) -> None:
        self.now_ms = 0
        self.jobs: dict[str, ModelJob] = {}
        self.alerts: dict[tuple[str, ...], dict[str, Any]] = {}
        self.retries_max = retries_max

    def receive(self, body: Body, src: str | None = None) -> Body:
        """Process a message; the body of its reply."""
        if body["type"] == "get_stats":
            return self._reply("job_stats", body) | self.stats()
        job = self.jobs.setdefault(body["job_id"], ModelJob())
        if body.get("max_retries") is not None and not self._is_late(job, body):
            job.max_retries = body["max_retries"]
        reply = getattr(self, f"_reply_to_{body['type']}")(job, body)
        said = None if body.get("msg_id") is None else json.dumps([src, body], sort_keys=True)
        if said is not None and said == job.last_said:
            return reply
        job.last_said = said
        if not self._is_late(job, body):
            for name in ("attempt", "task", "queue", "host"):
                if body.get(name) is not None:
                    setattr(job, name, body[name])
            getattr(self, f"_on_{body['type']}")(job, body)
        return reply

    def stats(self) -> Body:
        """The four figures."""
        standing = list(self.jobs.values())
        completed = [job for job in standing if job.status == "completed"]
        known = [job.duration for job in completed if job.duration is not None]
        mean = sum(known) / Fraction(len(known)) if known else Fraction(0)
        return {
            "total": len(standing),
            "completed": len(completed),
            "failed": sum(job.status == "failed" for job in standing),
            "avg_duration_ms": int(mean) if mean.denominator == 1 else float(mean),
        }

    def lose(self, job_id: str) -> None:
        """The deadline of a silent job passes."""
        job = self.jobs[job_id]
        if job.status not in (*ENDS, "lost"):
            self._stand(job, "lost", None)

    # ------------------------------------------------------------------------------------------------- what is replied

    def _reply(self, kind: str, body: Body) -> Body:
        return {"type": kind} | ({"in_reply_to": body["msg_id"]} if body.get("msg_id") is not None else {})

    def _echo(self, kind: str, body: Body, *names: str) -> Body:
        return self._reply(kind, body) | {name: body[name] for name in ("job_id", *names) if name in body}

    def _reply_to_update_status(self, job: ModelJob, body: Body) -> Body:
        return self._echo("status_updated", body, "status", "progress")

    def _reply_to_job_completed(self, job: ModelJob, body: Body) -> Body:
        return self._echo("job_completed", body, "duration_ms", "resource_usage")

    def _reply_to_job_cancelled(self, job: ModelJob, body: Body) -> Body:
        return self._echo("job_cancelled", body, "reason")

    def _reply_to_heartbeat(self, job: ModelJob, body: Body) -> Body:
        return self._echo("heartbeat_ok", body)

    def _reply_to_job_failed(self, job: ModelJob, body: Body) -> Body:
        limit = self._limit(job, body)
        if self._has_retries_left(job, body):
            return self._echo("failure_recorded", body, "error", "retries") | {"max_retries": limit}
        return self._echo("alert_sent", body) | {"alert": f"Job failed after {_retries(body)} retries: {_error(body)}"}

    def _limit(self, job: ModelJob, body: Body) -> int | None:
        for limit in (body.get("max_retries"), job.max_retries, self.retries_max):
            if limit is not None:
                return int(limit)
        return None

    def _has_retries_left(self, job: ModelJob, body: Body) -> bool:
        limit = self._limit(job, body)
        return limit is not None and _retries(body) < limit

    # ----------------------------------------------------------------------------------------------------- what is kept

    def _is_late(self, job: ModelJob, body: Body) -> bool:
        """Its own time lies before the end that the job has told from the same host; a higher attempt is never late."""
        if body.get("at") is None or job.status not in ENDS or job.ended_ms is None:
            return False
        if job.attempt is not None and body.get("attempt") is not None and body["attempt"] > job.attempt:
            return False
        hosts = {host for host in (body.get("host") or job.host, job.end_host) if host is not None}
        return len(hosts) < 2 and bool(body["at"] < job.ended_ms)

    def _stand(self, job: ModelJob, status: str, body: Body | None) -> None:
        if job.status == "completed" and status != "completed":
            job.duration = None
        job.status = status
        job.ended_ms = job.end_host = None
        if status in ENDS and body is not None:
            job.ended_ms = self.now_ms if body.get("at") is None else body["at"]
            job.end_host = job.host

    def _on_update_status(self, job: ModelJob, body: Body) -> None:
        if body.get("progress") is not None:
            job.progress = body["progress"]
        if body["status"] != job.status:
            self._stand(job, body["status"], body)
            if job.status == "completed":
                self._close_alerts(body["job_id"], job)

    def _on_job_completed(self, job: ModelJob, body: Body) -> None:
        self._stand(job, "completed", body)
        if body.get("duration_ms") is not None:
            exact = Fraction(Decimal(repr(body["duration_ms"])))
            job.duration = Fraction(round(exact * 1000), 1000)  # durations count to the microsecond
        self._close_alerts(body["job_id"], job)

    def _on_job_failed(self, job: ModelJob, body: Body) -> None:
        if self._has_retries_left(job, body):
            self._stand(job, "retrying", body)
            return
        self._stand(job, "failed", body)
        key = ("task", job.task) if job.task is not None else ("queue", job.queue or "", _error(body))
        for other in [other for other in self.alerts if other != key]:
            self._leave(other, body["job_id"])
        alert = self.alerts.setdefault(key, {"count": 0, "jobs": set()})
        alert["count"] += 1
        alert["jobs"].add(body["job_id"])

    def _on_job_cancelled(self, job: ModelJob, body: Body) -> None:
        self._stand(job, "cancelled", body)

    def _on_heartbeat(self, job: ModelJob, body: Body) -> None:
        if job.status in (None, "lost"):
            self._stand(job, "running", body)

    def _close_alerts(self, job_id: str, job: ModelJob) -> None:
        """A success closes its task's alert; an alert without a task is closed with the success of its last job."""
        if job.task is not None:
            self.alerts.pop(("task", job.task), None)
        for key in list(self.alerts):
            self._leave(key, job_id)

    def _leave(self, key: tuple[str, ...], job_id: str) -> None:
        alert = self.alerts[key]
        if job_id in alert["jobs"]:
            alert["jobs"].remove(job_id)
            if not alert["jobs"] and key[0] == "queue":
                del self.alerts[key]


def _retries(body: Body) -> int:
    return int(body.get("retries") or 0)


def _error(body: Body) -> str:
    return "unknown error" if body.get("error") is None else str(body["error"])
