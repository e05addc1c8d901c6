"""
Peers beside us, in the same run and on the same core: what each takes in, and what it promises for that.

Redis comes from the system's packages (`redis-server`), Flower is installed into a scratch environment from the package
registry. A peer that cannot be had is left out, and said.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import first_core, node_command, run_file
from bench.workload import messages, write_file

Say = Callable[[str], None]
PIPELINE = 1_000
FLOWER_TASKS = 5_000
FLOWER_EVENTS_PER_TASK = 4
READY_S = 30
PORT = 16_379
FLOWER_PORT = 15_555
_TICKS = os.sysconf("SC_CLK_TCK")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _wait(is_ready: Callable[[], bool], what: str) -> None:
    """Poll until something is ready; a bench may wait, a test would be told."""
    end = time.monotonic() + READY_S
    while not is_ready():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} is not ready after {READY_S} s")
        time.sleep(0.05)


@contextmanager
def _redis(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Redis that syncs every command to disk before it answers, on the measured core."""
    from redis import ConnectionError as Refused
    from redis import Redis

    folder.mkdir()
    options = f"--port {PORT} --bind 127.0.0.1 --dir {folder} --appendonly yes --appendfsync always --save".split()
    server = subprocess.Popen(
        ["redis-server", *options, ""], stdout=subprocess.DEVNULL, preexec_fn=first_core, close_fds=True
    )

    def answers() -> bool:
        try:
            return bool(Redis(port=PORT).ping())
        except Refused:
            return False

    try:
        _wait(answers, "redis-server")
        yield server
    finally:
        server.terminate()
        server.wait()


def _redis_streams(scratch: Path, lines: list[str], number: int) -> tuple[float, float, float]:
    """Reports a second in pipelines of 1,000, CPU seconds of the server per million, and p50 of one at a time in ms."""
    from redis import Redis

    with _redis(scratch / f"redis-{number}") as server:
        client = Redis(port=PORT)
        before, start = _cpu_s(server.pid), time.perf_counter()
        for first in range(0, len(lines), PIPELINE):
            pipeline = client.pipeline(transaction=False)
            for line in lines[first : first + PIPELINE]:
                pipeline.xadd("reports", {"message": line})
            pipeline.execute()
        wall_s = time.perf_counter() - start
        cpu_s = _cpu_s(server.pid) - before
        trips = []
        for line in lines[:1_000]:
            start = time.perf_counter()
            client.xadd("reports", {"message": line})
            trips.append((time.perf_counter() - start) * 1000)
    return len(lines) / wall_s, cpu_s / len(lines) * 1e6, statistics.median(trips)


def _flower(scratch: Path, say: Say) -> dict[str, float]:
    """Task events a second that Flower takes in from its broker, and CPU seconds per million."""
    from celery import Celery

    environment = scratch / "flower"
    say("installing Flower into a scratch environment ...")
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    install = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "flower", "redis", "packaging"]
    subprocess.run(install, check=True, stderr=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{PORT}/0"
    with _redis(scratch / "redis-flower"):
        command = [str(environment / "bin" / "celery"), f"--broker={url}", "flower", f"--port={FLOWER_PORT}"]
        server = subprocess.Popen(
            [*command, f"--max_tasks={FLOWER_TASKS * 2}", "--address=127.0.0.1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=first_core,
            env={**os.environ, "FLOWER_UNAUTHENTICATED_API": "true"},
        )
        try:
            _wait(lambda: _flower_tasks() is not None, "flower")
            before, start = _cpu_s(server.pid), time.perf_counter()
            _send_task_events(Celery(broker=url))
            _wait(lambda: (_flower_tasks() or 0) >= FLOWER_TASKS, "flower, having seen all tasks,")
            wall_s = time.perf_counter() - start
            events = FLOWER_TASKS * FLOWER_EVENTS_PER_TASK
            cpu = (_cpu_s(server.pid) - before) / events * 1e6
        finally:
            server.kill()
            server.wait()
    return {"flower_events_per_s": round(events / wall_s), "flower_cpu_s_per_million": round(cpu, 1)}


def _flower_tasks() -> int | None:
    """How many succeeded tasks Flower knows; None while it does not answer."""
    address = f"http://127.0.0.1:{FLOWER_PORT}/api/tasks?limit={FLOWER_TASKS * 2}&state=SUCCESS"
    try:
        with urllib.request.urlopen(address, timeout=READY_S) as answer:
            return len(json.load(answer))
    except OSError:
        return None


def _send_task_events(app: object) -> None:
    """What workers tell of their tasks: sent, received, started, succeeded."""
    with app.connection() as connection, app.events.Dispatcher(connection, hostname="w1") as dispatcher:  # type: ignore[attr-defined]  # Celery has no types
        for number in range(FLOWER_TASKS):
            name = {"uuid": f"task-{number}", "name": f"t{number % 40}", "args": "()", "kwargs": "{}", "retries": 0}
            dispatcher.send("task-sent", **name)
            dispatcher.send("task-received", **name)
            dispatcher.send("task-started", uuid=name["uuid"])
            dispatcher.send("task-succeeded", uuid=name["uuid"], result="ok", runtime=0.5)


def peers(scratch: Path, *, reports: int, runs: int, say: Say) -> dict[str, float]:
    """Jobsight, Redis streams with `appendfsync always`, and Flower's event receiver, each on the same core in the same run."""
    count = min(reports, 100_000)
    lines = list(messages(count, seed=3))
    source = write_file(scratch / f"peers-{count}.ndjson", count, seed=3)
    figures: dict[str, float] = {}
    ours = [run_file(node_command(scratch / f"ours-{n}"), source, scratch / "answers.ndjson") for n in range(runs)]
    figures["jobsight_reports_per_s"] = round(statistics.median(count / run.wall_s for run in ours))
    figures["jobsight_cpu_s_per_million"] = round(statistics.median(run.cpu_s for run in ours) / count * 1e6, 2)
    if shutil.which("redis-server") is None:
        say("redis-server is not installed: Redis and Flower are left out")
        return figures
    redis = [_redis_streams(scratch, lines, number) for number in range(runs)]
    figures["redis_reports_per_s"] = round(statistics.median(rate for rate, _, _ in redis))
    figures["redis_cpu_s_per_million"] = round(statistics.median(cpu for _, cpu, _ in redis), 2)
    figures["redis_one_at_a_time_p50_ms"] = round(statistics.median(p50 for _, _, p50 in redis), 3)
    try:
        figures |= _flower(scratch, say)
    except (subprocess.CalledProcessError, RuntimeError) as error:
        say(f"Flower is left out: {error}")
    return figures
