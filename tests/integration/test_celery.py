"""A real Celery worker on a real Redis: every task instance becomes a job."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.client_monitor import Monitor

SOON_S = 50

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed"),
]

TASKS = """
    import os
    import time

    from celery import Celery
    from celery.exceptions import Ignore, Reject

    from jobsight.integrations.celery import watch

    app = Celery("tasks", broker=os.environ["BROKER"])
    app.conf.task_default_queue = "work"
    app.conf.worker_cancel_long_running_tasks_on_connection_loss = False
    watch(app, heartbeat_s=0.1)


    @app.task
    def add(a, b):
        return a + b


    @app.task(bind=True, max_retries=2)
    def stubborn(self):
        raise self.retry(exc=ValueError("not yet"), countdown=0)


    @app.task(bind=True, max_retries=None)
    def patient(self):
        if self.request.retries < 2:
            self.retry(countdown=0)


    @app.task
    def broken():
        raise KeyError("no such row")


    @app.task
    def long(pid_file):
        with open(pid_file + ".part", "w") as file:
            file.write(str(os.getpid()))
        os.rename(pid_file + ".part", pid_file)
        while True:
            time.sleep(0.05)


    @app.task(time_limit=1)
    def endless():
        while True:
            time.sleep(0.05)


    @app.task
    def ignored():
        raise Ignore


    @app.task
    def rejected():
        raise Reject("no", requeue=False)


    @app.task
    def killed():
        os.kill(os.getpid(), 9)
"""


class Farm:
    """A Redis, a monitor, and a worker that reports to it."""

    def __init__(self, folder: Path, pool: str) -> None:
        self.monitor = Monitor(folder / "monitor")
        self.folder = folder
        (folder / "farm_tasks.py").write_text(textwrap.dedent(TASKS))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        arguments = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self.redis = subprocess.Popen(arguments, stdout=subprocess.PIPE)
        assert self.redis.stdout is not None
        while b"Ready to accept connections" not in self.redis.stdout.readline():
            assert self.redis.poll() is None
        self.env = {
            **os.environ,
            "BROKER": f"redis://127.0.0.1:{port}/0",
            "PYTHONPATH": str(folder),
            "JOBSIGHT_SERVER": self.monitor.url,
            "JOBSIGHT_SPOOL": str(folder / "spool"),
        }
        command = [sys.executable, "-m", "celery", "-A", "farm_tasks", "worker", "--loglevel", "ERROR", "-n", "w1@here"]
        self.log = (folder / "worker.log").open("wb")
        self.worker = subprocess.Popen(
            [*command, "--pool", pool, "--concurrency", "2"], env=self.env, cwd=folder, stdout=self.log, stderr=self.log
        )

    def call(self, code: str) -> str:
        """Run a line of Python with the tasks at hand; what it prints."""
        line = [sys.executable, "-c", f"import farm_tasks as t; {code}"]
        return subprocess.run(
            line, env=self.env, cwd=self.folder, check=True, capture_output=True, text=True, timeout=SOON_S
        ).stdout.strip()

    def send(self, task: str, *arguments: Any, **options: Any) -> str:
        """Send a task; its id."""
        return self.call(f"print(t.{task}.apply_async({arguments!r}, **{options!r}).id)")

    def story(self, job_id: str, last: str, count: int = 1) -> list[dict[str, Any]]:
        """The reports of a job, without heartbeats, as soon as the last one of a kind is there.

        They are in the order of their own times: each try may run in another process, with a connection of its own.
        """

        def told() -> list[dict[str, Any]]:
            return [one for one in self.monitor.reports() if one["job_id"] == job_id and one["type"] != "heartbeat"]

        found = self.monitor.wait_for(lambda: [one["type"] for one in told()].count(last) >= count, SOON_S)
        assert found, (self.folder / "worker.log").read_text() + str(told())
        return sorted(told(), key=lambda one: one["at"])

    def stop(self) -> None:
        """End all of it."""
        self.worker.send_signal(signal.SIGTERM)
        self.worker.wait(SOON_S)
        self.log.close()
        self.redis.terminate()
        self.redis.communicate(timeout=SOON_S)
        self.monitor.stop()


@pytest.fixture(scope="module", params=["prefork", "threads"])
def farm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """A worker that is running, with each kind of pool."""
    one = Farm(tmp_path_factory.mktemp("farm"), request.param)
    one.story(one.send("add", 0, 0), "job_completed")
    yield one
    one.stop()


only_processes = pytest.mark.parametrize("farm", ["prefork"], indirect=True)
"""Tasks of threads cannot be killed one by one."""


def test_a_task_is_a_job(farm: Farm) -> None:
    """Start and completion, under the task's id, name, queue and worker."""
    job_id = farm.send("add", 1, 2)
    start, end = farm.story(job_id, "job_completed")

    assert ("update_status", "running", "job_completed") == (start["type"], start["status"], end["type"])
    assert ("farm_tasks.add", "work", "w1@here", 1, 3) == tuple(
        start[key] for key in ("task", "queue", "host", "attempt", "max_retries")
    )
    assert end["duration_ms"] > 0
    assert {"cpu_percent", "memory_mb", "cpu_seconds"} == set(end["resource_usage"])


