"""`jobsight doctor`: what is wrong with a folder, in words and as an exit code."""

from __future__ import annotations

import json
from pathlib import Path

import apsw
import pytest
from http_service import jobsight
from node_process import run_node

REPORTS = b'{"type": "update_status", "job_id": "j", "status": "success"}\n{"type": "job_completed", "job_id": "k"}\n'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with two jobs, whose node has ended well."""
    folder = tmp_path / "data"
    assert 0 == run_node(REPORTS, "--data", str(folder)).returncode
    return folder


def doctor(data: Path, *options: str) -> tuple[int, dict[str, str]]:
    """The exit code, and what was looked at with its state."""
    done = jobsight("doctor", "--data", data, "--json", *options)
    return done.returncode, {one["what"]: one["state"] for one in json.loads(done.stdout)}


def test_a_sound_folder_is_well_and_a_dubious_word_is_named(data: Path) -> None:
    """Warnings do not make a script fail."""
    code, states = doctor(data, "--verify")

    assert 0 == code
    assert ("ok", "ok", "ok") == (states["log"], states["log, all of it"], states["view"])
    assert "warning" == states["status words"]


def test_a_folder_that_is_not_there_yet_is_no_fault(tmp_path: Path) -> None:
    """The first start makes it."""
    code, states = doctor(tmp_path / "none")

    assert (0, "warning") == (code, states["folder"])


def test_a_missing_view_is_only_warned_of(data: Path) -> None:
    """A backup holds none: the log has everything, and the next start makes the view from it."""
    (data / "view.db").unlink()
    code, states = doctor(data)

    assert (0, "warning") == (code, states["view"])


def test_damage_is_65(data: Path) -> None:
    """A changed batch is found where all of the log is looked at, a damaged view in any case."""
    connection = apsw.Connection(str(data / "log.db"))
    connection.execute("UPDATE batches SET accept_ms = accept_ms + 1 WHERE seq = 1")
    connection.close()
    by_verifying = doctor(data, "--verify")
    (data / "view.db").write_bytes(b"not a database, whatever its name says")
    by_looking = doctor(data)

    assert (65, "bad") == (by_verifying[0], by_verifying[1]["log, all of it"])
    assert (65, "bad") == (by_looking[0], by_looking[1]["view"])
