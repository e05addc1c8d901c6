"""`make demo` shows what it says, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from http_service import DEADLINE_S, environment, until

DEMO = Path(__file__).resolve().parent.parent.parent / "examples" / "demo" / "demo.py"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_demo_shows_a_fleet_and_its_alerts(tmp_path: Path) -> None:
    """Jobs that fail, stand still or stay silent come into the inbox; the commands that it names work; Ctrl-C ends all."""
    out = tmp_path / "out"
    with out.open("wb") as stdout:
        process = subprocess.Popen(
            [sys.executable, str(DEMO), "--port", "0"],
            stdout=stdout,
            stderr=subprocess.STDOUT,
            cwd=tmp_path,
            env=environment(TMPDIR=str(tmp_path)),
        )
    try:
        for words in (
            "[critical] invoices: Job failed after 2 retries: Connection timeout",
            "[critical] backup: Job failed after 0 retries: exit code 1",
            "No space left on device",
            "[warning] reindex: ",
            "[critical] import-feed: ",
            "[resolved] ",
        ):
            until(lambda words=words: words in out.read_text(), words)
        server = re.search(r"export (JOBSIGHT_SERVER)=(\S+)", out.read_text())
        assert server is not None
        command = [str(Path(sys.executable).parent / "jobsight"), "jobs", "--json"]
        listed = subprocess.run(
            command, capture_output=True, text=True, timeout=DEADLINE_S, env=environment(JOBSIGHT_SERVER=server[2])
        )
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(DEADLINE_S)

    assert 0 == code
    assert [] == [task for task in ("thumbnails", "invoices", "backup", "reindex") if task not in listed.stdout]
    assert [] == [name for name in os.listdir(tmp_path) if name.startswith("jobsight-demo-")]
