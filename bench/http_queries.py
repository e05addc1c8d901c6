"""
How long queries take on a folder with many jobs: `python -m bench.http_queries DIR [--fill JOBS] [--times N]`.

`--fill` reports so many jobs first: of 200 tasks, ended within the last two days, with durations as real jobs have them.
Prints the first call and the percentiles, in ms.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import subprocess
import time
from pathlib import Path

from bench.http_service import service
from bench.processes import ROOT, node_command

BLOCK_JOBS = 2_000

QUERIES: tuple[str, ...] = (
    "stats",
    "stats?since=1h",
    "stats?detail=1",
    "jobs",
    "jobs?status=running",
    "jobs?status=failed",
    "jobs?status=completed",
    "jobs?status=cancelled&queue=rare-queue",
    "jobs?task=task-007",
    "jobs?task=task-199&status=failed",
    "jobs?task=task-199&queue=rare-queue",
    "jobs?queue=rare-queue",
    "jobs?queue=nowhere",
    "jobs?host=w7",
    "jobs?host=nowhere",
    "jobs?since=1m",
    "jobs?status=failed&since=1m",
    "jobs?status=failed&host=nowhere",
    "jobs?limit=500",
    "tasks",
    "series",
    "series?since=30d&histogram=1",
    "series?since=100m&task=task-000&histogram=1",
    "alerts",
    "alerts?state=firing",
)


def measure(port: int, path: str, times: int) -> dict[str, float | str]:
    """One query, again and again on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    trips_ms = []
    for _ in range(times):
        start = time.perf_counter()
        connection.request("GET", f"/api/v1/{path}")
        answer = connection.getresponse()
        body = answer.read()
        trips_ms.append((time.perf_counter() - start) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:200]!r}")
    connection.close()
    first, ordered = trips_ms[0], sorted(trips_ms)
    return {
        "query": path,
        "first_ms": round(first, 1),
        "p50_ms": round(ordered[len(ordered) // 2], 1),
        "p99_ms": round(ordered[len(ordered) * 99 // 100], 1),
    }


def fill(folder: Path, jobs: int) -> None:
    """Let a node take so many ended jobs."""
    dice, now_ms = random.Random(5), int(time.time() * 1000)
    node = subprocess.Popen(node_command(folder), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=ROOT)
    assert node.stdin is not None
    for start in range(0, jobs, BLOCK_JOBS):
        lines = []
        for number in range(start, min(jobs, start + BLOCK_JOBS)):
            task, at_ms = f"task-{number % 200:03}", now_ms - 172_800_000 * (jobs - number) // jobs
            head = f'"job_id":"j-{dice.getrandbits(64):016x}","task":"{task}","queue":"q{number % 3}","at":{at_ms}'
            told = f'"type":"job_completed",{head},"duration_ms":{int(dice.lognormvariate(8, 1.2))}'
            if number % 50 == 0:
                told = f'"type":"job_failed",{head},"error":"Connection timeout","retries":3,"max_retries":3'
            lines.append(f'{{"src":"w{number % 16}","dest":"n1","body":{{{told}}}}}\n')
        node.stdin.write("".join(lines).encode())
    node.stdin.close()
    if node.wait() != 0:
        raise RuntimeError(f"the node ended with exit code {node.returncode}")


def main() -> int:
    """Ask everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fill", type=int, default=0, metavar="JOBS")
    parser.add_argument("--times", type=int, default=100)
    chosen = parser.parse_args()
    if chosen.fill:
        fill(chosen.folder, chosen.fill)
    with service(chosen.folder) as (port, _):
        for path in QUERIES:
            print(json.dumps(measure(port, path, chosen.times)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
