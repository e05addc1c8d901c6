"""F1: kill -9 at random moments under load."""

from __future__ import annotations

import json
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults.length import IS_LONG
from faults.node import Node, events_of, run
from simulation.recount import Recount

from bench.workload import messages
from jobsight.logs.sqlite_reader import SqliteReader

KILLS = 200 if IS_LONG else 20
START_SECONDS_MAX = 2
"""Of a processor, until the first answer: what a clock on the wall shows depends on what else the machine does."""
SEED = 20261123
STATS = b'{"type": "get_stats"}\n'


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


def counted_on_alerts(data: Path) -> int:
    """Failures on alerts about failed jobs, by the view of a folder that nobody holds."""
    connection = sqlite3.connect(f"file:{data / 'view.db'}?mode=ro", uri=True)
    try:
        (count,) = connection.execute("SELECT ifnull(sum(count), 0) FROM alerts WHERE rule = 'job_failed'").fetchone()
    finally:
        connection.close()
    return int(count)


def started(data: Path) -> tuple[Node, float]:
    """A node that has answered, and how many seconds of a processor that took from its start."""
    node = Node(data)
    node.send(STATS)
    node.wait_for(1)
    figures = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return node, (int(figures[11]) + int(figures[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_every_answered_report_survives_kill_9(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """After each kill what was answered is there, soon; in the end figures and alerts are those of a recount of the log."""
    dice, data = random.Random(SEED), tmp_path / "data"
    lines = iter(messages(2_000 * KILLS, seed=SEED))
    answered: set[int] = set()
    counted, slowest_s = Recount(), 0.0
    for number in range(KILLS):
        node, start_s = started(data)
        slowest_s = max(slowest_s, start_s)
        batch = [next(lines) for _ in range(dice.randrange(300, 3_000))]
        node.send("".join(batch).encode())
        node.wait_for(dice.randrange(2, len(batch)))
        node.kill()
        answered.update(json.loads(answer)["in_reply_to"] for answer in node.answers if b"job_stats" not in answer)
        if IS_LONG and number % 20 == 0:
            print(f"kill {number}: {len(answered)} answered", flush=True)

        reader = SqliteReader(data / "log.db")
        for record in reader.read(counted.upto):
            counted.take(record)
        reader.close()
        assert [] == [report for report in answered if report not in counted.seen]

    last, _ = started(data)
    assert 0 == last.close()
    stats = json.loads(last.answers[0])
    record_property("kills", KILLS)
    record_property("answered", len(answered))
    record_property("slowest_start_processor_seconds", round(slowest_s, 2))
    assert {"type": "job_stats", **recount(events_of(data))} == stats
    assert {"type": "job_stats", **counted.stats()} == stats
    assert sum(counted.exhausted.values()) == counted_on_alerts(data)
    assert 0 == run("log", "verify", "--data", str(data)).returncode
    assert slowest_s < START_SECONDS_MAX
