"""
Cost against jobs held: a node is filled with random job ids, and measured at marks on the way.

The filling uses short lives (queued, completed), the measuring the realistic workload. Everything is taken from outside:
CPU time and memory of the process from the system, answers from its stdout.
"""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from bench.processes import ROOT, first_core, node_command
from bench.workload import messages

MARKS = (100_000, 1_000_000, 3_000_000, 10_000_000)
WINDOW_REPORTS = 200_000
WINDOWS = 5
QUERIES = 2_000
_TICKS = os.sysconf("SC_CLK_TCK")


def short_lives(first: int, count: int, seed: int) -> Iterator[bytes]:
    """Blocks of reports of `count` jobs with random ids, two reports each."""
    dice = random.Random(seed)
    for start in range(first, first + count, 500):
        block = []
        for number in range(start, min(start + 500, first + count)):
            job_id = uuid.UUID(int=dice.getrandbits(128), version=4)
            head = f'{{"src":"f{number % 16}","dest":"n1","body":{{"type":'
            block.append(
                f'{head}"update_status","msg_id":{number},"job_id":"job-{job_id}","status":"queued","task":"t{number % 40}"}}}}\n'
                f'{head}"job_completed","msg_id":{number},"job_id":"job-{job_id}","duration_ms":{number % 9973}}}}}\n'
            )
        yield "".join(block).encode()


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


def _window(node: LoadedNode, seed: int) -> tuple[float, float, float]:
    """CPU seconds per million reports, reports a second, and the longest pause of answers in seconds, of some windows."""
    cpu: list[float] = []
    rate: list[float] = []
    pause = 0.0
    for number in range(WINDOWS):
        blocks = list(_blocks(messages(WINDOW_REPORTS, seed=seed + number)))
        before, start = node.cpu_s(), time.perf_counter()
        pause = max(pause, node.feed(blocks, WINDOW_REPORTS))
        rate.append(WINDOW_REPORTS / (time.perf_counter() - start))
        cpu.append((node.cpu_s() - before) / WINDOW_REPORTS * 1e6)
    return statistics.median(cpu), statistics.median(rate), pause


def growth(scratch: Path, *, reports: int, runs: int, say: Callable[[str], None]) -> dict[str, float]:
    """CPU time per report, memory, pauses and start-up against the number of jobs held, random ids; `--reports` bounds the jobs."""
    data = scratch / "growth"
    node = LoadedNode(data)
    figures: dict[str, float] = {}
    marks = [mark for mark in MARKS if mark <= reports] or [reports]
    first_cpu = 0.0
    for mark in marks:
        node.ask()
        missing = max(0, mark - node.total)
        node.feed(short_lives(node.total, missing, seed=mark), 2 * missing)
        cpu, rate, pause = _window(node, seed=mark)
        first_cpu = first_cpu or cpu
        asked = sorted(node.ask() for _ in range(QUERIES))
        figures |= {
            f"at_{mark}_cpu_s_per_million": round(cpu, 2),
            f"at_{mark}_times_first": round(cpu / first_cpu, 2),
            f"at_{mark}_reports_per_s": round(rate),
            f"at_{mark}_longest_pause_ms": round(pause * 1000, 1),
            f"at_{mark}_memory_mb": round(node.memory_mb(), 1),
            f"at_{mark}_get_stats_p50_ms": round(asked[len(asked) // 2] * 1000, 3),
            f"at_{mark}_get_stats_p99_ms": round(asked[len(asked) * 99 // 100] * 1000, 3),
        }
        say(
            f"{mark:,} jobs: {cpu:.2f} CPU s per million, {rate:,.0f}/s, pause {pause * 1000:.0f} ms, {node.memory_mb():.0f} MB"
        )
    node.feed(_blocks(messages(50_000, seed=7)), 50_000)
    node.kill()
    again = LoadedNode(data)
    figures["start_after_kill_s"] = round(again.start_s, 2)
    figures["disk_bytes"] = sum(path.stat().st_size for path in data.iterdir() if path.name != "reserve")
    say(f"start after kill -9 with {again.total:,} jobs: {again.start_s:.2f} s")
    again.kill()
    return figures
