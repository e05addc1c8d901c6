"""
Cost against jobs held: a store is filled with random job ids, and a node on it measured at marks on the way.

The filling uses short lives (queued, completed) and goes past the node, the measuring the realistic workload. Everything
measured is taken from outside: CPU time and memory of the process from the system, answers from its stdout. At each mark a
node that holds 100,000 jobs is measured in turn with it, window by window: what a report costs on a shared machine changes
within a minute, their ratio does not. With `--folder`, a store that an earlier run has filled there is filled on.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import cast

import msgspec

from bench.processes import ROOT, first_core, node_command
from bench.workload import messages
from jobsight.core.apply import RULES_VERSION, apply
from jobsight.core.events import AnyReport, Batch, Event, JobCompleted, StatusUpdate
from jobsight.engine.recovery import REPLAY_FLUSH_EVENTS, fetch_jobs, recover
from jobsight.logs.base import BatchKind, Entry
from jobsight.logs.folder import open_folder
from jobsight.view.store import View

MARKS = (100_000, 1_000_000, 3_000_000, 10_000_000)
SMALL_JOBS = 100_000
FILL_JOBS = 8_000
PASSED_MAX = 1.5
WINDOW_REPORTS = 200_000
WINDOWS = 5
QUERIES = 2_000
_encode_lines = msgspec.json.Encoder().encode_lines
_TICKS = os.sysconf("SC_CLK_TCK")


def fill(data: Path, jobs: int) -> None:
    """
    Bring a store to a number of jobs with random ids, two reports each, through the parts of a node but without one.

    A node decodes, answers and waits for its disk after each batch; for what it will hold none of that matters.
    """
    folder = open_folder(data, now_ms=_now_ms())
    log = folder.open_log(rules_version=RULES_VERSION)
    view = View.open(folder.view_path, log.log_id)
    state = recover(log, view)
    dice = random.Random(state.jobs_total)
    while state.jobs_total < jobs:
        first = state.jobs_total
        reports: list[AnyReport] = []
        for number in range(first, min(first + FILL_JOBS, jobs)):
            job_id = f"job-{uuid.UUID(int=dice.getrandbits(128), version=4)}"
            reports.append(StatusUpdate(job_id=job_id, msg_id=number, status="queued", task=f"t{number % 40}"))
            reports.append(JobCompleted(job_id=job_id, msg_id=number, duration_ms=number % 9973))
        sources: list[str | None] = ["f"] * len(reports)
        lines = _encode_lines([{"src": "f", "body": report} for report in reports])
        entry = Entry(accept_ms=_now_ms(), kind=BatchKind.REPORTS, count=len(reports), payload=lines)
        head = log.append([entry])[-1]
        fetch_jobs(state, view, {report.job_id for report in reports})
        events = cast("list[Event]", reports)
        apply(state, Batch(seq=head.seq, accept_ms=entry.accept_ms, sources=sources, events=events))
        if state.changes.events >= REPLAY_FLUSH_EVENTS or state.jobs_total >= jobs:
            view.flush(state, head.checksum)
    view.close()
    log.close()
    folder.close()


def _now_ms() -> int:
    return int(time.time() * 1000)


class LoadedNode:
    """A node on one core, fed as fast as it takes, its answers counted as they come."""

    def __init__(self, data: Path) -> None:
        started = time.perf_counter()
        self.process = subprocess.Popen(
            node_command(data),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=first_core,
            cwd=ROOT,
            bufsize=0,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._stdin, self._stdout = self.process.stdin, self.process.stdout
        self.ask()
        self.start_s = time.perf_counter() - started

    def ask(self) -> float:
        """One `get_stats` with nothing else in flight: seconds from the question to the answer."""
        start = time.perf_counter()
        self._stdin.write(b'{"type":"get_stats"}\n')
        answer = self._stdout.read(65536)
        assert answer is not None
        assert answer.endswith(b"\n")
        self.total = json.loads(answer)["total"]
        return time.perf_counter() - start

    def feed(self, blocks: Iterable[bytes], count: int) -> float:
        """Hand blocks in and take `count` answers; the longest pause between two reads of answers, in seconds."""

        def write() -> None:
            for block in blocks:
                view = memoryview(block)
                while view:
                    view = view[self._stdin.write(view) :]

        feeder = threading.Thread(target=write)
        feeder.start()
        answers, longest, last = 0, 0.0, time.perf_counter()
        while answers < count:
            data = self._stdout.read(1 << 20)
            assert data
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
            answers += data.count(b"\n")
        feeder.join()
        return longest

    def cpu_s(self) -> float:
        """CPU seconds of the process so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory_mb(self) -> float:
        """Memory that the process holds, MB (10^6 bytes)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024 / 1e6

    def kill(self) -> None:
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._stdin.close()
        self._stdout.close()


def _blocks(lines: Iterator[str]) -> Iterator[bytes]:
    while block := "".join(islice(lines, 500)).encode():
        yield block


class Windows:
    """
    What some windows of the realistic workload have cost a node.

    Attributes:
        cpu: CPU seconds per million reports; `rate`: reports a second; one of each for a window.
        pause: The longest pause between two reads of answers, in seconds.
    """

    def __init__(self, node: LoadedNode) -> None:
        self._node = node
        self.cpu: list[float] = []
        self.rate: list[float] = []
        self.pause = 0.0

    def measure(self, seed: int) -> None:
        """One window more."""
        blocks = list(_blocks(messages(WINDOW_REPORTS, seed=seed)))
        before, start = self._node.cpu_s(), time.perf_counter()
        self.pause = max(self.pause, self._node.feed(blocks, WINDOW_REPORTS))
        self.rate.append(WINDOW_REPORTS / (time.perf_counter() - start))
        self.cpu.append((self._node.cpu_s() - before) / WINDOW_REPORTS * 1e6)


def _in_turn(scratch: Path, node: LoadedNode, mark: int) -> tuple[Windows, Windows]:
    """The cost to the node, and to one that holds few jobs, by windows in turn."""
    folder = scratch / "small"
    shutil.rmtree(folder, ignore_errors=True)
    fill(folder, SMALL_JOBS)
    small = LoadedNode(folder)
    large_windows, small_windows = Windows(node), Windows(small)
    seed = mark + node.total  # not that of an earlier run on the same store: the node would know every job already
    for number in range(WINDOWS):
        small_windows.measure(seed + number)
        large_windows.measure(seed + number)
    small.kill()
    shutil.rmtree(folder)
    return large_windows, small_windows


def growth(scratch: Path, *, reports: int, runs: int, say: Callable[[str], None]) -> dict[str, float]:
    """CPU time per report, memory, pauses and start-up against the number of jobs held, random ids; `--reports` bounds the jobs."""
    data = scratch / "growth"
    figures: dict[str, float] = {}
    for mark in [mark for mark in MARKS if mark <= reports] or [reports]:
        fill(data, mark)
        node = LoadedNode(data)
        if node.total > mark * PASSED_MAX:
            node.kill()  # an earlier run has been here
            continue
        large, small = _in_turn(scratch, node, mark)
        cpu, rate = statistics.median(large.cpu), statistics.median(large.rate)
        times = statistics.median(ours / theirs for ours, theirs in zip(large.cpu, small.cpu, strict=True))
        asked = sorted(node.ask() for _ in range(QUERIES))
        figures |= {
            f"at_{mark}_cpu_s_per_million": round(cpu, 2),
            f"at_{mark}_times_small": round(times, 2),
            f"at_{mark}_reports_per_s": round(rate),
            f"at_{mark}_longest_pause_ms": round(large.pause * 1000, 1),
            f"at_{mark}_small_longest_pause_ms": round(small.pause * 1000, 1),
            f"at_{mark}_memory_mb": round(node.memory_mb(), 1),
            f"at_{mark}_get_stats_p50_ms": round(asked[len(asked) // 2] * 1000, 3),
            f"at_{mark}_get_stats_p99_ms": round(asked[len(asked) * 99 // 100] * 1000, 3),
        }
        node.feed(_blocks(messages(50_000, seed=7)), 50_000)
        node.kill()
        say(
            f"{mark:,} jobs: {cpu:.2f} CPU s per million, {times:.2f} times that of {SMALL_JOBS:,} jobs, {rate:,.0f}/s, "
            f"pause {large.pause * 1000:.0f} ms, {figures[f'at_{mark}_memory_mb']:.0f} MB"
        )
    again = LoadedNode(data)
    figures["start_after_kill_s"] = round(again.start_s, 2)
    figures["disk_bytes"] = sum(path.stat().st_size for path in data.iterdir() if path.name != "reserve")
    say(f"start after kill -9 with {again.total:,} jobs: {again.start_s:.2f} s")
    again.kill()
    return figures
