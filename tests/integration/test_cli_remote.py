"""The reading commands against a folder and against a service say the same; backups come back; exports can be read."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from http_service import JOBSIGHT, Service, environment, jobsight, service, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that knows three jobs."""
    with service(tmp_path_factory.mktemp("running")) as one:
        fill(one)
        yield one


def fill(one: Service) -> None:
    """Three jobs: one well, one failed, one that goes on; all of them in the view."""
    one.post({"type": "job_completed", "job_id": "a/1", "task": "etl", "duration_ms": 40})
    one.post(
        {"type": "job_failed", "job_id": "b", "task": "billing", "error": "Connection \x1b[31mtimeout", "retries": 3}
    )
    one.post({"type": "update_status", "job_id": "c", "status": "running", "progress": 25})
    until(lambda: len(json_of("jobs", "--data", one.data)["jobs"]) == 3, "the view to show all jobs")


def json_of(*arguments: object) -> dict[str, Any]:
    """What a command prints for programs."""
    done = jobsight(*arguments, "--json")
    assert not done.stderr, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "command",
    [
        ("stats",),
        ("stats", "--task", "etl"),
        ("jobs",),
        ("jobs", "--status", "failed"),
        ("jobs", "--limit", "1"),
        ("job", "a/1"),
        ("job", "a/1", "--history"),
    ],
    ids=" ".join,
)
def test_a_service_answers_as_its_folder_does(running: Service, command: tuple[str, ...]) -> None:
    """`--server` and `JOBSIGHT_SERVER` change where the answer comes from, and nothing of it."""
    of_folder = jobsight(*command, "--data", running.data)
    of_server = jobsight(*command, "--server", running.url)
    by_name = jobsight(*command, JOBSIGHT_SERVER=running.url)

    assert 0 == of_folder.returncode
    assert of_folder.stdout == of_server.stdout == by_name.stdout
    assert json_of(*command, "--data", running.data) == json_of(*command, "--server", running.url)


def test_a_token_is_asked_for_and_used(tmp_path: Path) -> None:
    """Without one that may read, exit code 77; JOBSIGHT_TOKEN holds it."""
    with service(tmp_path) as one:
        token = one.create_token("read")

        refused = jobsight("stats", "--server", one.url)
        assert (77, True) == (refused.returncode, "JOBSIGHT_TOKEN" in refused.stderr)
        assert 0 == jobsight("stats", "--server", one.url, JOBSIGHT_TOKEN=token).returncode
        # An environment file with the line ends of another system.
        assert 0 == jobsight("stats", JOBSIGHT_SERVER=f"{one.url}\r", JOBSIGHT_TOKEN=f"{token}\r\n").returncode


def test_a_server_that_does_not_answer_and_a_job_that_is_not_there() -> None:
    """Exit codes tell the one from the other."""
    assert 69 == jobsight("stats", "--server", "http://127.0.0.1:9").returncode


def test_a_slip_of_the_pen_is_answered_with_what_was_meant() -> None:
    """A command that is almost one, and an address that is no URL: exit code 2, and the remedy."""
    almost = jobsight("stat")
    no_url = jobsight("stats", "--server", "127.0.0.1:8787")

    assert (2, True) == (almost.returncode, "Did you mean stats or status?" in almost.stderr)
    assert (2, True) == (no_url.returncode, "expected a URL such as http://127.0.0.1:8787" in no_url.stderr)


@pytest.mark.parametrize("token", ["js_read_secret\u2192", "js_read_secret\nX-More: 1"])
def test_a_token_that_cannot_be_sent_is_not_shown(running: Service, token: str) -> None:
    """A slip in the environment is one line, and it holds nothing of the token."""
    refused = jobsight("stats", "--server", running.url, JOBSIGHT_TOKEN=token)

    assert (2, "", 1) == (refused.returncode, refused.stdout, refused.stderr.count("\n"))
    assert "JOBSIGHT_TOKEN" in refused.stderr
    assert "secret" not in refused.stderr


def test_a_file_of_authorities_that_is_not_there_is_said(tmp_path: Path) -> None:
    """SSL_CERT_FILE with a slip of the pen: the setting and the file are named."""
    refused = jobsight("status", "--server", "https://127.0.0.1:9", SSL_CERT_FILE=str(tmp_path / "none.pem"))

    assert (78, 1) == (refused.returncode, refused.stderr.count("\n"))
    assert "SSL_CERT_FILE: expected a PEM file" in refused.stderr
    assert "none.pem" in refused.stderr


def test_a_missing_job_of_a_service(running: Service) -> None:
    """Exit code 66, as for a folder."""
    assert 66 == jobsight("job", "nobody", "--server", running.url).returncode


@pytest.mark.parametrize("place", ["server", "data"])
def test_status_says_what_is_wrong(running: Service, place: str) -> None:
    """Firing alerts and failed tasks stand there, escaped; the exit code is 1."""
    done = jobsight("status", f"--{place}", running.url if place == "server" else running.data)

    assert 1 == done.returncode
    assert "firing" in done.stdout
    assert "billing" in done.stdout
    assert "Connection \\x1b[31mtimeout" in done.stdout
    assert "\x1b" not in done.stdout


