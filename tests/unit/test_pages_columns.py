"""The columns of charts, and what is remembered of them."""

from __future__ import annotations

from jobsight.core.apply import apply
from jobsight.core.events import AnyReport, Batch, JobCompleted, JobFailed
from jobsight.core.state import State
from jobsight.transports.http.pages.columns import Columns, Known, row_of
from jobsight.view.store import View

AT_MS = 1_795_608_000_000
NOW_MS = AT_MS + 25_000


def tell(view: View, state: State, seq: int, at_ms: int, event: AnyReport) -> None:
    """One report, stored and shown."""
    apply(state, Batch(seq=seq, accept_ms=at_ms, sources=["w"], events=[event]))
    view.flush(state, b"c")


def figures(known: list[Known]) -> list[tuple[int, int, float | None, list[tuple[int, int]]]]:
    """Of the columns in which something ended: completed, failed, median, rows."""
    shown = [(one.column.completed, one.column.failed, one.column.p50_ms, one.rows) for one in known]
    return [one for one in shown if one[0] or one[1]]


def test_only_columns_that_have_changed_are_worked_out_again() -> None:
    """Whoever looks again sees what has come meanwhile; of the rest nothing is counted twice."""
    view, remembered = View.open(None), Columns()
    state, reader = view.load_state(), view.reader()
    tell(view, state, 1, AT_MS, JobCompleted(job_id="a", task="t", duration_ms=100))
    tell(view, state, 2, AT_MS + 20_000, JobFailed(job_id="b", task="t", error="x", retries=0))
    first = remembered.of(reader, "10m", "t", NOW_MS)
    again = remembered.of(reader, "10m", "t", NOW_MS)
    tell(view, state, 3, AT_MS + 21_000, JobCompleted(job_id="c", task="t", duration_ms=100))
    later = remembered.of(reader, "10m", "t", NOW_MS)

    assert first == again
    assert [AT_MS + 20_000] == [new.column.at_ms for old, new in zip(first, later, strict=True) if old is not new]
    assert [1, 0] == [one[0] for one in figures(first)]
    assert [(1, 0), (1, 1)] == [one[:2] for one in figures(later)]
    assert 60 == len(first)
    view.close()


def test_a_row_of_the_heatmap_is_half_a_doubling() -> None:
    """Everything below a millisecond lies in the first one."""
    assert [0, 0] == [row_of(0), row_of(127)]
    assert sorted(rows := [row_of(bucket) for bucket in range(128, 4_000)]) == rows
