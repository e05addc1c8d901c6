"""`jobsight replay` on a real folder: beside a service, trimmed or not, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from http_service import jobsight, service, until

pytestmark = pytest.mark.slow

RULES = """
[checks.nightly]
failure_threshold = 2

[checks.quick]
min_runtime = "1h"
"""


def report(data: Path, file: Path, *further: object) -> dict[str, Any]:
    """What the command prints for programs."""
    done = jobsight("replay", "--check", file, "--data", data, "--json", *further)
    assert 0 == done.returncode, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_replay_beside_a_service_tells_what_other_rules_would_have_done(tmp_path: Path) -> None:
    """One page less, one warning more; the service goes on, and nothing of it was changed."""
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    with service(tmp_path, "--notify", "http://127.0.0.1:9/x") as running:
        running.post({"type": "job_failed", "job_id": "a", "task": "nightly", "error": "no", "retries": 0})
        running.post({"type": "job_completed", "job_id": "b", "task": "nightly", "duration_ms": 5})
        running.post({"type": "update_status", "job_id": "c", "task": "quick", "status": "running"})
        running.post({"type": "job_completed", "job_id": "c", "task": "quick", "duration_ms": 5})
        until(lambda: report(running.data, file)["pages_then"] == 1, "the page in the view")
        found = report(running.data, file)
        before = jobsight("log", "verify", "--data", running.data).stdout
        shown = jobsight("replay", "--check", file, "--data", running.data)
        still = running.stats()

    lines = {(one["rule"], one["subject"]): one for one in found["lines"]}
    assert (1, 0) == (lines["job_failed", "nightly"]["pages_then"], lines["job_failed", "nightly"]["pages_now"])
    assert (0, 1) == (lines["too_fast", "quick"]["pages_then"], lines["too_fast", "quick"]["pages_now"])
    assert ["too_fast"] == [one["rule"] for one in found["new_pages"]]
    assert ["job_failed"] == [one["rule"] for one in found["gone_pages"]]
    assert 0 < found["left_out_ms"]
    assert "would have called somebody, and did not" in shown.stdout
    assert "called somebody, and would not have" in shown.stdout
    assert "sound" in before or "batches" in before
    assert 1 == still["failed"]


def test_the_rules_that_held_change_nothing(tmp_path: Path) -> None:
    """With an empty file: the same pages, none new and none gone, also after the service has ended."""
    file = tmp_path / "rules.toml"
    file.write_text("")
    with service(tmp_path, "--notify", "http://127.0.0.1:9/x") as running:
        for number in range(3):
            running.post(
                {"type": "job_failed", "job_id": f"a{number}", "task": f"t{number}", "error": "no", "retries": 0}
            )
        until(lambda: report(running.data, file)["pages_then"] == 3, "the pages in the view")
    found = report(tmp_path / "data", file)

    assert (3, 3, [], []) == (found["pages_then"], found["pages_now"], found["new_pages"], found["gone_pages"])


def test_a_file_that_is_wrong_and_a_folder_that_is_none_are_said(tmp_path: Path) -> None:
    """78 with the place; 66."""
    file = tmp_path / "rules.toml"
    file.write_text('[checks.a]\nscedule = "0 2 * * *"\n')
    wrong = jobsight("replay", "--check", file, "--data", tmp_path)
    file.write_text("")
    nothing = jobsight("replay", "--check", file, "--data", tmp_path / "none")

    assert (78, 66) == (wrong.returncode, nothing.returncode)
    assert "did you mean schedule" in wrong.stderr
