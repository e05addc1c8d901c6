"""A view in memory that holds some reports."""

from __future__ import annotations

from collections.abc import Iterable

from jobsight.core.apply import apply
from jobsight.core.events import AnyReport, Batch
from jobsight.view.store import View


def view_of(reports: Iterable[AnyReport], at_ms: int, step_ms: int) -> View:
    """The view of reports, the first one at a moment (ms UTC), each so many milliseconds after the one before; flushed once."""
    view = View.open(None)
    state = view.load_state()
    for place, report in enumerate(reports):
        apply(state, Batch(seq=place + 1, accept_ms=at_ms + place * step_ms, sources=["w"], events=[report]))
    view.flush(state, b"c")
    return view
