"""What a long run leaves behind: a file with its machine, date and figures."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pytest

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, object]:
    """Where and when something was run."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
    }


def summary_of(reports: Iterable[pytest.TestReport]) -> dict[str, dict[str, Any]]:
    """For each test function: how many of its cases held, were broken or left out, for how long, and what they have measured."""
    found: dict[str, dict[str, Any]] = {}
    for report in reports:
        name = report.nodeid.partition("[")[0]
        one = found.setdefault(name, {"passed": 0, "failed": 0, "skipped": 0, "seconds": 0.0, "figures": {}})
        one[report.outcome] += 1
        one["seconds"] = round(one["seconds"] + report.duration, 1)
        one["figures"].update(report.user_properties)
    return dict(sorted(found.items()))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Write the result of a long run; its workers leave that to the one that has started them."""
    if os.environ.get("JOBSIGHT_FAULTS") != "long" or hasattr(config, "workerinput"):
        return
    stats = terminalreporter.stats
    reports = [
        report
        for outcome in ("passed", "failed", "skipped")
        for report in stats.get(outcome, [])
        if report.when == "call" or outcome == "skipped"
    ]
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d-%H%M}-faults.json"
    path.write_text(json.dumps({**machine(), "command": "make faults", "tests": summary_of(reports)}, indent=1) + "\n")
    terminalreporter.write_line(f"result: {path}")
