"""F1: kill -9 at random moments under load."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from faults.node import Node, events_of, run

from bench.workload import messages

KILLS = 20
SEED = 20261123


def recount(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The founding figures, counted anew from the messages of the log by the specification's words alone."""
    status: dict[str, str] = {}
    limit: dict[str, int] = {}
    duration: dict[str, int] = {}
    for event in events:
        body = event["message"]["body"]
        job_id, kind = body["job_id"], body["type"]
        limit[job_id] = body.get("max_retries", limit.get(job_id, 0))
        if kind == "job_failed":
            status[job_id] = "retrying" if body["retries"] < limit[job_id] else "failed"
        else:
            status[job_id] = "completed" if kind == "job_completed" else body["status"]
            if kind == "job_completed":
                duration[job_id] = body["duration_ms"]
    counts = Counter(status.values())
    known = [duration[job_id] for job_id, word in status.items() if word == "completed"]
    mean = sum(known) / len(known) if known else 0
    return {
        "total": len(status),
        "completed": counts["completed"],
        "failed": counts["failed"],
        "avg_duration_ms": int(mean) if mean == int(mean) else mean,
    }


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_answered_report_survives_kill_9(tmp_path: Path) -> None:
    """What was answered is found again after each of 20 kills, counted right, and each final failure has its alert."""
    dice = random.Random(SEED)
    lines = iter(messages(200_000, seed=SEED))
    answered: set[int] = set()
    for _ in range(KILLS):
        node = Node(tmp_path / "data")
        batch = [next(lines) for _ in range(dice.randrange(300, 3_000))]
        node.send("".join(batch).encode())
        node.wait_for(dice.randrange(1, len(batch)))
        node.kill()
        answered.update(json.loads(answer)["in_reply_to"] for answer in node.answers if b"job_stats" not in answer)

        events = events_of(tmp_path / "data")
        stored = {event["message"]["body"]["msg_id"] for event in events}
        assert set() == answered - stored

    last = Node(tmp_path / "data")
    last.send(b'{"type": "get_stats"}\n')
    last.wait_for(1)
    assert 0 == last.close()
    stats = json.loads(last.answers[0])
    assert {"type": "job_stats", **recount(events)} == stats
    assert 0 == run("log", "verify", "--data", str(tmp_path / "data")).returncode
    failed = run("jobs", "--status", "failed", "--json", "--limit", "500", "--data", str(tmp_path / "data"))
    assert stats["failed"] == json.loads(failed.stdout)["count"]
