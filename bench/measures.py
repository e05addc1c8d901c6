"""The measures, one function each: they run their baseline beside what they measure, and return figures by name."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.alerts_measures import ALERT_MEASURES
from bench.browser import browser, stay_open
from bench.growth import growth
from bench.http_measures import HTTP_MEASURES
from bench.pages import pages
from bench.peers import peers
from bench.processes import ROOT, Run, first_core, node_command, run_file
from bench.steps import steps
from bench.workload import messages, write_file

Figures = dict[str, float]
Say = Callable[[str], None]


def _floor_command(measure: str, path: Path) -> list[str]:
    return [sys.executable, "-m", "bench.floor", measure, str(path)]


def _disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != "reserve")


def write(scratch: Path, *, reports: int, runs: int, say: Say) -> Figures:
    """Durable acknowledged reports from file to file on one core, against decode + append + fdatasync of the same bytes."""
    source = write_file(scratch / f"workload-{reports}.ndjson", reports, seed=1)
    answers = scratch / "answers.ndjson"
    floors: list[Run] = []
    nodes: list[Run] = []
    sizes: list[float] = []
    for number in range(runs):
        floors.append(run_file(_floor_command("write", scratch / f"floor-{number}"), source, answers))
        (scratch / f"floor-{number}").unlink()
        data = scratch / f"data-{number}"
        nodes.append(run_file(node_command(data), source, answers))
        answered = answers.read_bytes().count(b"\n")
        if answered != reports:
            raise RuntimeError(f"{answered} answers to {reports} messages")
        sizes.append(_disk_bytes(data) / reports)
        say(f"run {number + 1}: floor {reports / floors[-1].wall_s:,.0f}/s, node {reports / nodes[-1].wall_s:,.0f}/s")
    rate = statistics.median(reports / run.wall_s for run in nodes)
    floor_rate = statistics.median(reports / run.wall_s for run in floors)
    return {
        "reports_per_s": round(rate),
        "floor_per_s": round(floor_rate),
        "share_of_floor": round(statistics.median(f.wall_s / n.wall_s for f, n in zip(floors, nodes, strict=True)), 3),
        "cpu_s_per_million": round(statistics.median(run.cpu_s for run in nodes) / reports * 1e6, 2),
        "floor_cpu_s_per_million": round(statistics.median(run.cpu_s for run in floors) / reports * 1e6, 2),
        "disk_bytes_per_report": round(statistics.median(sizes), 1),
        "memory_mb": round(statistics.median(run.memory_mb for run in nodes), 1),
    }


def _trips_ms(command: Sequence[str], lines: Sequence[bytes]) -> list[float]:
    """The time from a line to its answer, with one in flight, in milliseconds."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, preexec_fn=first_core, cwd=ROOT
    )
    assert process.stdin is not None
    assert process.stdout is not None
    trips: list[float] = []
    with process:
        for line in lines:
            start = time.perf_counter()
            process.stdin.write(line)
            answer = process.stdout.read(65536)
            trips.append((time.perf_counter() - start) * 1000)
            if not answer or not answer.endswith(b"\n"):
                raise RuntimeError(f"no answer to {line!r}")
        process.stdin.close()
    return trips[len(trips) // 10 :]


def round_trip(scratch: Path, *, reports: int, runs: int, say: Say) -> Figures:
    """One report in flight, against a loop that reads a line, appends it, syncs and answers."""
    lines = [line.encode() for line in messages(min(reports, 3_000), seed=2)]
    ratios: list[float] = []
    node_p50: list[float] = []
    node_p99: list[float] = []
    bare_p50: list[float] = []
    for number in range(runs):
        bare = sorted(_trips_ms(_floor_command("round_trip", scratch / f"bare-{number}"), lines))
        node = sorted(_trips_ms(node_command(scratch / f"trip-{number}"), lines))
        bare_p50.append(bare[len(bare) // 2])
        node_p50.append(node[len(node) // 2])
        node_p99.append(node[len(node) * 99 // 100])
        ratios.append(node_p50[-1] / bare_p50[-1])
        say(f"run {number + 1}: bare p50 {bare_p50[-1]:.2f} ms, node p50 {node_p50[-1]:.2f} ms")
    return {
        "p50_ms": round(statistics.median(node_p50), 3),
        "p99_ms": round(statistics.median(node_p99), 3),
        "bare_p50_ms": round(statistics.median(bare_p50), 3),
        "times_bare": round(statistics.median(ratios), 2),
    }


def replay(scratch: Path, *, reports: int, runs: int, say: Say) -> Figures:
    """Events a second when the view is made anew from the log, on one core."""
    source = write_file(scratch / f"workload-{reports}.ndjson", reports, seed=1)
    data = scratch / "replay"
    run_file(node_command(data), source, scratch / "answers.ndjson")
    rates: list[float] = []
    for number in range(runs):
        command = [sys.executable, "-m", "jobsight", "view", "rebuild", "--data", str(data)]
        again = run_file(command, Path("/dev/null"), scratch / "answers.ndjson")
        rates.append(reports / again.wall_s)
        say(f"run {number + 1}: {rates[-1]:,.0f} events/s")
    return {"events_per_s": round(statistics.median(rates))}


MEASURES: dict[str, Callable[..., Figures]] = {
    "write": write,
    "round_trip": round_trip,
    "steps": steps,
    "replay": replay,
    "growth": growth,
    "peers": peers,
    "pages": pages,
    "browser": browser,
    "stay_open": stay_open,
    **HTTP_MEASURES,
    **ALERT_MEASURES,
}

BY_DEFAULT = ("write", "round_trip", "steps", "replay")
"""What `make bench` runs; `growth` takes long, and is `make bench-long`."""
