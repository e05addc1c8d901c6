"""F3 to F5, F7: what the system does to a running node: syncs and writes that fail, a slow disk, limits of the process."""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.node import DEADLINE_S, Node, command, events_of, run

pytestmark = pytest.mark.slow

REPORT = b'{"src": "w", "body": {"type": "job_failed", "msg_id": %d, "job_id": "job-%d", "error": "disk full", "retries": 0}}\n'
STATS = b'{"src": "q", "body": {"type": "get_stats"}}\n'
BATCHES = 8
REPORTS = 3_000
"""Of 7 KB each: more than fits into a log and its write-ahead file under the limit of the reserve."""

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
needs_fiu = pytest.mark.skipif(shutil.which("fiu-run") is None, reason="libfiu (fiu-run, fiu-ctrl) is not installed")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder that was used before, so that a start has little to write."""
    folder = tmp_path / "data"
    assert 0 == run("node", "--data", str(folder), stdin=REPORT % (0, 0)).returncode
    return folder


def strace(*words: str, path: Path) -> list[str]:
    """The prefix under which a node's calls on one file are tampered with."""
    return ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(path), *words]


def told(node: Node) -> tuple[set[int], set[int]]:
    """The reports that were answered: as stored, and as unknown (13)."""
    answers = [json.loads(answer) for answer in node.answers]
    unknown = {one["in_reply_to"] for one in answers if one["type"] == "error" and one["code"] == 13}
    stored = {one["in_reply_to"] for one in answers if one["type"] == "alert_sent"}
    assert len(answers) == len(unknown | stored)
    return stored, unknown


def feed(node: Node, numbers: range) -> None:
    """One report after the other, each with its answer awaited, until the node ends."""
    for number in numbers:
        node.send(REPORT % (number, number))
        before = len(node.answers)
        node.wait_for(before + 1)
        if len(node.answers) == before:
            return


def held_to_the_promise(data: Path, stored: set[int], unknown: set[int]) -> None:
    """
    After a restart: what was answered is there, what was unknown may be; all of it sent again counts once.
    """
    found = {event["message"]["body"]["msg_id"] for event in events_of(data)}
    assert set() == stored - found
    assert set() == found - stored - unknown - {0}
    again = b"".join(REPORT % (number, number) for number in sorted(stored | unknown))
    node = run("node", "--data", str(data), stdin=again + STATS)
    assert 0 == node.returncode, node.stderr.decode()
    stats = json.loads(node.stdout.splitlines()[-1])
    assert len(stored | unknown | {0}) == stats["total"] == stats["failed"]


@needs_strace
@pytest.mark.parametrize("when", ["1", "3", "2+"])
def test_a_sync_that_fails_ends_the_node_with_74(data: Path, when: str) -> None:
    """F3: the whole batch is answered 13, nothing more is taken; a report that is sent again counts once."""
    inject = strace("-e", "trace=fdatasync", "-e", f"inject=fdatasync:error=EIO:when={when}", path=data / "log.db-wal")
    node = Node(data, prefix=inject)
    feed(node, range(1, BATCHES))
    code = node.close()

    stored, unknown = told(node)
    assert 74 == code, node.errors
    assert "Traceback" not in node.errors
    assert len(unknown) <= 1
    held_to_the_promise(data, stored, unknown)


@needs_strace
@pytest.mark.parametrize(
    ("call", "name"), [("pwrite64", "view.db"), ("fdatasync", "view.db"), ("pwrite64", "view.db-wal")]
)
def test_a_view_that_cannot_be_written_costs_no_report(data: Path, call: str, name: str) -> None:
    """The log is the truth: reports go on while the view's file fails; where nothing of it can be stored, they get 11, never 13."""
    inject = strace("-e", f"trace={call}", "-e", f"inject={call}:error=EIO:when=1+", path=data / name)
    node = Node(data, prefix=inject)
    long = b'{"src": "w", "body": {"type": "update_status", "msg_id": %d, "job_id": "l%d", "status": "s", "message": "%s"}}\n'
    for number in range(1, 1_201):
        node.send(long % (number, number, os.urandom(2_500).hex().encode()))
    node.wait_for(1_200)
    code = node.close()

    answers = [json.loads(answer) for answer in node.answers]
    refused = {one["in_reply_to"] for one in answers if one["type"] == "error"}
    assert {one["code"] for one in answers if one["type"] == "error"} <= {11}
    assert 0 == code, node.errors
    assert "Traceback" not in node.errors
    found = {event["message"]["body"]["msg_id"] for event in events_of(data)}
    assert set(range(1, 1_201)) - refused <= found
    stats = run("node", "--data", str(data), stdin=STATS)
    assert len(found) == json.loads(stats.stdout)["total"]


