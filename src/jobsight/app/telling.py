"""Who is told, put together: the dispatcher with what a notification carries beside its frozen words."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from jobsight.app.clock import Say, clock_ms
from jobsight.core.outbox import Delivery
from jobsight.engine.duties import submit_of
from jobsight.engine.ports import ReadModel
from jobsight.errors import StorageError
from jobsight.notifiers.base import Links

if TYPE_CHECKING:
    from jobsight.engine.dispatcher import Dispatcher
    from jobsight.engine.instruments import ObservedWriter
    from jobsight.notifiers.base import Notifier

FAILPOINT: Final = "JOBSIGHT_FAILPOINT"
"""Names a point of `engine.dispatcher` at which the service kills itself; for tests of what survives that."""


def dispatcher_of(
    writer: ObservedWriter,
    view: ReadModel,
    channels: Mapping[str, Notifier],
    links_of: Callable[[Delivery], Links],
    say: Say,
) -> Dispatcher:
    """The dispatcher of a writer's outbox, told of every decision once that is stored."""
    from jobsight.engine.dispatcher import Dispatcher

    state = writer.state

    def tail_of(job_id: str) -> str | None:
        job = state.jobs.get(job_id)
        if job is None:
            with suppress(StorageError):  # an alert goes out without its output rather than not at all
                job = next(iter(view.fetch([job_id], state)), None)
        return None if job is None else job.message

    def last_success_of(task: str) -> int | None:
        figures = writer.recent.tasks.get(task)
        return None if figures is None else figures.last_success_ms

    def pass_point(name: str) -> None:
        if name == os.environ.get(FAILPOINT):
            os.kill(os.getpid(), signal.SIGKILL)

    dispatcher = Dispatcher(
        state,
        channels,
        submit_of(writer),
        clock_ms,
        secrets.SystemRandom().random,
        links_of=links_of,
        tail_of=tail_of,
        last_success_of=last_success_of,
        say=say,
        pass_point=pass_point,
    )
    writer.on_deliveries = dispatcher.take
    return dispatcher