def test_status_is_content_where_nothing_is_wrong(tmp_path: Path) -> None:
    """Exit code 0 and one line; a folder over which nobody watches is something wrong."""
    with service(tmp_path) as one:
        one.post({"type": "job_completed", "job_id": "a"})
        healthy = jobsight("status", "--server", one.url)
    lonely = jobsight("status", "--data", one.data)

    assert (0, "nothing is wrong; 1 job is known\n") == (healthy.returncode, healthy.stdout)
    assert 1 == lonely.returncode
    assert "no process watches over" in lonely.stdout


def test_tail_shows_reports_as_they_come(tmp_path: Path) -> None:
    """Filtered by task and status; the data folder's own service is found by itself."""
    with service(tmp_path) as one:
        words = [
            JOBSIGHT,
            "tail",
            "--data",
            str(one.data),
            "--task",
            "etl",
            "--status",
            "failed",
            "--count",
            "1",
            "--json",
        ]
        tail = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment())

        def reported() -> bool:
            one.post({"type": "job_completed", "job_id": "a", "task": "etl"})
            one.post({"type": "job_failed", "job_id": "b", "task": "other", "error": "not this"})
            one.post({"type": "job_failed", "job_id": "c", "task": "etl", "error": "boom"})
            return tail.poll() is not None

        until(reported, "the report to be shown")
        out, _ = tail.communicate()
    event = json.loads(out)

    assert ("etl", "failed", "boom") == (event["task"], event["status"], event["message"]["body"]["error"])


@pytest.mark.parametrize("name", ["copy", "copy.tar.gz"])
def test_a_backup_of_a_running_service_comes_back(tmp_path: Path, name: str) -> None:
    """Taken while reports come in, verified, and the same again after it was restored."""
    with service(tmp_path) as one:
        fill(one)
        made = jobsight("backup", tmp_path / name, "--data", one.data)
        one.post({"type": "heartbeat", "job_id": "too late"})
    restored = tmp_path / "restored"
    back = jobsight("restore", tmp_path / name, "--data", restored)
    rebuilt = jobsight("view", "rebuild", "--data", restored)
    again = jobsight("restore", tmp_path / name, "--data", restored)

    assert (0, 0, 0, 73) == (made.returncode, back.returncode, rebuilt.returncode, again.returncode), made.stderr
    assert ["c", "b", "a/1"] == [job["job_id"] for job in json_of("jobs", "--data", restored)["jobs"]]
    assert 0o700 == restored.stat().st_mode & 0o777
    assert {0o600} == {path.stat().st_mode & 0o777 for path in restored.iterdir() if path.is_file()}


def test_a_damaged_backup_is_not_put_back(tmp_path: Path) -> None:
    """Every batch is checked before anything is written."""
    with service(tmp_path) as one:
        fill(one)
        jobsight("backup", tmp_path / "copy", "--data", one.data)
    log = tmp_path / "copy" / "log.db"
    content = bytearray(log.read_bytes())
    content[-200] ^= 1
    log.write_bytes(content)
    done = jobsight("restore", tmp_path / "copy", "--data", tmp_path / "restored")

    assert 65 == done.returncode
    assert not (tmp_path / "restored").exists()


def test_secrets_are_copied_only_when_asked_for(tmp_path: Path) -> None:
    """A backup may lie where secrets may not."""
    with service(tmp_path) as one:
        (one.data / "secrets").mkdir(exist_ok=True)
        (one.data / "secrets" / "channel").write_text("https://hooks.example.org/secret")
        jobsight("backup", tmp_path / "plain", "--data", one.data)
        jobsight("backup", tmp_path / "full", "--data", one.data, "--secrets")

    assert not (tmp_path / "plain" / "secrets").exists()
    assert (tmp_path / "full" / "secrets" / "channel").is_file()


def test_exports_can_be_read_by_other_programs(running: Service) -> None:
    """Jobs and events, as NDJSON and as CSV; a ping URL's secret stands in none of them."""
    path = jobsight("ping-url", "create", "--task", "etl", "--data", running.data).stdout.strip()
    lines = [json.loads(line) for line in jobsight("export", "jobs", "--data", running.data).stdout.splitlines()]
    text = jobsight("export", "jobs", "--data", running.data, "--format", "csv", "--status", "failed").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    events = jobsight("export", "events", "--data", running.data).stdout
    table = list(
        csv.DictReader(io.StringIO(jobsight("export", "events", "--data", running.data, "--format", "csv").stdout))
    )

    assert ["c", "b", "a/1"] == [line["job_id"] for line in lines]
    assert [("b", "billing", "failed", "3")] == [(r["job_id"], r["task"], r["status"], r["retries"]) for r in rows]
    assert "a/1" == json.loads(events.splitlines()[0])["message"]["body"]["job_id"] or "reports" not in events
    assert len(events.splitlines()) == len(table)
    assert path.removeprefix("/ping/") not in events
