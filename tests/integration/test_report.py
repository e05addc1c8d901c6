"""`jobsight report`: one report from a shell line, whose order holds through an outage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.client_monitor import Monitor, answers

from jobsight.client.reports import line_of
from jobsight.client.settings import Settings
from jobsight.client.spool import Spool

JOBSIGHT = [sys.executable, "-c", "import sys; from jobsight.cli import main; sys.exit(main())"]

SOON_S = 30

pytestmark = pytest.mark.slow  # each test starts processes


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Monitor]:
    """A monitor that answers."""
    one = Monitor(tmp_path / "monitor")
    yield one
    one.stop()


def report(url: str, tmp_path: Path, *words: str) -> tuple[int, str, str]:
    """Send one report; exit code, stdout and stderr."""
    ended = subprocess.run(
        [*JOBSIGHT, "report", *words],
        env={**os.environ, "JOBSIGHT_SERVER": url, "JOBSIGHT_SPOOL": str(tmp_path / "spool")},
        capture_output=True,
        text=True,
        timeout=SOON_S,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_the_reply_is_printed(monitor: Monitor, tmp_path: Path) -> None:
    """A script sees what the monitor answered."""
    code, out, err = report(monitor.url, tmp_path, "j1", "running", "--progress", "25", "--task", "nightly")

    assert (0, "") == (code, err)
    assert {
        "type": "status_updated",
        "in_reply_to": 1,
        "job_id": "j1",
        "status": "running",
        "progress": 25,
    } == json.loads(out)
    assert "nightly" == monitor.reports()[0]["task"]


def test_ends_count_as_ends(monitor: Monitor, tmp_path: Path) -> None:
    """Completed, failed and cancelled jobs stand so in the statistics."""
    report(monitor.url, tmp_path, "j1", "completed", "--duration", "12.5s")
    _, failed, _ = report(monitor.url, tmp_path, "j2", "failed", "--error", "Connection timeout", "--retries", "3")
    report(monitor.url, tmp_path, "j3", "cancelled", "--message", "not needed")

    assert {"total": 3, "completed": 1, "failed": 1, "avg_duration_ms": 12500} == {
        key: value for key, value in monitor.stats().items() if key != "type"
    }
    assert "Job failed after 3 retries: Connection timeout" == json.loads(failed)["alert"]


def test_a_refusal_is_said_with_its_reason(monitor: Monitor, tmp_path: Path) -> None:
    """What the monitor will never take is an error, with the monitor's words; nothing is kept."""
    monitor.faults.append(
        answers(200, b'{"type": "error", "code": 12, "text": "body.task: expected something else"}\n')
    )
    code, out, err = report(monitor.url, tmp_path, "j1", "running")

    assert (1, "") == (code, out)
    assert "body.task: expected something else" in err
    assert not list(tmp_path.glob("spool/*/*.ndjson"))


def test_reports_of_an_outage_are_kept_and_go_out_in_order(monitor: Monitor, tmp_path: Path) -> None:
    """Each report of a script comes from a process of its own; after an outage they arrive in their order all the same."""
    monitor.faults.extend([answers(500)] * 2)
    first = report(monitor.url, tmp_path, "j1", "running")
    second = report(monitor.url, tmp_path, "j1", "running", "--progress", "50", "--strict")
    third = report(monitor.url, tmp_path, "j1", "completed")

    assert (0, 69, 0) == (first[0], second[0], third[0])
    assert first[1].startswith("kept for later in ")
    assert "answers 500" in second[2]
    assert "job_completed" == json.loads(third[1])["type"]
    assert ["running", "running", None] == [body.get("status") for body in monitor.reports()]
    assert [None, 50, None] == [body.get("progress") for body in monitor.reports()]


