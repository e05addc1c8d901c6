"""`jobsight node --listen`: stdin and HTTP in one process, on one state."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from http_service import DEADLINE_S, EVENTS, JOBSIGHT, environment, jobsight, until


@contextmanager
def node(folder: Path, *arguments: object) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A node on pipes that also listens, and its URL."""
    errors = folder / "stderr"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [JOBSIGHT, "node", "--listen", "127.0.0.1:0", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment(),
        )
    try:
        found = until(lambda: re.search(r"listening on (\S+)", errors.read_text()), "the address")
        yield process, found[1]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=DEADLINE_S)


def ask(process: subprocess.Popen[bytes], line: str) -> dict[str, object]:
    """One line in, one line out."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()
    answer: dict[str, object] = json.loads(process.stdout.readline())
    return answer


@pytest.mark.parametrize("has_folder", [False, True])
def test_what_comes_in_on_one_side_is_known_on_the_other(tmp_path: Path, has_folder: bool) -> None:
    """One log, one state; with a folder it is kept, without one it is gone at the end."""
    arguments = ["--data", tmp_path / "data"] if has_folder else []
    with node(tmp_path, *arguments) as (process, url):
        by_pipe = ask(process, '{"type":"job_completed","msg_id":1,"job_id":"a","duration_ms":10}')
        by_http = httpx.post(url + EVENTS, json={"type": "job_failed", "job_id": "b", "retries": 1}, trust_env=False)
        seen = ask(process, '{"src":"c","body":{"type":"get_stats","msg_id":2}}')
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None

        assert 0 == process.wait(DEADLINE_S)
    assert {"type": "job_completed", "in_reply_to": 1, "job_id": "a", "duration_ms": 10} == by_pipe
    assert "alert_sent" == by_http.json()["type"]
    assert (2, 1, 1) == (seen["total"], seen["completed"], seen["failed"])
    if has_folder:
        assert 2 == json.loads(jobsight("stats", "--json", "--data", tmp_path / "data").stdout)["total"]


def test_the_end_of_the_input_waits_for_the_answers(tmp_path: Path) -> None:
    """Everything that was read is answered, in order, also the last line without a newline."""
    lines = [b'{"type":"heartbeat","msg_id":%d,"job_id":"j%d"}' % (n, n % 1000) for n in range(50_000)]
    with node(tmp_path) as (process, _):
        answers, _ = process.communicate(b"\n".join(lines), timeout=DEADLINE_S)

    assert list(range(50_000)) == [int(found) for found in re.findall(rb'"in_reply_to": (\d+)', answers)]
    assert 0 == process.returncode


def test_a_signal_ends_both_sides(tmp_path: Path) -> None:
    """What was read is answered, the exit code is 0."""
    with node(tmp_path) as (process, url):
        ask(process, '{"type":"heartbeat","job_id":"a"}')
        process.send_signal(signal.SIGTERM)

        assert 0 == process.wait(DEADLINE_S)
        with pytest.raises(httpx.HTTPError):
            httpx.get(url + "/healthz", trust_env=False)


def test_an_output_that_nobody_reads_any_more_ends_it_with_74(tmp_path: Path) -> None:
    """As without `--listen`: what was read is stored, and it is said."""
    with node(tmp_path, "--data", tmp_path / "data") as (process, _):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.close()
        process.stdin.write(b'{"type":"heartbeat","job_id":"a"}\n')
        process.stdin.flush()
        code = process.wait(DEADLINE_S)
        process.stdin.close()
        process.stdout = process.stdin = None

    assert 74 == code
    assert "stdout is gone" in (tmp_path / "stderr").read_text()
    assert 1 == json.loads(jobsight("stats", "--json", "--data", tmp_path / "data").stdout)["total"]


def test_what_cannot_be_combined_is_said(tmp_path: Path) -> None:
    """Starting over is a decision of its own; an address that others reach needs a token here as well."""
    both = jobsight("node", "--listen", "127.0.0.1:0", "--init-new", "--data", tmp_path / "data")
    open_to_all = jobsight("node", "--listen", "0.0.0.0:0")

    assert (2, 78) == (both.returncode, open_to_all.returncode)
    assert "jobsight token create" in open_to_all.stderr
