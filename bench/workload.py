"""
A workload like that of a fleet of workers: jobs of 40 tasks, 2,000 of them active at any moment, each told of by about
seven reports: queued, running, progress four times, an end. 5 % are tried again, 8 % fail for good.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ACTIVE: Final = 2_000
REPORTS_PER_QUERY: Final = 1_000
FAILED_SHARE: Final = 0.08
RETRIED_SHARE: Final = 0.05

_ERRORS: Final = (
    "Connection timeout",
    "Killed: out of memory",
    'ValueError: bad row 17 in "orders.csv"',
    "No space left on device",
    "HTTP 503 from upstream",
)
_TASKS: Final = tuple(
    f"{kind}-{when}"
    for kind in ("etl", "report", "sync", "backup", "email", "train", "index", "billing")
    for when in ("daily", "hourly", "eu", "us", "nightly")
)


def _body(kind: str, job_id: str, **fields: object) -> str:
    """A message body with a place for its number."""
    told = json.dumps({"type": kind, "msg_id": 0, "job_id": job_id, **fields}, separators=(",", ":"))
    return told.replace('"msg_id":0', '"msg_id":%d', 1).replace("%", "%%").replace("%%d", "%d", 1)


def _life_of_a_job(dice: random.Random, has_task: bool) -> list[str]:
    """The reports of one job, in order."""
    job_id = f"job-{uuid.UUID(int=dice.getrandbits(128), version=4)}"
    told = {"task": dice.choice(_TASKS)} if has_task else {}
    bodies = [
        _body("update_status", job_id, status="queued", progress=0, **told),
        _body("update_status", job_id, status="running", progress=0),
    ]
    is_failing = dice.random() < FAILED_SHARE
    if not is_failing and dice.random() < RETRIED_SHARE:
        for retries in range(dice.randrange(1, 3)):
            error = dice.choice(_ERRORS)
            bodies.append(_body("job_failed", job_id, error=error, retries=retries, max_retries=3))
    bodies.extend(
        _body("update_status", job_id, status="running", progress=progress)
        for progress in sorted(dice.sample(range(1, 100), 4))
    )
    if is_failing:
        bodies.append(_body("job_failed", job_id, error=dice.choice(_ERRORS), retries=3))
    else:
        usage = {"cpu_percent": round(dice.random() * 100, 1), "memory_mb": dice.randrange(16, 4096)}
        duration_ms = int(dice.lognormvariate(8, 1.5))
        bodies.append(_body("job_completed", job_id, duration_ms=duration_ms, resource_usage=usage))
    return bodies


def messages(count: int, *, seed: int, has_task: bool = True, first_msg_id: int = 1) -> Iterator[str]:
    """
    A stream of messages, a line each, the same for the same seed.

    Args:
        count: How many; one in a thousand is a `get_stats`.
        seed: Of the dice; another seed tells of other jobs.
        has_task: Whether jobs tell their task with their first report.
        first_msg_id: Number of the first message.
    """
    dice = random.Random(seed)
    lives = [iter(_life_of_a_job(dice, has_task)) for _ in range(ACTIVE)]
    for msg_id in range(first_msg_id, first_msg_id + count):
        if msg_id % REPORTS_PER_QUERY == 0:
            yield f'{{"src":"w1","dest":"n1","body":{{"type":"get_stats","msg_id":{msg_id}}}}}\n'
            continue
        slot = dice.randrange(ACTIVE)
        body = next(lives[slot], None)
        while body is None:
            lives[slot] = iter(_life_of_a_job(dice, has_task))
            body = next(lives[slot], None)
        yield f'{{"src":"w{slot % 16}","dest":"n1","body":{body % msg_id}}}\n'


def write_file(path: Path, count: int, *, seed: int, has_task: bool = True) -> Path:
    """A workload as a file; an existing one is taken as it is."""
    if not path.exists():
        scratch = path.with_suffix(".part")
        with scratch.open("w") as file:
            file.writelines(messages(count, seed=seed, has_task=has_task))
        scratch.rename(path)
    return path
