"""How far the view may be behind what was answered."""

from __future__ import annotations

from pathlib import Path

from transcript_runner import Node

from jobsight.app.stores import read_view
from jobsight.engine.writer import LAG_EVENTS_MAX

READ_EVENTS = 1_000


def test_however_fast_reports_come_the_view_lags_by_a_bounded_number(tmp_path: Path) -> None:
    """Where no time passes for a flush, the number of events brings it about, whether a job is new, known, or told of again."""
    node = Node(tmp_path / "data")
    lags = []
    for read in range(2 * LAG_EVENTS_MAX // READ_EVENTS):
        node.send(b"".join(b'{"type": "heartbeat", "job_id": "j%d"}\n' % (n % 100) for n in range(READ_EVENTS)))
        with read_view(tmp_path / "data") as view:
            lags.append((read + 1 - view.applied().applied_seq) * READ_EVENTS)
    node.close()

    assert max(lags) <= LAG_EVENTS_MAX
    assert 0 == min(lags)
