"""
How long queries take on a folder with many jobs: `python -m bench.http_queries DIR [--fill JOBS] [--times N] [--starts N]`.

`--fill` reports so many jobs first: of 200 tasks, ended within the last two days, with durations as real jobs have them; some
50 us of processor time each. Then every query is asked again and again of one service, and once as the very first one of a
service that has just started, for each of `--starts` starts. Prints both, and the worst of all, in ms.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

from bench.http_service import service
from bench.processes import ROOT, node_command

BLOCK_JOBS = 2_000

QUERIES: tuple[str, ...] = (
    "stats",
    "stats?since=1h",
    "stats?detail=1",
    "stats?since=2d&detail=1",
    "stats?task=task-007&since=1d&detail=1",
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
    "tasks?limit=500",
    "series",
    "series?since=2d",
    "series?since=2d&histogram=1",
    "series?since=30d&histogram=1",
    "series?since=100m&task=task-000&histogram=1",
    "alerts",
    "alerts?state=firing",
    "deliveries",
    "audit",
    "checks",
    "tasks/task-007/why-not",
)

CATCHING_UP_S = 1.0
"""A start reads for a moment longer how tasks have ended, beside what is asked; half of the starts are asked after that."""


class Asked(NamedTuple):
    """One answer: wall time and the processor time of the whole service meanwhile, both in ms."""

    wall_ms: float
    cpu_ms: float


def cpu_ms(pid: int) -> float:
    """Processor time that the threads of a process have taken so far, in ms; finer than its own account."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e6


def ask(connection: http.client.HTTPConnection, pid: int, path: str) -> Asked:
    """Ask once."""
    cpu, start = cpu_ms(pid), time.perf_counter()
    connection.request("GET", f"/api/v1/{path}")
    answer = connection.getresponse()
    body = answer.read()
    wall = (time.perf_counter() - start) * 1000
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {body[:200]!r}")
    return Asked(wall, cpu_ms(pid) - cpu)


def measure_first(folder: Path, path: str, starts: int) -> dict[str, float | str]:
    """The very first query of a service, by turns as soon as it listens and once it has caught up."""
    asked = []
    for turn in range(starts):
        with service(folder) as (port, pid):
            if turn % 2 == 0:
                time.sleep(CATCHING_UP_S)
            connection = http.client.HTTPConnection("127.0.0.1", port)
            asked.append(ask(connection, pid, path))
            connection.close()
    return {
        "query": path,
        "after_start_ms": round(max(one.wall_ms for one in asked), 1),
        "after_start_cpu_ms": round(max(one.cpu_ms for one in asked), 1),
    }


def measure(port: int, pid: int, path: str, times: int) -> dict[str, float | str]:
    """One query, again and again on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    asked = [ask(connection, pid, path) for _ in range(times)]
    connection.close()
    ordered = sorted(one.wall_ms for one in asked)
    return {
        "query": path,
        "first_ms": round(asked[0].wall_ms, 1),
        "p50_ms": round(ordered[len(ordered) // 2], 1),
        "p99_ms": round(ordered[len(ordered) * 99 // 100], 1),
        "cpu_ms": round(sum(one.cpu_ms for one in asked) / times, 1),
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
    parser.add_argument("--starts", type=int, default=2)
    chosen = parser.parse_args()
    if chosen.fill:
        start = time.perf_counter()
        fill(chosen.folder, chosen.fill)
        print(json.dumps({"filled": chosen.fill, "wall_s": round(time.perf_counter() - start)}), flush=True)
    with service(chosen.folder) as (port, pid):
        queries = [*QUERIES, *paths_of_a_job(port)]
        asked = [shown(measure(port, pid, path, chosen.times)) for path in queries]
    firsts = [shown(measure_first(chosen.folder, path, chosen.starts)) for path in queries]
    pages = [path for path in queries if path.startswith(("jobs", "alerts", "deliveries", "audit"))]
    shown(
        {
            "worst p99_ms": max(one["p99_ms"] for one in asked),
            "worst after_start_ms": max(one["after_start_ms"] for one in firsts),
            "worst first page of a filter, p50_ms": max(one["p50_ms"] for one in asked if one["query"] in pages),
            "worst first page of a filter, after_start_ms": max(
                one["after_start_ms"] for one in firsts if one["query"] in pages
            ),
        }
    )
    return 0


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row, printed."""
    print(json.dumps(row), flush=True)
    return row


def paths_of_a_job(port: int) -> list[str]:
    """What is asked of one job, with the id of one that is there."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/api/v1/jobs?limit=1&status=failed")
    [job] = json.load(connection.getresponse())["jobs"]
    connection.close()
    return [f"jobs/{job['job_id']}", f"jobs/{job['job_id']}/history"]


if __name__ == "__main__":
    raise SystemExit(main())
