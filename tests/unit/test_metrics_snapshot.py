"""Which tasks have series in the metrics, with a clock that the test owns."""

from __future__ import annotations

from jobsight.core.state import State
from jobsight.engine.instruments import Instruments
from jobsight.engine.recent import Recent
from jobsight.transports.http.asking import Asking, Source
from jobsight.transports.http.metrics import TASKS_MAX, Metrics, Snapshot

NOW_MS = 1_700_000_000_000


def nothing() -> Source:
    """No snapshot asks the view."""
    raise AssertionError


def snapshot(last_ends_ms: dict[str, int]) -> Snapshot:
    """What is shown when tasks ended then, and series last a minute."""
    recent = Recent()
    for task, last_end_ms in last_ends_ms.items():
        recent.restore(task, last_end_ms, "completed", last_end_ms)
    metrics = Metrics(
        state=State(),
        instruments=Instruments(),
        recent=recent,
        asking=Asking(nothing),
        clock_ms=lambda: NOW_MS,
        expires_ms=60_000,
    )
    return metrics.snapshot()


def test_series_of_quiet_tasks_expire() -> None:
    """A task that ended nothing for the time that is set is left out, and counted as such."""
    shown = snapshot({"busy": NOW_MS - 60_000, "quiet": NOW_MS - 60_001})

    assert ["busy"] == [task for task, _ in shown.tasks]
    assert 1 == shown.tasks_left_out


def test_the_tasks_that_ended_something_last_are_shown() -> None:
    """Where there are too many, the quietest are left out."""
    shown = snapshot({f"t{n}": NOW_MS - n for n in range(TASKS_MAX + 5)})

    assert [f"t{n}" for n in range(TASKS_MAX)] == [task for task, _ in shown.tasks]
    assert 5 == shown.tasks_left_out
