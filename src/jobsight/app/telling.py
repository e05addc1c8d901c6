"""Who is told, put together: the dispatcher with what a notification carries beside its frozen words."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobsight.app.clock import Say, clock_ms, steady_ms
from jobsight.core.outbox import Delivery
from jobsight.engine.duties import submit_of
from jobsight.engine.ports import ReadModel
from jobsight.errors import StorageError
from jobsight.notifiers.base import Links

if TYPE_CHECKING:
    from jobsight.app.systemd import Systemd
    from jobsight.core.state import State
    from jobsight.engine.dispatcher import Dispatcher
    from jobsight.engine.health import Health
    from jobsight.engine.instruments import ObservedWriter
    from jobsight.engine.self_watch import Room, SelfWatch
    from jobsight.engine.together import Together
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
        steady_ms,
        secrets.SystemRandom().random,
        links_of=links_of,
        tail_of=tail_of,
        last_success_of=last_success_of,
        say=say,
        count=writer.instruments.count_delivery,
        pass_point=pass_point,
    )
    writer.on_deliveries = dispatcher.take
    return dispatcher


def health_of(writer: ObservedWriter, view: ReadModel, data: Path, dispatcher: Dispatcher) -> Health:
    """The health of a service, as its writer, its view, its outbox and its disk tell."""
    from jobsight.engine.health import Health, Vitals

    vitals = Vitals(
        why_not_ready=writer.why_not_ready,
        in_flight=lambda: writer.in_flight,
        commits=lambda: writer.instruments.commits + writer.instruments.failed_commits,
        commit_seconds=lambda: writer.instruments.commit_seconds,
        oldest_waiting_ms=dispatcher.oldest_waiting_ms,
        room=lambda: room_of(data),
        view_trouble=lambda: view.trouble,
    )
    health = Health(vitals, clock_ms, steady_ms)
    writer.instruments.faults = health.faults
    return health


def self_watch_of(writer: ObservedWriter, data: Path) -> SelfWatch:
    """What the service watches at itself."""
    from jobsight.engine.self_watch import SelfWatch

    return SelfWatch(
        writer.state,
        submit_of(writer),
        clock_ms,
        room=lambda: room_of(data),
        refused=lambda: writer.instruments.dropped,
        why_not_ready=writer.why_not_ready,
    )


def living_of(
    dispatcher: Dispatcher,
    channels: Mapping[str, Notifier],
    state: State,
    data: Path,
    health: Health,
    deadman_url: str | None,
    systemd: Systemd,
    say: Say,
) -> Together:
    """All that goes on beside the requests: deliveries, what is told again, the dead-man's switch, systemd's watchdog."""
    from jobsight.app.stores import read_view
    from jobsight.engine.deadman import DeadMan
    from jobsight.engine.reposts import Reposts
    from jobsight.engine.together import Together

    reposts = Reposts(state, channels, dispatcher.notification_of, health.faults, clock_ms, say)
    dispatcher.on_sent = reposts.note_sent

    def taken_since(from_ms: int) -> list[Delivery]:
        with read_view(data) as view:
            return view.taken_since(from_ms)

    reposts.resume(taken_since)
    switches = [] if deadman_url is None else [DeadMan(_ping_of(deadman_url), health.faults, say)]
    return Together([dispatcher, reposts, *switches, systemd])


def room_of(data: Path) -> Room | None:
    """The room on the disk of a data folder; None where the system does not say."""
    from jobsight.engine.self_watch import Room

    try:
        found = os.statvfs(data)
    except OSError:
        return None
    return Room(free_bytes=found.f_bavail * found.f_frsize, total_bytes=found.f_blocks * found.f_frsize)


def _ping_of(url: str) -> Callable[[], Awaitable[object]]:
    from jobsight.notifiers.limits import SendLimits
    from jobsight.notifiers.masking import Mask, Secret
    from jobsight.notifiers.outgoing import HttpClient, Post

    secret = Secret(url)
    client = HttpClient(mask=Mask([secret]), limits=SendLimits())
    post = Post(url=secret, body=b"", headers={}, method="GET")
    return lambda: client.send(post, now_ms=clock_ms())
