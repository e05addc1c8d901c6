"""Rules over the recorded past of a data folder, beside whatever runs on it; nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jobsight.app.clock import clock_ms
from jobsight.app.stores import folder_holder, read_log, read_view
from jobsight.engine.replay import PAGING, Rules, Seed, has_fired, page_of, raised_of
from jobsight.engine.replay_report import ReplayReport, batches_of, blind_times, compare, replay
from jobsight.errors import UsageError

_PLACE_BITS = 20


def replay_rules(
    data: Path, rules: Rules, wanted_ms: int, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> ReplayReport:
    """
    What would have been told under other rules, beside what was told.

    Args:
        data: The folder.
        rules: That are to hold.
        wanted_ms: From when on is compared, ms UTC; what is older is replayed all the same, so that the state is known.
        on_progress: Told the place reached in the log, and the last one.

    Raises:
        UsageError: The log is empty.
        NotFoundError, DataError: There is no such folder, or it is damaged.
    """
    with read_log(data) as log, read_view(data) as view:
        first, last = log.bounds()
        record = log.record(first)
        if record is None:
            raise UsageError(f"{data}: the log is empty, so there is no past to replay")
        state = view.watching()
        seed = Seed()
        if first > 1:
            old = {task: check for task, check in state.checks.items() if check.revision >> _PLACE_BITS < first}
            seed = Seed(
                checks={task: (check.expected, check.origin) for task, check in old.items()},
                channels=state.routing.channels,
                routes=state.routing.routes,
                retries_max=state.retries_max,
            )
        found = replay(
            batches_of(log),
            blind_times(log),
            rules,
            seed,
            until_ms=clock_ms() if folder_holder(data) is not None else state.alive_ms,
            on_progress=lambda seq: on_progress(seq, last),
        )
        assert found is not None
        on_progress(last, last)
        return compare(
            found,
            wanted_ms=wanted_ms,
            began_ms=record.accept_ms,
            alerts=[raised_of(alert) for alert in view.alerts_since(wanted_ms) if has_fired(alert)],
            channels=state.routing.channels,
            pages=[page_of(one) for one in view.deliveries_since(wanted_ms) if one.kind in PAGING],
        )
