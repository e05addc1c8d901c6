"""F11 to F14: damaged, missing, newer, in use, read-only. Each ends with its exit code and words, and touches nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from faults.node import Node, command, events_of, run

pytestmark = pytest.mark.slow

REPORT = b'{"src": "w", "body": {"type": "job_completed", "msg_id": %d, "job_id": "job-%d", "duration_ms": %d}}\n'
JOBS = 300


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder whose node has stored some jobs, in several batches, and has ended well."""
    folder = tmp_path / "data"
    for start in range(0, JOBS, 100):
        reports = b"".join(REPORT % (n, n, n) for n in range(start, start + 100))
        assert 0 == run("node", "--data", str(folder), stdin=reports).returncode
    return folder


def prints_of(folder: Path) -> dict[str, str]:
    """What every file that holds anything looks like; the lock, and what SQLite shares between readers, are no data."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]
    held = [path for path in files if path.stat().st_size and not path.name.endswith("-shm")]
    return {path.name: hashlib.blake2b(path.read_bytes()).hexdigest() for path in held}


def overwrite(path: Path, place: float, junk: bytes = b"\xa5" * 64) -> None:
    """Put junk into a file, at a share of its size."""
    with path.open("r+b") as file:
        file.seek(int(path.stat().st_size * place))
        file.write(junk)


def stats(folder: Path, *options: str) -> dict[str, float]:
    """What a node on this folder answers to `get_stats`."""
    node = run("node", "--data", str(folder), *options, stdin=b'{"type": "get_stats"}\n')
    assert 0 == node.returncode, node.stderr.decode()
    found: dict[str, float] = json.loads(node.stdout)
    return found


@pytest.mark.parametrize("page", [0, 2, 3])
def test_a_damaged_log_is_found_and_left_as_it_is(data: Path, page: int) -> None:
    """F11: exit 65, with words that say what to do; no byte is changed. (Page 1 only helps SQLite to move pages.)"""
    size = (data / "log.db").stat().st_size
    overwrite(data / "log.db", page * 8192 / size, b"\xa5" * 8192)
    before = prints_of(data)

    verdict = run("log", "verify", "--data", str(data))

    assert 65 == verdict.returncode
    assert b"Traceback" not in verdict.stderr
    assert before == prints_of(data)


def test_a_log_damaged_at_its_head_stops_the_start_until_the_loss_is_accepted(data: Path) -> None:
    """F11: the node says what is missing and how to go on; `--accept-loss` goes on with what is sound."""
    with sqlite3.connect(data / "log.db") as connection:
        connection.execute("UPDATE batches SET payload = zeroblob(40) WHERE seq = (SELECT max(seq) FROM batches)")
    connection.close()
    before = prints_of(data)

    refused = run("node", "--data", str(data), stdin=b'{"type": "get_stats"}\n')
    accepted = run("node", "--data", str(data), "--accept-loss", stdin=b'{"type": "get_stats"}\n')

    assert 65 == refused.returncode
    assert b"--accept-loss" in refused.stderr
    assert b"" == refused.stdout
    assert "log.db" in before
    assert 0 == accepted.returncode, accepted.stderr.decode()
    assert JOBS - 100 == json.loads(accepted.stdout)["total"]


@pytest.mark.parametrize("damage", ["junk", "cut", "gone"])
def test_a_damaged_view_is_made_anew(data: Path, damage: str) -> None:
    """F11: the view is derived, so nothing is lost with it and nobody needs to do anything."""
    expected = stats(data)
    view = data / "view.db"
    if damage == "junk":
        for place in (0.0, 0.3, 0.6):
            overwrite(view, place, b"\x5a" * 4096)
    elif damage == "cut":
        os.truncate(view, view.stat().st_size // 2)
    else:
        view.unlink()

    assert expected == stats(data)
    assert 0 == run("view", "rebuild", "--data", str(data)).returncode
    assert expected == stats(data)


@pytest.mark.parametrize("loss", ["emptied", "gone"])
def test_a_lost_log_is_not_taken_for_a_new_one(data: Path, loss: str) -> None:
    """F12: exit 65, "expected log <id>, found none"; starting over is the operator's word, and keeps the old files."""
    log_id = json.loads((data / "jobsight.json").read_bytes())["log_id"]
    for path in data.glob("log.db*"):
        path.unlink()
    if loss == "emptied":
        (data / "log.db").touch()

    refused = run("node", "--data", str(data))

    assert 65 == refused.returncode
    assert f"expected log {log_id}, found none; --init-new starts over" in refused.stderr.decode()
    assert 0 == stats(data, "--init-new")["total"]
    assert [] != list(data.glob("replaced-*"))


def _newer_log(folder: Path) -> None:
    connection = sqlite3.connect(folder / "log.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def _newer_view(folder: Path) -> None:
    connection = sqlite3.connect(folder / "view.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def _newer_marker(folder: Path) -> None:
    marker = json.loads((folder / "jobsight.json").read_bytes())
    (folder / "jobsight.json").write_text(json.dumps({**marker, "format": 99}))


@pytest.mark.parametrize("make_newer", [_newer_log, _newer_view, _newer_marker])
def test_what_a_newer_version_has_written_is_not_touched(data: Path, make_newer: Callable[[Path], None]) -> None:
    """F13: exit 65, and not a byte is written."""
    make_newer(data)
    before = prints_of(data)

    refused = run("node", "--data", str(data))

    assert 65 == refused.returncode, refused.stderr.decode()
    assert before == prints_of(data)


def test_a_second_process_is_kept_out_and_told_by_whom(data: Path) -> None:
    """F14: exit 69 naming the pid; reading commands go on beside the running node."""
    node = Node(data)
    node.send(b'{"type": "get_stats"}\n')
    node.wait_for(1)

    second = run("node", "--data", str(data))
    beside = run("stats", "--json", "--data", str(data))

    assert 69 == second.returncode
    assert str(node.process.pid) in second.stderr.decode()
    assert JOBS == json.loads(beside.stdout)["total"]
    assert JOBS == len(events_of(data))
    assert 0 == node.close()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """F14: exit 73 where a file stands in the way."""
    (tmp_path / "file").touch()

    refused = run("node", "--data", str(tmp_path / "file" / "data"))

    assert 73 == refused.returncode
    assert b"Traceback" not in refused.stderr


def test_a_folder_that_may_not_be_written_is_said(data: Path) -> None:
    """F14: exit 77 where the system refuses. (Root is asked to give up its rights over other people's files first.)"""
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    if powerless and shutil.which("setpriv") is None:
        pytest.skip("root may write to any folder, and setpriv is not there to change that")
    data.chmod(0o500)
    (data / "lock").chmod(0o400)

    refused = subprocess.run(
        [*powerless, *command("node", "--data", str(data))], input=b"", capture_output=True, timeout=30, check=False
    )
    data.chmod(0o700)

    assert 77 == refused.returncode, refused.stderr.decode()
    assert b"Traceback" not in refused.stderr