def test_what_is_refused_as_a_whole_does_not_hold_up_a_script_for_good(monitor: Monitor, tmp_path: Path) -> None:
    """What waited goes in smaller requests where it was too much at once; a single one that is refused is said, and dropped."""
    bodies = [{"type": "update_status", "job_id": f"j{number}", "status": "running"} for number in range(3)]
    spool = Spool(Settings(server=monitor.url, spool=tmp_path / "spool").spool)
    spool.append([line_of("a-program", number, body) for number, body in enumerate(bodies)])
    too_large = answers(413, b'{"type": "error", "code": 12, "text": "too large"}\n')
    monitor.faults.extend([too_large, too_large])
    code, _, err = report(monitor.url, tmp_path, "j3", "running")

    assert (0, 1) == (code, err.count("one that waited was refused"))
    assert ["j1", "j2", "j3"] == [body["job_id"] for body in monitor.reports()]


def test_a_lost_report_is_an_error(tmp_path: Path) -> None:
    """Where a report can neither be sent nor kept, the script is told."""
    (tmp_path / "spool").touch()
    code, _, err = report("http://127.0.0.1:9", tmp_path, "j1", "running")

    assert 74 == code
    assert "lost" in err


@pytest.mark.parametrize("closed", [">&-", ">/dev/full", "<&- >&- 2>&-", "PYTHONIOENCODING=ascii"])
def test_a_reply_that_nobody_takes_does_not_look_like_a_refusal(monitor: Monitor, tmp_path: Path, closed: str) -> None:
    """The exit code says what became of the report, whatever stdout is: a script with `set -e` goes on."""
    env = {**os.environ, "JOBSIGHT_SERVER": monitor.url, "JOBSIGHT_SPOOL": str(tmp_path / "spool")}
    script = f'"$@" {closed}' if "=" not in closed else f'{closed} "$@"'
    command = [*JOBSIGHT, "report", "naïve→", "running"]
    ended = subprocess.run(["/bin/sh", "-c", script, "sh", *command], env=env, timeout=SOON_S, check=False)

    assert 0 == ended.returncode
    assert ["naïve→"] == [body["job_id"] for body in monitor.reports()]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("j1",),
        ("j1", "running", "more"),
        ("j1", ""),
        ("j1", "running", "--progress", "101"),
        ("j1", "running", "--error", "no"),
        ("j1", "failed", "--duration", "3s"),
        ("j1", "x" * 65),
        ("j1", "completed", "--duration", "9" * 400),
        ("j1", "failed", "--retries", "9" * 20),
        ("j1", "running", "--unknown"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Exit code 2, and one line that says what is wrong."""
    code, out, err = report("http://127.0.0.1:9", tmp_path, *words)

    assert (2, "", 1) == (code, out, err.count("\n"))


def test_help_and_the_list_of_commands_name_it(tmp_path: Path) -> None:
    """`jobsight --help` lists `run` and `report`; each has a page of its own."""
    page = subprocess.run([*JOBSIGHT, "--help"], capture_output=True, text=True, check=True).stdout

    assert "Report where a job stands" in page
    assert "Run a command and watch it" in page
    assert report("off", tmp_path, "--help")[1].startswith("Usage: jobsight report")


def test_a_monitor_that_is_off_gets_nothing(tmp_path: Path) -> None:
    """`JOBSIGHT_SERVER=off` switches a script's reports off."""
    assert (0, "", "") == report("off", tmp_path, "j1", "running")


@pytest.mark.parametrize(
    ("status", "meant"), [("done", "completed"), ("Failed", "failed"), ("canceled", "cancelled"), ("copying", None)]
)
def test_a_word_that_sounds_like_an_end_is_stored_and_the_true_one_is_named(
    monitor: Monitor, tmp_path: Path, status: str, meant: str | None
) -> None:
    """A script that says `done` would never hear that its job is taken for one that still goes on."""
    code, _, said = report(monitor.url, tmp_path, "j", status)

    assert 0 == code
    assert ("" if meant is None else f"for an end say {meant}") == said.strip().rpartition("; ")[2]
