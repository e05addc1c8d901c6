"""
Draws the job machine and the alert machine from their tables in `core/`.

    .venv/bin/python docs/make_diagrams.py

writes them into docs/reference/statuses.md, between the marks `<!-- made: NAME -->` and `<!-- end -->`. A test fails
while the page differs from the tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from jobsight.core.alert import ALERT_TRANSITIONS, AlertKind
from jobsight.core.job import AS_REPORTED, NEW, OTHER_WORD, TERMINAL, TRANSITIONS, Kind

PAGE = Path(__file__).resolve().parent / "reference" / "statuses.md"

JOB_EVENTS = {
    Kind.HEARD: "heartbeat",
    Kind.UPDATED: "update_status",
    Kind.COMPLETED: "job_completed",
    Kind.RETRIES_LEFT: "job_failed, retries left",
    Kind.RETRIES_OVER: "job_failed, retries over",
    Kind.CANCELLED: "job_cancelled",
    Kind.SILENT: "silent too long",
}
ALERT_EVENTS = {
    AlertKind.FAILED: "a job failed for good, a rule found something",
    AlertKind.SUCCEEDED: "success",
    AlertKind.SUPERSEDED: "the failure came too late to matter",
    AlertKind.COUNTED: "a failure below the threshold",
    AlertKind.ENDED: "the condition holds no more",
    AlertKind.RETRACTED: "a late report took it back",
    AlertKind.ACKNOWLEDGED: "acknowledged",
    AlertKind.LAPSED: "24 hours later",
    AlertKind.BY_HAND: "resolved by hand",
    AlertKind.EXPIRED: "nothing more was heard",
    AlertKind.NOTED: "a notice",
}
STATES = {NEW: "(new)", OTHER_WORD: "any other word", AS_REPORTED: "as reported"}
KEPT = "(stays)"


def shared_by_all(kind: Kind) -> str | None:
    """Where an event leads from every state alike; None where that differs."""
    cells = {row.get(kind) for row in TRANSITIONS.values()}
    return cells.pop() if len(cells) == 1 else None


def node(state: str) -> str:
    """A state's name in a diagram."""
    return {NEW: "[*]", OTHER_WORD: "other", AS_REPORTED: "reported"}.get(state, state)


def job_diagram() -> str:
    """What leads to the same place from everywhere is drawn once, from "any status"."""
    lines = [
        "stateDiagram-v2",
        "    direction LR",
        '    state "any status" as any',
        f'    state "{STATES[AS_REPORTED]}" as reported',
        f'    state "{STATES[OTHER_WORD]}" as other',
    ]
    for kind, words in JOB_EVENTS.items():
        target = shared_by_all(kind)
        if target is not None:
            lines.append(f"    any --> {node(target)}: {words}")
            continue
        lines += [
            f"    {node(state)} --> {node(row[kind])}: {words}"
            for state, row in TRANSITIONS.items()
            if kind in row and row[kind] != state
        ]
    return fenced(lines)


def job_table() -> str:
    """One row a status, one column an event."""
    lines = [
        "| status | " + " | ".join(JOB_EVENTS.values()) + " |",
        "|---" * (len(JOB_EVENTS) + 1) + "|",
    ]
    for state, row in TRANSITIONS.items():
        name = STATES.get(state, f"`{state}`") + (" (end)" if state in TERMINAL else "")
        lines.append(f"| {name} | " + " | ".join(cell(row, kind, state) for kind in JOB_EVENTS) + " |")
    return "\n".join(lines)


def cell(row: Mapping[Kind, str], kind: Kind, state: str) -> str:
    """Where one event leads from one status."""
    target = row.get(kind, state)
    return KEPT if target == state and shared_by_all(kind) is None else STATES.get(target, f"`{target}`")


def alert_diagram() -> str:
    """One arrow from a state to another, with everything that leads along it."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for state, row in ALERT_TRANSITIONS.items():
        for kind, target in row.items():
            words = ALERT_EVENTS.get(kind, kind.name.lower().replace("_", " "))
            arrows.setdefault((state or "[*]", target), []).append(words)
    return fenced(
        [
            "stateDiagram-v2",
            *(f"    {state} --> {target}: {'<br>'.join(words)}" for (state, target), words in arrows.items()),
            *(f"    {state} --> [*]" for state, row in ALERT_TRANSITIONS.items() if not row),
        ]
    )


def fenced(lines: list[str]) -> str:
    """A diagram as GitHub and most tools draw it."""
    return "\n".join(["```mermaid", *lines, "```"])


PARTS = {"job-diagram": job_diagram, "job-table": job_table, "alert-diagram": alert_diagram}


def redrawn(page: str) -> str:
    """The page with every part as the tables have it now; ValueError when a mark is missing."""
    for name, draw in PARTS.items():
        parts = re.split(rf"(<!-- made: {name} -->\n)(?:.*?)(<!-- end -->)", page, flags=re.DOTALL)
        if len(parts) != 4:
            raise ValueError(f"{PAGE.name}: expected one part `<!-- made: {name} -->`, found {len(parts) // 3}")
        before, mark, end, after = parts
        page = f"{before}{mark}{draw()}\n{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(redrawn(PAGE.read_text()))
