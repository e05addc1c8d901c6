"""The client in programs of their own: how they start, fork, end and survive a monitor that is killed under them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.client_monitor import MonitorProcess, environment

import jobsight
from jobsight.client.settings import Settings

SOON_S = 30

pytestmark = pytest.mark.slow  # each test starts processes


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[MonitorProcess]:
    """A monitor in a process of its own, running."""
    one = MonitorProcess(tmp_path / "monitor")
    one.start()
    yield one
    one.kill()


def settings_for(url: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a program."""
    return environment(JOBSIGHT_SERVER=url, JOBSIGHT_SPOOL=str(tmp_path / "spool"))


def begin(code: str, url: str, tmp_path: Path) -> subprocess.Popen[str]:
    """Start a program that reports."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=settings_for(url, tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(code: str, url: str, tmp_path: Path) -> tuple[int, str, str, float]:
    """Run a program to its end; exit code, stdout, stderr and seconds."""
    began = time.monotonic()
    program = begin(code, url, tmp_path)
    out, err = program.communicate(timeout=SOON_S)
    return program.returncode, out, err, time.monotonic() - began


def types_of(bodies: list[dict[str, Any]]) -> list[str]:
    """What the reports are."""
    return [body["type"] for body in bodies]


def send_what_waits(url: str, tmp_path: Path) -> None:
    """Be the next program: everything in the spool goes out."""
    settings = Settings(server=url, spool=tmp_path / "spool", retry_first_s=0.02, retry_max_s=0.05)
    with jobsight.Client(settings=settings) as client:
        client.report("update_status", "last", status="running")
        assert client.flush(SOON_S)


A_JOB = """
    import jobsight
    with jobsight.monitor("t") as job:
        job.progress(50)
        print("worked")
"""


def test_the_client_is_light_to_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing it costs under 50 ms, once it is compiled as every installed package is; it loads only the standard library."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "compiled"))
    code = """
        import sys, time
        began = time.process_time()
        import jobsight.client
        took = time.process_time() - began
        strange = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"jobsight", "__main__"}
        print(took, sorted(name for name in strange if not name.startswith("_")))
        print(sorted(name for name in sys.modules if name.startswith("jobsight") and ".client" not in name))
    """
    outs = [run(code, "off", tmp_path)[1].split(maxsplit=1) for _ in range(6)]

    assert min(float(took) for took, _ in outs) < 0.05
    assert {"[]\n['jobsight']\n"} == {rest for _, rest in outs}


def test_the_package_itself_costs_nothing() -> None:
    """`import jobsight` loads the client when it is asked for it, and not before."""
    code = """
        import sys, jobsight
        print("jobsight.client" in sys.modules, jobsight.monitor.__name__, jobsight.Client.__name__)
        try:
            jobsight.nothing
        except AttributeError as error:
            print(error)
    """

    assert "False monitor Client\nmodule 'jobsight' has no attribute 'nothing'\n" == run(code, "off", Path())[1]


def test_the_end_of_a_program_waits_until_its_reports_are_sent(monitor: MonitorProcess, tmp_path: Path) -> None:
    """A short program's reports have arrived when it has ended."""
    code, out, err, _ = run(A_JOB, monitor.url, tmp_path)

    assert (0, "worked\n", "") == (code, out, err)
    assert ["update_status", "update_status", "job_completed"] == types_of(monitor.reports())


def test_a_program_without_a_monitor_ends_as_soon_and_as_well(monitor: MonitorProcess, tmp_path: Path) -> None:
    """With nobody there, exit code and output are the same, and the reports wait on disk for the next program."""
    monitor.kill()
    code, out, err, took_s = run(A_JOB, monitor.url, tmp_path)
    monitor.start()
    send_what_waits(monitor.url, tmp_path)

    assert (0, "worked\n", "") == (code, out, err)
    assert took_s < 10
    assert ["update_status", "update_status", "job_completed", "update_status"] == types_of(monitor.reports())


def test_a_program_whose_monitor_hangs_ends_within_its_bound(monitor: MonitorProcess, tmp_path: Path) -> None:
    """A monitor that takes connections and never answers costs the end of a program two seconds at most."""
    monitor.stop_answering()
    quick_s = run(A_JOB, "off", tmp_path)[3]
    code, out, _, took_s = run(A_JOB, monitor.url, tmp_path)
    monitor.kill()
    monitor.start()
    send_what_waits(monitor.url, tmp_path)

    assert (0, "worked\n") == (code, out)
    assert took_s - quick_s < 2 + 2
    assert ["update_status", "update_status", "job_completed", "update_status"] == types_of(monitor.reports())


def test_a_program_that_fails_is_unchanged(monitor: MonitorProcess, tmp_path: Path) -> None:
    """Exit code and traceback are those of the program, with or without a monitor."""
    fails = """
        import jobsight, sys
        with jobsight.monitor("t"):
            sys.exit(7)
    """
    with_monitor = run(fails, monitor.url, tmp_path)[:3]
    monitor.kill()

    assert (7, "", "") == with_monitor
    assert with_monitor == run(fails, monitor.url, tmp_path)[:3]


