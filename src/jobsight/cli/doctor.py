"""`jobsight doctor`: what could be wrong with an installation and its data folder."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from jobsight.app.stores import folder_holder, read_log, read_view
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import number, print_json, print_table, progress
from jobsight.core.counted import counted
from jobsight.engine.checkpoints import CHECKPOINT, find_checkpoint
from jobsight.errors import JobsightError, NotFoundError
from jobsight.logs.base import LogReader
from jobsight.logs.verdict import words

DISK_BYTES_MIN: Final = 256 * 1024 * 1024
LAG_BATCHES_MAX: Final = 1_000

LOOK_ALIKES: Final = {
    "success": "completed",
    "succeeded": "completed",
    "complete": "completed",
    "done": "completed",
    "finished": "completed",
    "ok": "completed",
    "error": "failed",
    "failure": "failed",
    "fail": "failed",
    "canceled": "cancelled",
    "aborted": "cancelled",
    "started": "running",
    "pending": "queued",
}
"""Status words that mean nothing to the monitor, but look as if they should."""

Finding = tuple[str, str, str]
"""What was looked at, `ok`, `warning` or `bad`, and what was found."""


@click.command("doctor")
@data_option
@click.option(
    "--verify", "is_thorough", is_flag=True, help="Also check every batch of the log; takes as long as reading it."
)
@json_option
def command(data: Path, is_thorough: bool, as_json: bool) -> int:
    """Look at the installation and the data folder. Exit code 0: all is well, or only warned of; 65: data is damaged; else 1."""
    findings = list(_look(data, is_thorough))
    if as_json:
        print_json([{"what": what, "state": state, "found": found} for what, state, found in findings])
    else:
        print_table(("WHAT", "STATE", "FOUND"), findings, empty="")
    bad = [what for what, state, _ in findings if state == "bad"]
    if not bad:
        return 0
    return 65 if {"log", "log, all of it", "view"} & set(bad) else 1


def _look(data: Path, is_thorough: bool) -> Iterator[Finding]:
    import apsw

    yield "python", "ok", platform.python_version()
    yield "sqlite", "ok", f"{apsw.sqlite_lib_version()} (apsw {apsw.apsw_version()})"
    if not data.exists():
        yield "folder", "warning", f"{data} is not there yet; it is made when the monitor starts on it"
        return
    free = shutil.disk_usage(data).free
    yield "disk", "ok" if free >= DISK_BYTES_MIN else "warning", f"{number(free // 1_000_000)} MB free"
    holder = folder_holder(data)
    yield "folder", "ok", f"{data}, " + ("used by no process" if holder is None else f"used by process {holder}")
    yield from _look_at_log(data, is_thorough)
    yield from _look_at_view(data)


def _look_at_log(data: Path, is_thorough: bool) -> Iterator[Finding]:
    try:
        with read_log(data) as log:
            first, last = log.bounds()
            yield "log", "ok", f"log {log.log_id}, batches {number(first)} to {number(last)}"
            if first > 1:
                yield _look_at_checkpoint(data, log if is_thorough else None)
            if is_thorough:
                with progress("verifying") as bar:
                    verdict = log.verify(bar)
                yield "log, all of it", "ok" if verdict.damage is None else "bad", words(verdict)
    except JobsightError as error:
        yield "log", "bad", str(error)


def _look_at_checkpoint(data: Path, log: LogReader | None) -> Finding:
    """A trimmed log begins with its checkpoint: without it, the view cannot be made anew. Its note is searched in all of `log`."""
    if log is None:
        is_there = (data / CHECKPOINT).exists()
        return "checkpoint", "ok" if is_there else "warning", f"{CHECKPOINT} is {'there' if is_there else 'missing'}"
    try:
        return "checkpoint", "ok", f"{find_checkpoint(data, log).name}, as the log has noted it"
    except JobsightError as error:
        return "checkpoint", "warning", str(error)


def _look_at_view(data: Path) -> Iterator[Finding]:
    try:
        with read_view(data) as view, read_log(data) as log:
            applied = view.applied()
            lag = log.bounds()[1] - applied.applied_seq
            state = "ok" if 0 <= lag <= LAG_BATCHES_MAX else "warning"
            yield (
                "view",
                state,
                f"{counted(applied.jobs_total, 'job', 'jobs')}, {counted(lag, 'batch', 'batches')} behind the log",
            )
            statuses = {word: count for word, count in view.by_status().items() if count}
    except NotFoundError as error:  # the log has everything that is in it
        yield "view", "warning", str(error)
        return
    except JobsightError as error:
        yield "view", "bad", str(error)
        return
    for word, count in sorted(statuses.items()):
        meant = LOOK_ALIKES.get(word.lower()) or (word.lower() if word != word.lower() else None)
        if meant is not None and word != meant:
            yield (
                "status words",
                "warning",
                f"{counted(count, 'job stands', 'jobs stand')} in {word!r}, which counts as active; meant {meant!r}?",
            )