@needs_fiu
@pytest.mark.parametrize("point", ["pwrite", "pwrite/reduce"])
def test_a_write_that_fails_is_as_a_sync_that_fails(data: Path, point: str) -> None:
    """F4: an error, or only a part of what was to be written: no answer lies, and the log is sound afterwards."""
    node = Node(data, prefix=["fiu-run", "-x"], python=os.path.realpath(sys.executable))
    feed(node, range(1, 4))
    let_writes_fail(node, point, errno.EIO)
    feed(node, range(4, BATCHES))
    code = node.close()

    stored, unknown = told(node)
    assert {1, 2, 3} <= stored
    assert code in ((74,) if point == "pwrite" else (0, 74)), node.errors
    assert "Traceback" not in node.errors
    assert 0 == run("log", "verify", "--data", str(data)).returncode
    held_to_the_promise(data, stored, unknown)


@needs_fiu
@pytest.mark.parametrize("why", [errno.ENOSPC, errno.EFBIG])
def test_a_write_that_finds_no_room_is_a_definite_no(data: Path, why: int) -> None:
    """F4, F6: the system says that the disk or the file is full: the answer is 11, nothing was stored, and the node stays up."""
    node = Node(data, prefix=["fiu-run", "-x"], python=os.path.realpath(sys.executable))
    feed(node, range(1, 4))
    let_writes_fail(node, "pwrite", why)
    feed(node, range(4, BATCHES))
    answers = [json.loads(answer) for answer in node.answers]
    let_writes_fail(node, "pwrite", None)
    again, ends = BATCHES, time.monotonic() + DEADLINE_S
    feed(node, range(again, again + 1))
    while b'"code": 11' in node.answers[-1] and time.monotonic() < ends:
        again += 1
        feed(node, range(again, again + 1))
    assert 0 == node.close(), node.errors

    assert {4, 5, 6, 7} == {one["in_reply_to"] for one in answers if one["type"] == "error" and one["code"] == 11}
    assert b"alert_sent" in node.answers[-1]
    answers = [json.loads(answer) for answer in node.answers]
    assert "Traceback" not in node.errors
    held_to_the_promise(data, {one["in_reply_to"] for one in answers if one["type"] == "alert_sent"}, set())


def let_writes_fail(node: Node, point: str, why: int | None) -> None:
    """From now on, with this error; left to itself libfiu draws one by lot. None lets them work again."""
    name = f"name=posix/io/rw/{point}"
    order = f"disable {name}" if why is None else f"enable {name},failinfo={why}"
    subprocess.run(["fiu-ctrl", "-c", order, str(node.process.pid)], check=True, timeout=30)


@needs_strace
def test_a_slow_disk_makes_batches_grow(data: Path) -> None:
    """F5: with half a second a sync, what waits is stored together; order is kept, and everything is answered."""
    delay = strace("-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=500000", path=data / "log.db-wal")
    node = Node(data, prefix=delay)
    node.send(b"".join(REPORT % (number, number) for number in range(1, 201)))
    node.wait_for(200)
    assert 0 == node.close(), node.errors

    events = events_of(data)
    assert list(range(201)) == [event["message"]["body"]["msg_id"] for event in events]
    assert len({event["seq"] for event in events}) <= 12  # the one before it, and a batch for each time that was read


@contextmanager
def limited(data: Path, limits: str) -> Iterator[Node]:
    """A node under limits of the shell."""
    yield Node(data, prefix=["bash", "-c", f'ulimit {limits}; exec "$@"', "limited"])


def test_a_limit_of_file_sizes_is_a_full_disk(data: Path) -> None:
    """F7: reports get 11 and queries their answers; nothing that was refused is in the log, nothing that was not is missing."""
    size_kib = (data / "reserve").stat().st_size // 1024
    text = "x" * 15_000
    report = b'{"src": "w", "body": {"type": "update_status", "msg_id": %d, "job_id": "%d", "status": "s", "message": "%s"}}\n'
    with limited(data, f"-f {size_kib}") as node:
        lines = [
            report % (number, number, os.urandom(7_000).hex().encode() or text.encode()) for number in range(1, REPORTS)
        ]
        for line in lines:
            node.send(line)
        node.send(STATS)
        node.wait_for(len(lines) + 1)
        assert 0 == node.close(), node.errors

    answers = [json.loads(answer) for answer in node.answers]
    refused = {one["in_reply_to"] for one in answers if one["type"] == "error"}
    assert {11} == {one["code"] for one in answers if one["type"] == "error"}
    assert "Traceback" not in node.errors
    found = {event["message"]["body"]["msg_id"] for event in events_of(data)} - {0}
    assert set(range(1, REPORTS)) - refused == found
    assert refused


