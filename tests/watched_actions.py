"""Everything that workers, operators and the clock can do to a watched state, for properties over any of it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from watched_state import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WatchedState

from jobsight.core.events import (
    AlertAcknowledged,
    CheckRemoved,
    Heartbeat,
    JobCancelled,
    JobCompleted,
    JobFailed,
    SilenceSet,
    StatusUpdate,
)
from jobsight.core.routing import Matcher

job_ids = st.sampled_from(["a", "b", "c"])
tasks = st.sampled_from([None, "t", "t", "u"])
ages = st.sampled_from([None, None, None, 3 * SECOND_MS, 7 * MINUTE_MS])
spans = st.sampled_from([500, SECOND_MS, 31 * SECOND_MS, 2 * MINUTE_MS, 7 * MINUTE_MS, HOUR_MS, 5 * HOUR_MS])
reports = st.one_of(
    st.tuples(
        st.just("update"),
        job_ids,
        tasks,
        ages,
        st.sampled_from(["queued", "running", "running", "failed", "completed"]),
    ),
    st.tuples(st.just("completed"), job_ids, tasks, ages, st.integers(0, 10_000)),
    st.tuples(st.just("failed"), job_ids, tasks, ages, st.integers(0, 2)),
    st.tuples(st.just("heartbeat"), job_ids, tasks, ages, st.none()),
    st.tuples(st.just("cancelled"), job_ids, tasks, ages, st.none()),
)
actions = st.one_of(
    reports,
    reports,
    reports,
    st.tuples(st.just("step"), spans),
    st.tuples(st.just("step"), spans),
    st.tuples(st.just("jump"), st.sampled_from([90 * SECOND_MS, 3 * HOUR_MS, -HOUR_MS, 400 * DAY_MS])),
    st.tuples(st.just("restart"), st.sampled_from([SECOND_MS, 40 * MINUTE_MS])),
    st.tuples(st.just("check"), st.sampled_from(["t", "u"]), st.integers(0, 3)),
    st.tuples(st.just("uncheck"), st.sampled_from(["t", "u"])),
    st.tuples(st.just("acknowledge")),
    st.tuples(st.just("silence"), spans),
)
CHECKS: list[dict[str, Any]] = [
    {"schedule": "every 10m", "start_grace_ms": 2 * MINUTE_MS},
    {"schedule": "*/15 * * * *", "tz": "Europe/Berlin", "finish_by_ms": 5 * MINUTE_MS, "heartbeat_ms": MINUTE_MS},
    {"heartbeat_ms": MINUTE_MS, "max_runtime_ms": 4 * MINUTE_MS, "failure_threshold": 2, "depends_on": ("u",)},
    {"stall_after_ms": MINUTE_MS, "max_retries": 1, "min_runtime_ms": 50, "recovery_threshold": 2},
]


def act(watch: WatchedState, action: tuple[Any, ...]) -> None:
    """Do one of the things above."""
    match action:
        case ("step", span_ms):
            watch.step(span_ms)
        case ("jump", by_ms):
            watch.jump(by_ms)
        case ("restart", down_ms):
            watch.restart(down_ms)
        case ("check", task, index):
            watch.expect(task, **CHECKS[index])
        case ("uncheck", task):
            watch.tell(CheckRemoved(task=task, author="test"))
        case ("acknowledge",):
            for alert_id in list(watch.state.open_by_id)[:1]:
                watch.tell(AlertAcknowledged(alert_id=alert_id, by="ana"))
        case ("silence", span_ms):
            matchers = [Matcher(name="task", pattern="t")]
            start_ms = watch.now_ms
            watch.tell(
                SilenceSet(
                    silence_id=f"s{start_ms}",
                    matchers=matchers,
                    starts_ms=start_ms,
                    ends_ms=start_ms + span_ms,
                    author="ana",
                )
            )
        case (kind, job_id, task, age_ms, detail):
            at = None if age_ms is None else watch.now_ms - age_ms
            common: dict[str, Any] = {"job_id": job_id, "task": task, "at": at}
            watch.report(
                {
                    "update": lambda: StatusUpdate(status=detail, progress=watch.now_ms % 100, **common),
                    "completed": lambda: JobCompleted(duration_ms=detail, **common),
                    "failed": lambda: JobFailed(error="no", retries=detail, **common),
                    "heartbeat": lambda: Heartbeat(**common),
                    "cancelled": lambda: JobCancelled(**common),
                }[kind]()
            )


# A job that ended, and was reopened and counted elsewhere after two starts.
REOPENED_BETWEEN_STARTS: list[tuple[Any, ...]] = [
    ("update", "a", None, None, "running"),
    ("completed", "a", None, None, 0),
    ("restart", SECOND_MS),
    ("update", "a", None, None, "queued"),
    ("restart", SECOND_MS),
    ("update", "a", "t", None, "queued"),
]
