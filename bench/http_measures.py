"""The measures of the service: single POSTs, and streams of lines beside the node on stdin."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.http_live import live
from bench.http_pings import pings
from bench.http_service import CONNECTIONS, cpu_s, floor, other_cores, service
from bench.http_starts import starts
from bench.processes import ROOT, node_command, run_file
from bench.workload import write_file

Figures = dict[str, float]
Say = Callable[[str], None]

LINES_A_POST = 500


def _load(port: int, source: Path, *, lines: int, connections: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.http_client", str(port), str(source)]
    command += ["--lines", str(lines), "--connections", str(connections)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, preexec_fn=other_cores, cwd=ROOT)
    figures: dict[str, Any] = json.loads(done.stdout)
    if figures["refused"]:
        raise RuntimeError(f"{figures['refused']} requests were refused")
    return figures


def post(scratch: Path, *, reports: int, runs: int, say: Say) -> Figures:
    """Single reports by POST on 32 connections, durable, one core for the service, against a server that does nothing."""
    count = min(reports, 20_000)
    source = write_file(scratch / f"workload-{count}.ndjson", count, seed=3)
    found: list[dict[str, Any]] = []
    shares: list[float] = []
    for number in range(runs):
        with floor() as (port, pid):
            before_s = cpu_s(pid)
            bare = _load(port, source, lines=1, connections=CONNECTIONS)
            bare_cpu_us = (cpu_s(pid) - before_s) / count * 1e6
        with service(scratch / f"post-{number}") as (port, pid):
            before_s = cpu_s(pid)
            figures = _load(port, source, lines=1, connections=CONNECTIONS)
            figures["cpu_us"] = (cpu_s(pid) - before_s) / count * 1e6
            figures["times_bare"] = figures["cpu_us"] / bare_cpu_us
        figures["bare_p99_ms"] = bare["p99_ms"]
        found.append(figures)
        shares.append(bare["wall_s"] / figures["wall_s"])
        rates = f"bare {count / bare['wall_s']:,.0f}/s, service {count / figures['wall_s']:,.0f}/s"
        say(f"run {number + 1}: {rates}, p50 {figures['p50_ms']:.2f} ms, p99 {figures['p99_ms']:.2f} ms")
    return {
        "posts_per_s": round(statistics.median(count / one["wall_s"] for one in found)),
        "share_of_bare": round(statistics.median(shares), 3),
        "cpu_times_bare": round(statistics.median(one["times_bare"] for one in found), 2),
        "p50_ms": round(statistics.median(one["p50_ms"] for one in found), 2),
        "p99_ms": round(statistics.median(one["p99_ms"] for one in found), 2),
        "bare_p99_ms": round(statistics.median(one["bare_p99_ms"] for one in found), 2),
        "cpu_us_per_post": round(statistics.median(one["cpu_us"] for one in found), 1),
    }


def ndjson(scratch: Path, *, reports: int, runs: int, say: Say) -> Figures:
    """Reports by POST of 500 lines on 4 connections, durable, against the node on stdin with the same lines."""
    count = min(reports, 400_000)
    source = write_file(scratch / f"workload-{count}.ndjson", count, seed=1)
    rates: list[float] = []
    ratios: list[float] = []
    trips_ms: list[float] = []
    for number in range(runs):
        node = run_file(node_command(scratch / f"beside-{number}"), source, scratch / "answers.ndjson")
        with service(scratch / f"ndjson-{number}") as (port, _):
            figures = _load(port, source, lines=LINES_A_POST, connections=4)
        rates.append(count / figures["wall_s"])
        ratios.append(node.wall_s / figures["wall_s"])
        trips_ms.append(figures["p99_ms"])
        say(f"run {number + 1}: {rates[-1]:,.0f}/s, node {count / node.wall_s:,.0f}/s")
    return {
        "reports_per_s": round(statistics.median(rates)),
        "share_of_stdin": round(statistics.median(ratios), 3),
        "p99_ms": round(statistics.median(trips_ms), 1),
    }


HTTP_MEASURES: dict[str, Callable[..., Figures]] = {
    "post": post,
    "ndjson": ndjson,
    "pings": pings,
    "live": live,
    "starts": starts,
}