@pytest.mark.parametrize("limits", ["-n 7", "-n 12", "-v 60000"])
def test_a_process_without_means_says_so(data: Path, limits: str) -> None:
    """F7: too few file handles or too little memory: words and an exit code, or service; never a traceback of ours."""
    with limited(data, limits) as node:
        node.send(REPORT % (1, 1))
        node.wait_for(1)
        code = node.close()

    stored, unknown = told(node)
    # A process that cannot even load its libraries ends with words of the interpreter or of the linker.
    is_ours = (
        b"jobsight" in node.errors.encode() and "Traceback" in node.errors and "jobsight/cli/__init__" in node.errors
    )
    assert not is_ours, node.errors
    assert code != 0 or stored == {1}
    if code:
        assert node.errors.strip()
    held_to_the_promise(data, stored, unknown)


def test_few_file_handles_are_enough_or_refused_in_words(data: Path) -> None:
    """F7: 32 handles serve a node on stdin."""
    with limited(data, "-n 32") as node:
        node.send(REPORT % (1, 1) + STATS)
        node.wait_for(2)

        assert 0 == node.close(), node.errors
    assert b"alert_sent" in node.answers[0]


def libfaketime() -> str | None:
    """The library that shows a process another time; None where it is not installed."""
    places = (
        "/usr/lib/*/faketime/libfaketime.so.1",
        "/usr/lib/faketime/libfaketime.so.1",
        "/usr/lib64/faketime/libfaketime.so.1",
    )
    found = [path for place in places for path in glob.glob(place)]
    return found[0] if found else None


@pytest.mark.skipif(libfaketime() is None, reason="libfaketime is not installed")
@pytest.mark.parametrize("step", ["+3600", "-3600", "+34560000"])
def test_a_clock_that_is_set_under_a_running_node_undoes_nothing(data: Path, step: str, tmp_path: Path) -> None:
    """F10: an hour ahead or back, 400 days: reports are answered on, one notice says so, and no alert is gone."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    environment = {
        **os.environ,
        "LD_PRELOAD": libfaketime() or "",
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        # Read anew once a second, not at every look at the clock: the library reads the file without a lock, and of two threads
        # at once one would see a time that is half read.
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    node = Node(data, python=os.path.realpath(sys.executable), env=environment)
    running = b'{"src": "w", "body": {"type": "update_status", "msg_id": 50, "job_id": "long", "status": "running"}}\n'
    node.send(REPORT % (1, 1) + running + STATS)
    node.wait_for(3)
    scratch = clock.with_suffix(".new")
    scratch.write_text(step)
    scratch.replace(clock)

    def notices(number: int) -> list[str]:
        node.send(REPORT % (number, number) + b'{"src": "q", "body": {"type": "get_alerts"}}\n')
        node.wait_for(len(node.answers) + 2)
        alerts = json.loads(node.answers[-1])["alerts"]
        assert any(one["rule"] == "job_failed" and one["state"] == "firing" for one in alerts)
        return [one["text"] for one in alerts if one["rule"] in ("self.blind", "self.clock_stepped")]

    deadline = time.monotonic() + DEADLINE_S
    found: list[str] = []
    for number in range(2, 1_000_000):
        found = notices(number)
        if found or time.monotonic() >= deadline:
            break
    assert 0 == node.close(), node.errors

    assert 1 == len(found), found
    assert ("back" in found[0]) == step.startswith("-")


def test_a_node_that_was_stopped_goes_on_where_it_was(data: Path) -> None:
    """F10: SIGSTOP under load, and SIGCONT: nothing is lost, nothing is answered twice, the order is kept."""
    node = Node(data)
    for number in range(1, 101):
        node.send(REPORT % (number, number))
    node.wait_for(20)
    subprocess.run(["kill", "-STOP", str(node.process.pid)], check=True)
    for number in range(101, 201):
        node.send(REPORT % (number, number))
    subprocess.run(["kill", "-CONT", str(node.process.pid)], check=True)
    node.wait_for(200)
    assert 0 == node.close()

    assert list(range(1, 201)) == [json.loads(answer)["in_reply_to"] for answer in node.answers]


def test_the_commands_of_a_node_can_be_prefixed() -> None:
    """The test of the tests: what is put before a node is really run."""
    found = subprocess.run(["env", *command("--version")], capture_output=True, timeout=30, check=True)

    assert b"jobsight" in found.stdout
