"""The measures of watching and alerting: how soon somebody is told, how late deadlines are seen, what checks cost, storms."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from bench.alerts_far_side import FarSide, far_side
from bench.processes import ROOT, first_core
from jobsight.app.stores import open_store
from jobsight.app.writing import writer_of
from jobsight.core.check import Expectation, Origin
from jobsight.core.events import CheckSet, InternalEvent
from jobsight.engine.writer import Writer

Figures = dict[str, float]
Say = Callable[[str], None]

CHANNELS = 20
"""A channel is told at most 20 things a minute, so many alerts at once need many channels."""

ALERTS = 10
"""Alerts through each of them."""

LOAD_PER_S = 50_000
CHECKS = 100_000
STORM = 10_000
LINES = 500


@contextmanager
def service(data: Path, config: str) -> Iterator[tuple[httpx.Client, int]]:
    """A service on one core: a client of it, and its process id."""
    data.mkdir(parents=True, exist_ok=True)
    (data / "bench.toml").write_text(config)
    command = [
        sys.executable,
        "-m",
        "jobsight",
        "serve",
        "--data",
        str(data / "data"),
        "--config",
        str(data / "bench.toml"),
    ]
    process = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True, preexec_fn=first_core, cwd=ROOT
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            found = re.search(r"listening on (http://127\.0\.0\.1:\d+)", line)
            if found:
                with httpx.Client(base_url=found[1], timeout=60, trust_env=False) as client:
                    yield client, process.pid
                break
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    if process.returncode != 0:
        raise RuntimeError(f"the service ended with exit code {process.returncode}")


def _post(client: httpx.Client, *messages: dict[str, Any]) -> None:
    lines = "".join(json.dumps(message) + "\n" for message in messages)
    answer = client.post("/api/v1/events", content=lines, headers={"content-type": "application/x-ndjson"})
    answer.raise_for_status()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) * 1024 / 1e6


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# ------------------------------------------------------------------------------------------------------- how soon


def _latencies(client: httpx.Client, side: FarSide) -> list[float]:
    """From the answer to the report of a failed job to the first byte at the webhook, in seconds, for each."""
    answered: dict[str, float] = {}
    before = len(side.received)
    for number in range(ALERTS):
        for channel in range(CHANNELS):
            task = f"c{channel}-{len(answered)}-{number}-{before}"
            _post(client, {"type": "job_failed", "job_id": task, "task": task, "error": "disk full", "retries": 3})
            answered[task] = time.perf_counter()
    came = side.wait_for(before + len(answered), 60)
    if came < before + len(answered):
        raise RuntimeError(f"{before + len(answered) - came} of {len(answered)} notifications never came")
    return [max(0.0, at - answered[data["task"]]) for at, data in side.received[before:]]


def _channels(port: int) -> str:
    tables = [
        f'[channels.c{n}]\ntype = "webhook"\nurl = "http://127.0.0.1:{port}/"\n'
        f'[routes.r{n}]\nmatch = ["task=c{n}-*"]\nchannels = ["c{n}"]\n'
        for n in range(CHANNELS)
    ]
    return "\n".join(tables)


def alert_latency(scratch: Path, *, reports: int, runs: int, say: Say) -> Figures:
    """From the answer to the first byte at the webhook, without load and beside 50,000 reports a second."""
    quiet: list[float] = []
    loaded: list[float] = []
    rates: list[float] = []
    for number in range(min(runs, 3)):
        with far_side() as side:
            with service(scratch / f"quiet-{number}", _channels(side.port)) as (client, _):
                quiet += _latencies(client, side)
            with service(scratch / f"loaded-{number}", _channels(side.port)) as (client, _):
                port = client.base_url.port
                command = [sys.executable, "-m", "bench.alerts_load", str(port), "--per-second", str(LOAD_PER_S)]
                load = subprocess.Popen([*command, "--seconds", "20"], stdout=subprocess.PIPE, text=True, cwd=ROOT)
                assert load.stdout is not None
                load.stdout.readline()
                time.sleep(2)
                loaded += _latencies(client, side)
                told = json.loads(load.communicate(timeout=60)[0].splitlines()[-1])
                rates.append(told["reports"] / told["seconds"])
        say(f"run {number + 1}: quiet p99 {_quantile(quiet, 0.99) * 1000:.0f} ms, at {rates[-1]:,.0f}/s "
            f"p99 {_quantile(loaded, 0.99) * 1000:.0f} ms")  # fmt: skip
    return {
        "alerts": len(quiet),
        "quiet_p50_ms": round(_quantile(quiet, 0.5) * 1000, 1),
        "quiet_p99_ms": round(_quantile(quiet, 0.99) * 1000, 1),
        "loaded_p50_ms": round(_quantile(loaded, 0.5) * 1000, 1),
        "loaded_p99_ms": round(_quantile(loaded, 0.99) * 1000, 1),
        "load_reports_per_s": round(statistics.median(rates)),
    }


# --------------------------------------------------------------------------------------------------------- how late


def deadline_lateness(scratch: Path, *, reports: int, runs: int, say: Say) -> Figures:
    """How much later than it passed a deadline stands in the log, for 2,000 jobs that run too long, beside reports."""
    count, data = 2_000, scratch / "late"
    with service(data, "") as (client, _):
        for start in range(0, count, LINES):
            _post(client, *[
                {"type": "update_status", "job_id": f"j{n}", "task": f"t{n}", "status": "running",
                 "check": {"max_runtime": f"{5 + n % 5}s"}} for n in range(start, start + LINES)
            ])  # fmt: skip
        port = client.base_url.port
        command = [sys.executable, "-m", "bench.alerts_load", str(port), "--per-second", "20000", "--seconds", "10"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        time.sleep(4)
    command = [sys.executable, "-m", "jobsight", "log", "cat", "--data", str(data / "data")]
    late: list[float] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if '"deadline_passed"' in line and '"too_long"' in line:
                event = json.loads(line)
                told = event.get("message") or event.get("event") or event
                late.append((event["accept_ms"] - told["deadline_ms"]) / 1000)
    if len(late) < count:
        raise RuntimeError(f"{count - len(late)} of {count} deadlines were not seen")
    say(f"{len(late):,} deadlines")
    return {
        "deadlines": len(late),
        "p50_ms": round(_quantile(late, 0.5) * 1000),
        "p99_ms": round(_quantile(late, 0.99) * 1000),
        "max_ms": round(max(late) * 1000),
    }


# ------------------------------------------------------------------------------------------------------ what they cost


def _expect(data: Path, count: int) -> None:
    """A daily schedule for each of so many tasks, as if set over the API, in a folder that nobody holds."""
    dice = random.Random(7)
    with open_store(data, print) as store:
        writer = writer_of(store, None, kind=Writer)
        for start in range(0, count, LINES):
            events: list[InternalEvent] = [
                CheckSet(
                    task=f"task-{n}",
                    expected=Expectation(
                        schedule=f"{dice.randrange(60)} {dice.randrange(24)} * * *", tz="Europe/Berlin"
                    ),
                    origin=Origin.API,
                    author="bench",
                )
                for n in range(start, start + LINES)
            ]
            writer.record(events)
        writer.close()


def _declared(count: int) -> str:
    """The same checks as a configuration file declares them."""
    dice = random.Random(7)
    return "".join(
        f'[checks.task-{n}]\nschedule = "{dice.randrange(60)} {dice.randrange(24)} * * *"\ntz = "Europe/Berlin"\n'
        for n in range(count)
    )


def check_cost(scratch: Path, *, reports: int, runs: int, say: Say) -> Figures:
    """
    100,000 tasks with a daily schedule each, set over the API and by one file: share of a core and memory after a restart,
    memory after the first start, against a service without any.
    """
    seconds = 30
    figures: Figures = {}
    for name, count in (("none", 0), ("checks", CHECKS), ("file", CHECKS)):
        config = _declared(count) if name == "file" else ""
        if not config:
            _expect(scratch / name / "data", count)
        with service(scratch / name, config) as (client, pid):
            _settled(pid)  # the first slots are worked out
            figures[f"{name}_first_memory_mb"] = round(_memory_mb(pid), 1)
        began = time.monotonic()
        with service(scratch / name, config) as (client, pid):
            figures[f"{name}_start_s"] = round(time.monotonic() - began, 1)
            _settled(pid)
            before_s = _cpu_s(pid)
            time.sleep(seconds)
            figures[f"{name}_core_percent"] = round((_cpu_s(pid) - before_s) / seconds * 100, 2)
            figures[f"{name}_memory_mb"] = round(_memory_mb(pid), 1)
            client.get("/healthz").raise_for_status()
        say(
            f"{name}, {count:,} checks: {figures[f'{name}_core_percent']} % of a core, {figures[f'{name}_memory_mb']} MB"
        )
    return figures


STARTED_S: Final = 5.0
"""Two seconds after a start, templates are made ready, one by one."""


def _settled(pid: int) -> None:
    """Wait until what a start brings with it is done: less than a tenth of a core over two seconds, pages made ready as well."""
    time.sleep(STARTED_S)
    for _ in range(120):
        before_s = _cpu_s(pid)
        time.sleep(2)
        if _cpu_s(pid) - before_s < 0.2:
            return
    raise RuntimeError("the service never came to rest")


# ----------------------------------------------------------------------------------------------------------- storms


def _storm(kind: str, number: int) -> list[dict[str, Any]]:
    """The end of a job of one queue: failed, or completed."""
    job = {"job_id": f"s{number}", "queue": "imports"}
    if kind == "job_failed":
        return [{"type": kind, **job, "error": "Connection timeout", "retries": 3}]
    return [{"type": kind, **job, "duration_ms": 40}]


def _send_storm(client: httpx.Client, kind: str) -> float:
    """Send it as fast as it is taken; in how many seconds that was."""
    bodies = [
        "".join(json.dumps(one) + "\n" for n in range(start, start + LINES) for one in _storm(kind, n))
        for start in range(0, STORM, LINES)
    ]
    began = time.perf_counter()
    for body in bodies:
        client.post("/api/v1/events", content=body, headers={"content-type": "application/x-ndjson"}).raise_for_status()
    return time.perf_counter() - began


def storm(scratch: Path, *, reports: int, runs: int, say: Say) -> Figures:
    """10,000 failures of one queue at once: who is told how often, and what it costs against as many without a channel."""
    times: dict[bool, list[float]] = {True: [], False: []}
    costs: dict[bool, list[float]] = {True: [], False: []}
    told: list[str] = []
    for number in range(runs):
        for has_channel in (True, False):
            with far_side() as side:
                config = f'notify = ["http://127.0.0.1:{side.port}/"]\n' if has_channel else ""
                with service(scratch / f"storm-{number}-{has_channel}", config) as (client, pid):
                    before_s = _cpu_s(pid)
                    times[has_channel].append(_send_storm(client, "job_failed"))
                    costs[has_channel].append(_cpu_s(pid) - before_s)
                    if has_channel and number == 0:
                        told = _story(client, side, say)
        rates = [f"{STORM / times[which][-1]:,.0f}/s" for which in (True, False)]
        say(f"run {number + 1}: {rates[0]} with a channel, {rates[1]} without")
    return {
        "failures": STORM,
        "notifications_at_once_and_at_30_s": sum(kind in ("trigger", "summary") for kind in told),
        "recoveries": told.count("resolve"),
        "failures_per_s": round(STORM / statistics.median(times[True])),
        "cpu_us_per_failure": round(statistics.median(costs[True]) / STORM * 1e6, 1),
        "cpu_against_no_channel": round(statistics.median(costs[True]) / statistics.median(costs[False]), 3),
    }


def _story(client: httpx.Client, side: FarSide, say: Say) -> list[str]:
    """What is told within the first half minute, and when all is well again."""
    side.wait_for(2, 45)
    time.sleep(3)
    first, second = side.received[0][0], side.received[1][0]
    say(f"told at once, and again after {second - first:.1f} s")
    _send_storm(client, "job_completed")
    side.wait_for(3, 20)
    return [data["kind"] for _, data in side.received]


ALERT_MEASURES: dict[str, Callable[..., Figures]] = {
    "alert_latency": alert_latency,
    "deadline_lateness": deadline_lateness,
    "check_cost": check_cost,
    "storm": storm,
}
