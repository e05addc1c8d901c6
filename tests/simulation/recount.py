"""What the log says, counted anew by the specification's words alone, on top of the small second model of it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from model import Model, ModelJob

from jobsight.core.limits import AHEAD_MS_MAX, SILENCE_MS
from jobsight.logs.base import BatchKind, Record

Body = dict[str, Any]


class Recount(Model):
    """
    The model, fed with the records of a log.

    Attributes:
        seen: Lines of reports by the place in which they stand, `msg_id` first.
        exhausted: Failures without retries left, by (task) or (queue): each must be counted once on one alert.
        perhaps: Failures that were told by a status word: each may be counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.upto = 0
        self.seen: dict[int, int] = {}
        self.exhausted: Counter[tuple[str, str]] = Counter()
        self.perhaps = 0
        self.retired: list[ModelJob] = []
        self.cutoff_ms = 0
        self._ended: dict[str, int] = {}
        self._heard: dict[str, int] = {}
        self._said: dict[str, str] = {}
        self._cutoffs = (0, 0)

    def take(self, record: Record) -> None:
        """The next record of the log."""
        assert record.seq == self.upto + 1, f"the log goes on with {record.seq} after {self.upto}"
        self.upto = record.seq
        self.now_ms = record.accept_ms
        for line in record.payload.splitlines():
            message = json.loads(line)
            if record.kind is BatchKind.REPORTS:
                self._take_report(message)
            elif message["type"] == "retention_passed":
                self._retire(message["completed_before_ms"], message["other_before_ms"])
            elif message["type"] == "deadline_passed":
                self.perhaps += message["rule"] == "unconfirmed"
                if self._is_lost(message):
                    self.lose(message["subject"])
            elif message["type"] == "settings_changed":
                self.retries_max = message["max_retries"]

    def stats(self) -> Body:
        """The four figures: those that are no longer kept count as well."""
        self.jobs, kept = {**self.jobs, **{f"\0{number}": job for number, job in enumerate(self.retired)}}, self.jobs
        try:
            return super().stats()
        finally:
            self.jobs = kept

    def _take_report(self, message: Body) -> None:
        body = dict(message.get("body", message))
        src = message.get("src")
        if "msg_id" in body:
            self.seen[body["msg_id"]] = self.seen.get(body["msg_id"], 0) + 1
        job_id, said = body["job_id"], json.dumps([src, body], sort_keys=True)
        self._heard[job_id] = self.now_ms
        if job_id in self.jobs and self._said.get(job_id) == said:
            return  # a repeat is told by what was sent, whatever the clock says by now
        self._said[job_id] = said
        if isinstance(body.get("at"), int) and body["at"] > self.now_ms + AHEAD_MS_MAX:
            body["at"] = self.now_ms
        before = self.jobs.get(job_id)
        status = before.status if before else None
        is_late = before is not None and self._is_late(before, body)
        self.receive(body, src)
        job = self.jobs[job_id]
        if body["type"] == "job_failed" and not self._has_retries_left(job, body):
            self.exhausted[("task", job.task) if job.task else ("queue", job.queue or "")] += 1
        if job.status in ("completed", "failed", "cancelled"):
            if job.status != status or (body["type"].startswith("job_") and not is_late):
                self._ended[job_id] = max(self.now_ms, self.cutoff_ms)
        elif job.status != "lost":
            self._ended.pop(job_id, None)

    def lose(self, job_id: str) -> None:
        """A silent job is lost: it may be let go of later."""
        was = self.jobs[job_id].status
        super().lose(job_id)
        if self.jobs[job_id].status == "lost" and was != "lost":
            self._ended[job_id] = max(self.now_ms, self.cutoff_ms)

    def _is_lost(self, message: Body) -> bool:
        """Whether a deadline means that a job is lost: nothing was heard of it since the deadline was counted."""
        heard_ms = self._heard.get(message["subject"])
        if message["subject"] not in self.jobs or heard_ms is None:
            return False
        if message["rule"] == "silence":
            return bool(message["deadline_ms"] >= heard_ms + SILENCE_MS)
        return message["rule"] == "lost" and message["basis_ms"] == heard_ms

    def _retire(self, completed_ms: int, other_ms: int) -> None:
        completed_ms, other_ms = max(self._cutoffs[0], completed_ms), max(self._cutoffs[1], other_ms)
        self._cutoffs = (completed_ms, other_ms)
        self.cutoff_ms = max(completed_ms, other_ms)
        for job_id, ended_ms in list(self._ended.items()):
            job = self.jobs[job_id]
            if ended_ms < (completed_ms if job.status == "completed" else other_ms):
                self.retired.append(self.jobs.pop(job_id))
                del self._ended[job_id]
