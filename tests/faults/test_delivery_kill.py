"""F16: kill -9 between the report and the delivery, and between the channel's yes and the mark in the log."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_service import DEADLINE_S, service, until
from sinks_beside import beside

from jobsight.testing.sinks import HttpSink, http_sink

FAILED = {"type": "job_failed", "job_id": "j1", "task": "nightly", "error": "Connection timeout", "retries": 3}


def killed_at(folder: Path, hook: HttpSink, point: str) -> None:
    """A service that takes one failure, and kills itself at this point of its delivery."""
    with service(folder, "--notify", hook.url(), JOBSIGHT_FAILPOINT=point) as running:
        with suppress(httpx.HTTPError):  # it may be gone before it has answered
            running.post(FAILED)
        code = running.process.wait(DEADLINE_S)
    assert -signal.SIGKILL == code


def told_after_restart(folder: Path, hook: HttpSink, total: int) -> tuple[list[Any], list[str]]:
    """What the channel knows after a restart and one more problem: its requests of the first, and all kinds in order."""
    with service(folder, "--notify", hook.url()) as running:
        until(lambda: len(hook.received) >= total, "the delivery after the restart")
        running.post({**FAILED, "job_id": "j2", "task": "other"})
        until(lambda: len(hook.received) > total, "the delivery of another problem")
    events = [one.json() for one in hook.received]
    return [one["id"] for one in events if one["subject"] == "nightly"], [one["subject"] for one in events]


@pytest.mark.slow
def test_a_kill_between_the_report_and_the_delivery_loses_no_alert(tmp_path: Path) -> None:
    """The decision stands in the log: the next start delivers it, once."""
    with beside(http_sink) as (hook,):
        killed_at(tmp_path, hook, "before-send")
        before = len(hook.received)
        ids, subjects = told_after_restart(tmp_path, hook, 1)

    assert 0 == before
    assert (1, ["nightly", "other"]) == (len(ids), subjects)


@pytest.mark.slow
def test_a_kill_between_the_yes_and_the_mark_repeats_once_under_the_same_key(tmp_path: Path) -> None:
    """At least once, and known as the same by its id: never none, never a second problem."""
    with beside(http_sink) as (hook,):
        killed_at(tmp_path, hook, "after-send")
        ids, subjects = told_after_restart(tmp_path, hook, 2)
        headers = [one.headers.get("idempotency-key") for one in hook.received]

    assert ["nightly", "nightly", "other"] == subjects
    assert (2, 1) == (len(ids), len(set(ids)))
    assert headers[0] == headers[1] != headers[2]
