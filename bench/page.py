"""
The tables of the page of figures, written from the newest kept results: `python -m bench.page`.

A table stands between `<!-- figures: NAME -->` and `<!-- end -->`; what lies between them is replaced. Where there is no
result that holds the measure, the table says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"
TARGET = Path(__file__).parent.parent / "docs" / "explanation" / "performance.md"
STEPS = ("decode", "append", "fetch", "apply", "reply", "flush")

_BLOCK = re.compile(r"<!-- figures: (\w+) -->\n.*?<!-- end -->", re.DOTALL)

Figures = dict[str, Any]
Rows = list[tuple[str, str, str]]


def _number(value: float) -> str:
    return f"{value:,}"


def _rows_of_write(figures: Figures) -> Rows:
    return [
        ("acknowledged reports a second", _number(figures["reports_per_s"]), "200,000"),
        ("CPU seconds per million reports", _number(figures["cpu_s_per_million"]), "5"),
        ("share of the floor", _number(figures["share_of_floor"]), "0.55"),
        ("bytes on disk a report, everything", _number(figures["disk_bytes_per_report"]), "45"),
        ("memory at the end, MB", _number(figures["memory_mb"]), ""),
        ("the floor itself, reports a second", _number(figures["floor_per_s"]), ""),
        ("the floor's CPU seconds per million", _number(figures["floor_cpu_s_per_million"]), ""),
    ]


def _rows_of_round_trip(figures: Figures) -> Rows:
    return [
        ("round trip, median", f"{figures['p50_ms']} ms", ""),
        ("the bare loop, median", f"{figures['bare_p50_ms']} ms", ""),
        ("times the bare loop", _number(figures["times_bare"]), "2"),
    ]


def _rows_of_steps(figures: Figures) -> Rows:
    return [(step, _number(figures[f"{step}_us"]), _number(figures[f"{step}_times_decoding"])) for step in STEPS]


def _rows_of_replay(figures: Figures) -> Rows:
    return [("events a second", _number(figures["events_per_s"]), "300,000")]


def _rows_of_growth(figures: Figures) -> Rows:
    marks = sorted({int(name.split("_")[1]) for name in figures if name.startswith("at_")})
    most = marks[-1]
    rows = [
        (
            f"CPU time of a report with {mark:,} jobs, times that with 100,000",
            _number(figures[f"at_{mark}_times_small"]),
            "1.25",
        )
        for mark in marks
    ]
    return [
        *rows,
        (f"memory with {most:,} jobs, 2,000 active, MB", _number(figures[f"at_{most}_memory_mb"]), "250"),
        ("start after kill -9", f"{figures['start_after_kill_s']} s", "2 s"),
        ("`get_stats`, 99 of 100 within", f"{figures[f'at_{most}_get_stats_p99_ms']} ms", "1 ms"),
        ("the longest pause of answers under full load", f"{figures[f'at_{most}_longest_pause_ms']} ms", "100 ms"),
    ]


def _rows_of_peers(figures: Figures) -> Rows:
    rows = [
        (
            "Jobsight: a report, answered when it is on disk, with state, history, statistics and alerts",
            _number(figures["jobsight_reports_per_s"]),
            _number(figures["jobsight_cpu_s_per_million"]),
        )
    ]
    if "redis_reports_per_s" in figures:
        rows.append(
            (
                "Redis streams, `appendfsync always`, 1,000 in a pipeline: a line, on disk when answered; no state, no statistics",
                _number(figures["redis_reports_per_s"]),
                _number(figures["redis_cpu_s_per_million"]),
            )
        )
    if "flower_events_per_s" in figures:
        rows.append(
            (
                "Flower: a Celery task event, in memory; nothing is answered, nothing is kept over a kill",
                _number(figures["flower_events_per_s"]),
                _number(figures["flower_cpu_s_per_million"]),
            )
        )
    return rows


TABLES: dict[str, tuple[tuple[str, str, str], Callable[[Figures], Rows]]] = {
    "write": (("figure", "measured", "target"), _rows_of_write),
    "round_trip": (("figure", "measured", "target"), _rows_of_round_trip),
    "steps": (("step", "CPU us a report", "times bare decoding"), _rows_of_steps),
    "replay": (("figure", "measured", "target"), _rows_of_replay),
    "growth": (("figure", "measured", "target"), _rows_of_growth),
    "peers": (("what takes in what, and promises what", "a second", "CPU s per million"), _rows_of_peers),
}


def newest(measure: str, folder: Path = FOLDER) -> dict[str, Any] | None:
    """The newest kept result that holds a measure."""
    for path in sorted(folder.glob("*.json"), reverse=True):
        result: dict[str, Any] = json.loads(path.read_text())
        if measure in result:
            return result
    return None


def block(measure: str) -> str:
    """One table with what it was taken on."""
    result = newest(measure)
    if result is None:
        return f"<!-- figures: {measure} -->\nNo result is kept yet.\n<!-- end -->"
    heads, rows_of = TABLES[measure]
    machine = result["machine"]
    note = f" {result['note']}" if "note" in result else ""
    lines = [f"| {' | '.join(heads)} |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows_of(result[measure])]
    taken = (
        f"Taken on {result['date']}: {machine['cpu']}, {machine['cores']} cores of a shared host, {machine['system']}, "
        f"Python {machine['python']}; {result['reports']:,} reports, median of {result['runs']}.{note}"
    )
    return "\n".join([f"<!-- figures: {measure} -->", *lines, "", taken, "<!-- end -->"])


def main() -> None:
    """Write the tables into the page."""
    text = TARGET.read_text()
    TARGET.write_text(_BLOCK.sub(lambda found: block(found[1]), text))


if __name__ == "__main__":
    main()