def test_retries_are_attempts_and_the_last_one_is_final(farm: Farm) -> None:
    """Each try is told; only the last failure has no tries left."""
    job_id = farm.send("stubborn")
    failures = [one for one in farm.story(job_id, "job_failed", 3) if one["type"] == "job_failed"]

    assert [(0, 2), (1, 2), (2, 2)] == [(one["retries"], one["max_retries"]) for one in failures]
    assert ["ValueError: not yet"] * 3 == [one["error"] for one in failures]
    assert [1, 2, 3] == [one["attempt"] for one in failures]
    assert "Traceback" in failures[-1]["message"]


def test_a_task_without_a_limit_is_retried_without_an_alert(farm: Farm) -> None:
    """Where a task may be tried for ever, its failures are attempts all the same."""
    story = farm.story(farm.send("patient"), "job_completed")
    failures = [one for one in story if one["type"] == "job_failed"]

    assert [(0, 1), (1, 2)] == [(one["retries"], one["max_retries"]) for one in failures]


def test_a_failure_is_final_before_the_limit(farm: Farm) -> None:
    """A task that fails without asking for a retry is not tried again: the alert fires at once."""
    failure = farm.story(farm.send("broken"), "job_failed")[-1]

    assert ("KeyError: 'no such row'", 0, 0) == (failure["error"], failure["retries"], failure["max_retries"])


def test_a_task_that_expired_is_cancelled(farm: Farm) -> None:
    """What the worker refuses to run is told as well."""
    (end,) = farm.story(farm.send("add", 1, 2, expires=-1), "job_cancelled")

    assert "expired before it ran" == end["reason"]


def test_ignored_and_rejected_tasks_end(farm: Farm) -> None:
    """A task that leaves its result to others, or refuses its message, does not run for ever."""
    assert "job_completed" == farm.story(farm.send("ignored"), "job_completed")[-1]["type"]
    assert "job_cancelled" == farm.story(farm.send("rejected"), "job_cancelled")[1]["type"]


@only_processes
def test_a_terminated_task_is_cancelled(farm: Farm) -> None:
    """`revoke(terminate=True)` ends the process of the task; the worker tells it."""
    pid_file = farm.folder / "pid"
    job_id = farm.send("long", str(pid_file))
    farm.story(job_id, "update_status")
    farm.call(f"t.app.control.revoke({job_id!r}, terminate=True)")
    end = farm.story(job_id, "job_cancelled")[-1]

    assert ("terminated by SIGTERM", "w1@here") == (end["reason"], end["host"])


@only_processes
def test_a_hard_time_limit_is_a_failure(farm: Farm) -> None:
    """A task that is killed for its time limit has failed for good."""
    end = farm.story(farm.send("endless"), "job_failed")[-1]

    assert end["error"].startswith("TimeLimitExceeded")
    assert 0 == end["max_retries"]


@only_processes
def test_a_lost_process_is_a_failure(farm: Farm) -> None:
    """A task that takes its process down with it has failed for good."""
    assert "WorkerLostError" in farm.story(farm.send("killed"), "job_failed")[-1]["error"]


@only_processes
def test_a_running_task_has_a_heartbeat_in_its_process(farm: Farm) -> None:
    """The child process of the pool has its own thread."""
    job_id = farm.send("long", str(farm.folder / "pid2"))

    def beats() -> int:
        return sum(one["type"] == "heartbeat" and one["job_id"] == job_id for one in farm.monitor.reports())

    assert farm.monitor.wait_for(lambda: beats() >= 2, SOON_S)
    farm.call(f"t.app.control.revoke({job_id!r}, terminate=True)")
    farm.story(job_id, "job_cancelled")


@only_processes
def test_an_outage_of_the_monitor_is_ridden_out(farm: Farm) -> None:
    """Tasks go on without the monitor; their reports arrive afterwards."""
    monitor = farm.monitor
    monitor.stop()
    began = time.monotonic()
    ids = [farm.send("add", number, 1) for number in range(3)]
    assert time.monotonic() - began < SOON_S
    farm.monitor = Monitor(monitor.folder, monitor.port)

    assert [["update_status", "job_completed"]] * 3 == [
        [one["type"] for one in farm.story(job_id, "job_completed")] for job_id in ids
    ]