def test_a_monitor_killed_under_a_running_program_changes_nothing(monitor: MonitorProcess, tmp_path: Path) -> None:
    """The job goes on at once; what happened meanwhile arrives afterwards, once, in order, with its own times."""
    code = """
        import jobsight, sys
        with jobsight.monitor("t") as job:
            print("started", flush=True)
            for step, line in enumerate(sys.stdin, start=1):
                job.message(line.strip())
                print(step, flush=True)
            sys.exit(5)
    """
    program = begin(code, monitor.url, tmp_path)
    assert program.stdin is not None
    assert program.stdout is not None
    assert "started\n" == program.stdout.readline()
    monitor.kill()
    waited_s = []
    for step in range(1, 6):
        began = time.monotonic()
        program.stdin.write(f"step {step}\n")
        program.stdin.flush()
        assert f"{step}\n" == program.stdout.readline()
        waited_s.append(time.monotonic() - began)
    _, err = program.communicate(timeout=SOON_S)
    away_ms = time.time_ns() // 1_000_000
    monitor.start()
    send_what_waits(monitor.url, tmp_path)
    bodies = monitor.reports()[:-1]

    assert (5, "") == (program.returncode, err)
    assert max(waited_s) < 1
    assert ("update_status", "job_failed") == (bodies[0]["type"], bodies[-1]["type"])
    assert "SystemExit: 5" == bodies[-1]["error"]
    assert "step 5" == bodies[-2]["message"]
    assert list(range(1, len(bodies) + 1)) == [body["msg_id"] for body in bodies]
    assert bodies[-1]["at"] <= away_ms + 1


def test_a_killed_program_leaves_what_it_had_spooled(monitor: MonitorProcess, tmp_path: Path) -> None:
    """What was reported during an outage survives the death of the program."""
    monitor.kill()
    code = """
        import jobsight, os, pathlib, signal, time
        with jobsight.monitor("t") as job:
            spool = pathlib.Path(jobsight.client.default_client().settings.spool)
            while not any(b"update_status" in file.read_bytes() for file in spool.glob("*.ndjson")):
                os.sched_yield()
            os.kill(os.getpid(), signal.SIGKILL)
    """
    assert -9 == run(code, monitor.url, tmp_path)[0]
    monitor.start()
    send_what_waits(monitor.url, tmp_path)

    assert ["t", None] == [body.get("task") for body in monitor.reports()]


def test_a_forked_child_reports_under_its_own_name(monitor: MonitorProcess, tmp_path: Path) -> None:
    """Fork in the middle of a job: the child reports its own job, the parent's is ended once, by the parent."""
    code = """
        import jobsight, os
        with jobsight.monitor("parent") as job:
            pid = os.fork()
            if pid == 0:
                with jobsight.monitor("child"):
                    pass
                jobsight.client.default_client().close()
            else:
                assert os.waitpid(pid, 0)[1] == 0
    """
    assert (0, "", "") == run(code, monitor.url, tmp_path)[:3]
    bodies = monitor.reports()

    both = ["update_status", "job_completed"]

    assert both == [body["type"] for body in bodies if body["task"] == "parent"]
    assert both == [body["type"] for body in bodies if body["task"] == "child"]
    assert [1, 1, 2, 2] == sorted(body["msg_id"] for body in bodies)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_send_before_they_end(monitor: MonitorProcess, tmp_path: Path, method: str) -> None:
    """They end without `atexit`; their last reports arrive all the same."""
    (tmp_path / "work.py").write_text(
        textwrap.dedent(
            f"""
            import jobsight, multiprocessing

            def work(number):
                with jobsight.monitor(f"t{{number}}"):
                    pass

            if __name__ == "__main__":
                context = multiprocessing.get_context("{method}")
                children = [context.Process(target=work, args=(number,)) for number in range(3)]
                for child in children:
                    child.start()
                for child in children:
                    child.join()
            """
        )
    )
    subprocess.run(
        [sys.executable, str(tmp_path / "work.py")], env=settings_for(monitor.url, tmp_path), check=True, timeout=SOON_S
    )

    assert Counter({"t0": 2, "t1": 2, "t2": 2}) == Counter(body["task"] for body in monitor.reports())


def test_a_report_in_the_last_moment_is_kept(monitor: MonitorProcess, tmp_path: Path) -> None:
    """Where no thread can be started any more, at the end of the interpreter, a report goes to the spool."""
    code = """
        import atexit, jobsight
        atexit.register(lambda: jobsight.client.default_client().report("update_status", "at the end", status="running"))
        import jobsight.client
    """
    assert (0, "", "") == run(code, monitor.url, tmp_path)[:3]
    send_what_waits(monitor.url, tmp_path)

    assert ["at the end", "last"] == [body["job_id"] for body in monitor.reports()]


def test_many_programs_and_a_monitor_that_dies_again_and_again(tmp_path: Path) -> None:
    """Four programs share a spool while the monitor is killed five times: every report counts once, in its job's order."""
    monitor = MonitorProcess(tmp_path / "monitor")
    monitor.start()
    code = """
        import jobsight, sys
        from jobsight.client.settings import Settings
        with jobsight.Client(settings=Settings(retry_first_s=0.02, retry_max_s=0.1)) as client:
            for line in sys.stdin:
                for number in range(10):
                    with jobsight.monitor("t", client=client, labels={"round": line.strip()}) as job:
                        job.message("half")
                print("done", flush=True)
    """
    programs = [begin(code, monitor.url, tmp_path) for _ in range(4)]
    for turn in range(10):
        for program in programs:
            assert program.stdin is not None
            program.stdin.write(f"{turn}\n")
            program.stdin.flush()
        if turn % 2:
            monitor.kill()
        for program in programs:
            assert program.stdout is not None
            assert "done\n" == program.stdout.readline()
        if turn % 2:
            monitor.start()
    for program in programs:
        _, err = program.communicate(timeout=SOON_S)
        assert (0, "") == (program.returncode, err)
    send_what_waits(monitor.url, tmp_path)
    jobs: dict[str, list[str]] = {}
    for body in monitor.reports()[:-1]:
        jobs.setdefault(body["job_id"], []).append(body["type"])
    stats = monitor.stats()

    assert 400 == len(jobs)
    assert [] == [one for one in jobs.values() if one != ["update_status", "update_status", "job_completed"]]
    assert 400 == stats["completed"]
    monitor.kill()
