"""
Where the time of a report goes: the write path on one thread, its steps one after another, CPU time of each.

Beside each step stands its multiple of the bare typed decoding of the same slice, taken in the same moment: absolute
figures of a shared machine move, these hardly do.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.workload import write_file
from jobsight.core.apply import RULES_VERSION, apply
from jobsight.core.events import Batch, Event
from jobsight.engine.recovery import fetch_jobs
from jobsight.engine.writer import FLUSH_EVENTS
from jobsight.logs.base import BatchKind, Entry
from jobsight.logs.folder import open_folder
from jobsight.protocol.messages import decoder_of_envelopes
from jobsight.protocol.session import Outcome, ReplyForm, Session
from jobsight.view.store import View

READ_BYTES = 256 * 1024
STEPS = ("decode", "append", "fetch", "apply", "reply", "flush")


class Clock:
    """CPU time by step, in microseconds a report, and as a multiple of the bare decoding beside it."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {step: [] for step in STEPS}
        self.unit = 1.0
        self.reports = 1

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step of a chunk."""
        start = time.thread_time()
        yield
        self.spent[name].append((time.thread_time() - start) / self.reports / self.unit)


def bare_decoding(block: bytes) -> float:
    """CPU seconds a message of the typed decoder alone."""
    start = time.thread_time()
    count = len(decoder_of_envelopes.decode_lines(block))
    return (time.thread_time() - start) / count


def steps(scratch: Path, *, reports: int, runs: int, say: Callable[[str], None]) -> dict[str, float]:
    """Where the CPU time of a report goes, by step; each also as a multiple of bare decoding."""
    source = write_file(scratch / f"workload-{reports}.ndjson", reports, seed=1)
    clock = Clock()
    units: list[float] = []
    flushes: list[float] = []
    gc.disable()
    for number in range(runs):
        _run(source, scratch / f"steps-{number}", clock, units, flushes)
        say(f"run {number + 1}: done")
    gc.enable()
    unit_us = statistics.median(units) * 1e6
    figures = {"bare_decoding_us": round(unit_us, 3)}
    for name in STEPS[:-1]:
        times = statistics.median(clock.spent[name])
        figures[f"{name}_us"] = round(times * unit_us, 3)
        figures[f"{name}_times_decoding"] = round(times, 2)
    figures["flush_us"] = round(statistics.median(flushes) * unit_us, 3)
    figures["flush_times_decoding"] = round(statistics.median(flushes), 2)
    return figures


def _run(source: Path, data: Path, clock: Clock, units: list[float], flushes: list[float]) -> None:
    folder = open_folder(data, now_ms=1_790_000_000_000)
    log = folder.open_log(rules_version=RULES_VERSION)
    view = View.open(folder.view_path, log.log_id)
    state = view.load_state()
    session = Session(ReplyForm.AUTO, print)
    with source.open("rb") as file:
        while data_read := file.read(READ_BYTES):
            lines = data_read[data_read.find(b"\n") + 1 : data_read.rfind(b"\n") + 1][:60_000]
            clock.unit = bare_decoding(lines[: lines.rfind(b"\n") + 1])
            units.append(clock.unit)
            clock.reports = max(1, data_read.count(b"\n"))
            with clock.step("decode"):
                chunk = session.feed(data_read)
            accept_ms = 1_790_000_000_000 + len(units) * 10
            with clock.step("append"):
                entry = Entry(
                    accept_ms=accept_ms, kind=BatchKind.REPORTS, count=len(chunk.reports), payload=chunk.payload
                )
                head = log.append([entry])[-1]
            events: list[Event] = list(chunk.reports)
            batch = Batch(seq=head.seq, accept_ms=accept_ms, sources=chunk.sources, events=events)
            with clock.step("fetch"):
                fetch_jobs(state, view, {report.job_id for report in chunk.reports})
            with clock.step("apply"):
                applied = apply(state, batch)
            with clock.step("reply"):
                session.replies(chunk, Outcome(retrying=applied.retrying, answers=[("x", {}) for _ in chunk.asides]))
            if state.changes.events >= FLUSH_EVENTS:
                flushed = state.changes.events
                start = time.thread_time()
                view.flush(state, head.checksum)
                flushes.append((time.thread_time() - start) / flushed / clock.unit)
    view.close()
    log.close()
    folder.close()
