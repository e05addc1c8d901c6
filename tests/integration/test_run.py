"""`jobsight run`: the command runs as if it stood alone, and the monitor knows how it went."""

from __future__ import annotations

import array
import fcntl
import hashlib
import os
import pty
import resource
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.client_monitor import Monitor, MonitorProcess, environment

import jobsight
from jobsight.client.settings import Settings

SOON_S = 30

pytestmark = pytest.mark.slow  # each test starts processes
JOBSIGHT = [sys.executable, "-c", "import sys; from jobsight.cli import main; sys.exit(main())"]


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Monitor]:
    """A monitor that answers."""
    one = Monitor(tmp_path / "monitor", spool=tmp_path / "spool")
    yield one
    one.stop()


@pytest.fixture
def env(tmp_path: Path, monitor: Monitor) -> dict[str, str]:
    """The settings of a command."""
    return environment(JOBSIGHT_SERVER=monitor.url, JOBSIGHT_SPOOL=str(tmp_path / "spool"))


def wrapped(*command: str, options: tuple[str, ...] = ()) -> list[str]:
    """A command line with the wrapper around a command."""
    return [*JOBSIGHT, "run", "--task", "t", *options, "--", *command]


def shell(script: str, *options: str) -> list[str]:
    """The same around a shell script."""
    return wrapped("/bin/sh", "-c", script, options=options)


def run(command: list[str], env: dict[str, str], **more: Any) -> tuple[int, bytes, bytes]:
    """Run a command to its end; exit code, stdout and stderr."""
    ended = subprocess.run(command, env=env, capture_output=True, timeout=SOON_S, check=False, **more)
    return ended.returncode, ended.stdout, ended.stderr


def begin(command: list[str], env: dict[str, str], ready: bytes = b"ready\n") -> subprocess.Popen[bytes]:
    """
    Start a command in a process group of its own, as a shell does, and wait until it says that it is ready.

    The group of the tests may be one whose parent has gone, and in such a group SIGTSTP stops nobody.
    """
    pipe = subprocess.PIPE
    program = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, stderr=pipe, process_group=0)
    assert program.stdout is not None
    assert ready == program.stdout.readline()
    return program


def close(program: subprocess.Popen[bytes]) -> None:
    """Wait for its end; its input stays open until then."""
    program.wait(SOON_S)
    program.communicate()


# ------------------------------------------------------------------------------------------------------ what is told


def test_a_command_is_told_from_start_to_end(monitor: Monitor, env: dict[str, str]) -> None:
    """Start, progress and end arrive, with what the command used and the end of its output."""
    script = "echo hello; echo '::progress 25 copying'; echo oops >&2; exit 0"
    code, out, err = run(shell(script, "--queue", "q", "--label", "env=test", "--job-id", "j1"), env)
    start, *progress, end = monitor.reports()

    assert (0, b"hello\n::progress 25 copying\n", b"oops\n") == (code, out, err)
    assert ("update_status", "running", "j1", "t", "q", {"env": "test"}) == tuple(
        start[key] for key in ("type", "status", "job_id", "task", "queue", "labels")
    )
    assert [(25, "copying")] == [(body["progress"], body["message"]) for body in progress]
    assert "job_completed" == end["type"]
    assert {"cpu_percent", "memory_mb", "cpu_seconds", "exit_code"} == set(end["resource_usage"])
    assert ["::progress 25 copying", "hello", "oops"] == sorted(end["message"].splitlines())
    assert 0 < end["duration_ms"] < 10_000
    assert 1 == monitor.stats()["completed"]


@pytest.mark.parametrize(
    ("script", "code", "error"),
    [
        ("exit 3", 3, "exit code 3"),
        ("exit 255", 255, "exit code 255"),
        ("kill -KILL $$", -9, "killed by SIGKILL"),
        ("kill -TERM $$", -15, "killed by SIGTERM"),
        ("kill -SEGV $$", -11, "killed by SIGSEGV"),
        ("kill -PIPE $$", -13, "killed by SIGPIPE"),
    ],
)
def test_the_end_is_the_commands_own(monitor: Monitor, env: dict[str, str], script: str, code: int, error: str) -> None:
    """Exit codes pass through; a command killed by a signal takes its wrapper with it by the same one."""
    plain = subprocess.run(["/bin/sh", "-c", script], check=False).returncode

    assert code == plain == run(shell(script), env)[0]
    assert ("job_failed", error) == (monitor.reports()[-1]["type"], monitor.reports()[-1]["error"])


def test_a_command_that_cannot_be_run_ends_as_in_a_shell(monitor: Monitor, env: dict[str, str], tmp_path: Path) -> None:
    """127 for what is not there, 126 for what cannot be run; a script without a first line runs under sh."""
    plain = tmp_path / "plain"
    plain.write_text("echo $1\n")
    not_found, not_runnable = run(wrapped("no-such-command"), env), run(wrapped(str(plain)), env)
    plain.chmod(0o755)
    script = run(wrapped(str(plain), "hello"), env)

    assert (127, b"", b"jobsight run: no-such-command: command not found\n") == not_found
    assert 126 == not_runnable[0]
    assert b"Permission denied" in not_runnable[2]
    assert (0, b"hello\n", b"") == script
    assert ["job_failed", "job_failed", "job_completed"] == [
        body["type"] for body in monitor.reports() if body["type"] != "update_status"
    ]


def test_retries_are_told(monitor: Monitor, env: dict[str, str]) -> None:
    """A failure with tries left is recorded and alerts nobody."""
    run(shell("exit 1", "--retries", "1", "--max-retries", "3", "--job-id", "j1"), env)
    run(shell("exit 1", "--retries", "3", "--max-retries", "3", "--job-id", "j1"), env)
    first, last = (body for body in monitor.reports() if body["type"] == "job_failed")

    assert (1, 3, 2) == (first["retries"], first["max_retries"], first["attempt"])
    assert (3, 3, 4) == (last["retries"], last["max_retries"], last["attempt"])
    assert 1 == monitor.stats()["failed"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--", "true"], "--task NAME is missing"),
        (["--task", "t"], "there is no command"),
        (["--task", "t", "--wrong", "--", "true"], "there is no option --wrong"),
        (["--task", "t", "--timeout", "soon", "--", "true"], "--timeout: expected a time"),
        (["--task", "t", "--timeout", "99999999999999", "--", "true"], "--timeout: expected at most 36500d"),
        (["--task", "t", "--heartbeat", "9" * 400, "--", "true"], "--heartbeat: expected at most 36500d"),
        (["--task", "t", "--retries", "9" * 5000, "--", "true"], "--retries: expected at most 999999999999999"),
        (["--task", "t", "--label", "x", "--", "true"], "--label: expected KEY=VALUE"),
        (["--task", "t", "--server", "here", "--", "true"], "--server: expected a URL"),
        (["--task"], "a value is missing"),
    ],
)
def test_a_wrong_command_line_is_said_and_nothing_runs(env: dict[str, str], arguments: list[str], words: str) -> None:
    """Exit code 2, with words that say what is wrong."""
    code, out, err = run([*JOBSIGHT, "run", *arguments], env)

    assert (2, b"") == (code, out)
    assert words in err.decode()


def test_help_needs_nothing(env: dict[str, str]) -> None:
    """`--help` of the wrapper is its own; that of the command is the command's."""
    assert b"Usage: jobsight run" in run([*JOBSIGHT, "run", "--help"], env)[1]
    assert (0, b"--help\n", b"") == run(wrapped("printf", "%s\\n", "--help"), env)


# ----------------------------------------------------------------------------------------- everything passes through


def test_large_binary_output_is_the_same_byte_for_byte(monitor: Monitor, env: dict[str, str], tmp_path: Path) -> None:
    """Thirty megabytes of anything pass through both ways unchanged."""
    data = os.urandom(1 << 20) * 30
    (tmp_path / "data").write_bytes(data)
    with (tmp_path / "data").open("rb") as given:
        ended = subprocess.run(
            shell("cat; cat data >&2"), env=env, stdin=given, capture_output=True, cwd=tmp_path, timeout=60, check=False
        )

    assert 0 == ended.returncode
    assert hashlib.sha256(data).digest() == hashlib.sha256(ended.stdout).digest()
    assert hashlib.sha256(data).digest() == hashlib.sha256(ended.stderr).digest()
    assert len(monitor.reports()[-1]["message"].encode()) < 5 * 4096


def test_stdout_and_stderr_in_one_place_keep_their_order(env: dict[str, str]) -> None:
    """What is written alternately to both comes out alternately, as cron mails it."""
    script = "for i in 1 2 3 4 5 6 7 8 9; do echo out$i; echo err$i >&2; done"
    ended = subprocess.run(shell(script), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)

    assert [f"{way}{number}" for number in range(1, 10) for way in ("out", "err")] == ended.stdout.decode().split()


def test_output_comes_at_once(env: dict[str, str]) -> None:
    """A line can be read while the command still runs; input reaches it."""
    program = begin(shell("echo ready; read line; echo got $line"), env)
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(b"it\n")
    program.stdin.flush()

    assert b"got it\n" == program.stdout.readline()
    close(program)
    assert 0 == program.returncode


def test_a_reader_that_goes_away_ends_the_command_as_it_would_alone(monitor: Monitor, env: dict[str, str]) -> None:
    """`... | head -1` ends an endless command by SIGPIPE."""
    program = begin(shell("echo ready; exec yes"), env)
    assert program.stdout is not None
    program.stdout.close()
    program.stdout = None
    close(program)

    assert -signal.SIGPIPE == program.returncode
    assert "killed by SIGPIPE" == monitor.reports()[-1]["error"]


def test_what_is_left_in_the_background_keeps_its_output(env: dict[str, str], tmp_path: Path) -> None:
    """A process that the command leaves behind goes on to write where it would have written, and holds up nobody."""
    os.mkfifo(tmp_path / "gate")
    program = begin(shell(f"echo ready; (read line < {tmp_path}/gate; echo late $line; echo later >&2) & exit 4"), env)
    assert 4 == program.wait(SOON_S)
    (tmp_path / "gate").write_text("but sure\n")
    out, err = program.communicate(timeout=SOON_S)

    assert (b"late but sure\n", b"later\n") == (out, err)


def test_a_chatty_leftover_and_a_slow_reader_hold_up_no_end(env: dict[str, str]) -> None:
    """What the command leaves behind may write without a pause: the end comes as soon as the command's own output is read."""
    program = begin(shell("echo ready; (exec yes) & read line; exit 4"), env)
    assert program.stdin is not None
    assert program.stdout is not None
    output = program.stdout.fileno()
    wait_until_half_full(output)
    program.stdin.write(b"go\n")
    program.stdin.flush()
    for _ in range(8 * 4):
        os.read(output, PIPE_BYTES // 4)
        wait_until_half_full(output)
    code = program.wait(SOON_S)
    program.stdout.close()
    program.communicate()

    assert 4 == code


PIPE_BYTES = 65536


def wait_until_half_full(pipe: int) -> None:
    """Wait until a pipe holds half of what it can; how much it takes at most depends on the pieces."""
    count = array.array("i", [0])
    deadline = time.monotonic() + SOON_S
    while count[0] < PIPE_BYTES // 2 and time.monotonic() < deadline:
        os.sched_yield()
        fcntl.ioctl(pipe, termios.FIONREAD, count)
    assert count[0] >= PIPE_BYTES // 2


@pytest.mark.parametrize(
    "want",
    ["threading.stack_size(1 << 46)", "resource.setrlimit(resource.RLIMIT_NOFILE, (6, 6))"],
    ids=["threads", "files"],
)
def test_without_threads_or_files_the_command_has_its_output_to_itself(env: dict[str, str], want: str) -> None:
    """Where the user's limits leave us nothing, nobody copies; the command and its exit code are the same."""
    start = f"import resource, sys, threading; from jobsight.cli import main; {want}; sys.exit(main())"
    command = ["run", "--task", "t", "--", "/bin/sh", "-c", "echo out; exit 4"]
    code, out, _ = run([sys.executable, "-c", f"import jobsight.client.run; {start}", *command], env)

    assert (4, b"out\n") == (code, out)


@pytest.mark.parametrize("module", ["json", "http", "select", "ssl"])
def test_modules_of_the_command_are_not_ours(
    monitor: Monitor, env: dict[str, str], tmp_path: Path, module: str
) -> None:
    """PYTHONPATH is the command's: what lies there under a name of Python's own is loaded by the command alone."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / f"{module}.py").write_text("raise RuntimeError('not for you')\n")
    env |= {"PYTHONPATH": os.pathsep.join([*filter(None, [env.get("PYTHONPATH")]), str(tmp_path / "theirs")])}
    ended = run(shell('echo "$PYTHONPATH"; exit 4'), env)

    assert (4, f"{env['PYTHONPATH']}\n".encode(), b"") == ended
    assert ["update_status", "job_failed"] == [body["type"] for body in monitor.reports()]


@pytest.mark.parametrize("closed", ["2>/dev/full", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_stderr_that_takes_nothing_changes_no_end(env: dict[str, str], tmp_path: Path, closed: str) -> None:
    """Where even the word about lost reports cannot be said, the exit code is still the command's."""
    (tmp_path / "file").touch()
    env |= {"JOBSIGHT_SERVER": "http://127.0.0.1:9", "JOBSIGHT_SPOOL": str(tmp_path / "file")}
    script = f'"$@" {closed}'
    code, _, _ = run(["/bin/sh", "-c", script, "sh", *shell("exit 4")], env)

    assert 4 == code


def test_what_is_closed_stays_closed_and_nothing_takes_its_place(env: dict[str, str], tmp_path: Path) -> None:
    """The command finds closed what was closed; for us it is /dev/null, so that no file or socket of ours gets its number."""
    look = f"test -e /proc/$$/fd/$n && touch {tmp_path}/open-$n; readlink /proc/$PPID/fd/$n"
    script = f"for n in 0 1 2; do {look}; done > {tmp_path}/ours"
    run(["/bin/sh", "-c", '"$@" <&- >&- 2>&-', "sh", *shell(script)], env)

    assert ["open-1"] == [path.name for path in tmp_path.glob("open-*")]  # the script's own redirection
    assert "/dev/null\n" * 3 == (tmp_path / "ours").read_text()


def test_a_terminal_stays_the_commands_own(monitor: Monitor, env: dict[str, str]) -> None:
    """On a terminal, the command has the terminal: it is asked, and answers, as if it stood alone."""
    leader, follower = pty.openpty()
    script = "test -t 0 && test -t 1 && test -t 2 && echo terminal"
    program = subprocess.Popen(shell(script), env=env, stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    code = program.wait(SOON_S)
    out = os.read(leader, 100)
    os.close(leader)

    assert (0, b"terminal\r\n") == (code, out)
    assert "job_completed" == monitor.reports()[-1]["type"]


def test_the_environment_and_open_files_reach_the_command(env: dict[str, str], tmp_path: Path) -> None:
    """Variables, descriptors and the working folder are handed on; the job's id is added, for `jobsight report`."""
    with (tmp_path / "three").open("w") as three:
        code, out, _ = run(
            shell(f"echo $WORD $JOBSIGHT_JOB_ID $(pwd); echo written > /dev/fd/{three.fileno()}", "--job-id", "j1"),
            {**env, "WORD": "here"},
            pass_fds=[three.fileno()],
            cwd=tmp_path,
        )

    assert (0, f"here j1 {tmp_path}\n".encode()) == (code, out)
    assert "written\n" == (tmp_path / "three").read_text()


def test_signals_of_the_command_are_not_changed(env: dict[str, str]) -> None:
    """The command has the same blocked and ignored signals as it would have alone; Python's own changes are taken back."""
    show = ["grep", "-E", "Sig(Blk|Ign|Cgt)", "/proc/self/status"]
    alone = subprocess.run(show, capture_output=True, check=True).stdout
    code, out, _ = run(wrapped(*show), env)
    kept_by_libc = 0b11 << 31  # `posix_spawn` of the C library ignores the two signals that it uses itself

    assert 0 == code
    without = [{name: mask & ~kept_by_libc for name, mask in masks(one).items()} for one in (alone, out)]
    assert without[0] == without[1]


def masks(status: bytes) -> dict[str, int]:
    """The signal masks in a process's status."""
    return {name: int(mask, 16) for name, mask in (line.split(":") for line in status.decode().splitlines())}


def test_many_progress_lines_are_sent_once_a_second(monitor: Monitor, env: dict[str, str]) -> None:
    """Progress marks cost a report a second at most; the last one is known."""
    code, out, _ = run(shell("i=0; while [ $i -le 100 ]; do echo ::progress $i; i=$((i+1)); done"), env)
    progress = [body["progress"] for body in monitor.reports() if "progress" in body]

    assert (0, 101) == (code, out.count(b"\n"))
    assert 100 == progress[-1]
    assert len(progress) < 10


@pytest.mark.parametrize("last", ["::progress 60", "::progress 6\n::progress 60 as good as done"])
def test_progress_is_seen_without_an_end_of_its_line(monitor: Monitor, env: dict[str, str], last: str) -> None:
    """The last thing that a command says may have none; it is passed on as it is."""
    code, out, _ = run(shell('printf %s "$LAST"'), {**env, "LAST": last})
    progress = [body["progress"] for body in monitor.reports() if "progress" in body]

    assert (0, last.encode()) == (code, out)
    assert 60 == progress[-1]
    assert "job_completed" == monitor.reports()[-1]["type"]


def test_without_progress_lines_are_plain_output(monitor: Monitor, env: dict[str, str]) -> None:
    """`--no-progress` looks at nothing; neither do lines that only look alike."""
    run(shell("echo ::progress 25", "--no-progress"), env)
    run(
        shell("echo ' ::progress 25'; echo ::progress; echo ::progress many; echo ::progress 101; echo ::progress nan"),
        env,
    )

    assert [] == [body for body in monitor.reports() if "progress" in body]


# ------------------------------------------------------------------------------------------------------------- signals


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2"])
def test_a_signal_reaches_the_command(env: dict[str, str], name: str) -> None:
    """What is sent to the wrapper is sent on, and the command decides what it means."""
    program = begin(shell(f"trap 'echo got {name}; exit 9' {name}; echo ready; while :; do read x || :; done"), env)
    program.send_signal(getattr(signal, f"SIG{name}"))
    assert program.stdout is not None

    assert f"got {name}\n".encode() == program.stdout.readline()
    close(program)
    assert 9 == program.returncode


def test_a_signal_without_a_trap_ends_both(monitor: Monitor, env: dict[str, str]) -> None:
    """A stopped service is one that was ended by SIGTERM, with or without the wrapper."""
    program = begin(shell("echo ready; read x"), env)
    program.terminate()
    close(program)

    assert -signal.SIGTERM == program.returncode
    assert "killed by SIGTERM" == monitor.reports()[-1]["error"]


def test_suspending_stops_both_and_continuing_wakes_both(env: dict[str, str]) -> None:
    """SIGTSTP stops the command and then the wrapper, as a shell expects; SIGCONT lets both go on."""
    program = begin(shell("echo ready; read x; echo went on"), env)
    program.send_signal(signal.SIGTSTP)
    _, status = os.waitpid(program.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    program.send_signal(signal.SIGCONT)
    out, _ = program.communicate(b"x\n", timeout=SOON_S)

    assert (0, b"went on\n") == (program.returncode, out)


def test_ctrl_c_on_a_terminal_reaches_the_command_once(env: dict[str, str]) -> None:
    """The terminal interrupts the command itself; the wrapper adds no second interrupt, and stays until it has ended."""
    code = """if True:
        import signal
        both = {signal.SIGINT, signal.SIGUSR1}
        signal.pthread_sigmask(signal.SIG_BLOCK, both)
        print("ready", flush=True)
        signal.sigwait({signal.SIGINT})
        print("interrupted", flush=True)
        signal.sigwait({signal.SIGUSR1})
        print("pending:", len(signal.sigpending()), flush=True)
    """
    pid, leader = pty.fork()
    if pid == 0:
        os.execvpe(JOBSIGHT[0], wrapped(sys.executable, "-c", code), env)
    read_until(leader, b"ready")
    os.write(leader, b"\x03")
    read_until(leader, b"interrupted")
    os.kill(pid, signal.SIGUSR1)  # handed on after everything that came before
    seen = read_until(leader, b"\r\n", b"pending: ")
    _, status = os.waitpid(pid, 0)
    os.close(leader)

    assert 0 == os.WEXITSTATUS(status)
    assert b"pending: 0" in seen


def read_until(descriptor: int, wanted: bytes, first: bytes = b"") -> bytes:
    """Read from a terminal until something was seen, after something else."""
    seen = b""
    while seen.find(wanted, max(0, seen.find(first))) < 0 or first not in seen:
        ready, _, _ = select.select([descriptor], [], [], SOON_S)
        assert ready, f"{wanted!r} does not come: {seen!r}"
        try:
            seen += os.read(descriptor, 1000)
        except OSError as error:
            raise AssertionError(f"{wanted!r} did not come: {seen!r}") from error
    return seen


# ------------------------------------------------------------------------------------------------------------ timeouts


@pytest.mark.parametrize(("timeout", "said"), [("200ms", "200ms"), ("0.2", "0.2s")])
def test_a_command_that_takes_too_long_is_ended_with_all_it_started(
    monitor: Monitor, env: dict[str, str], timeout: str, said: str
) -> None:
    """After the timeout, the command and its descendants get SIGTERM; the exit code is 124, and the error names a unit."""
    code, out, _ = run(shell("(trap 'echo child' TERM; sleep 60) & wait; echo no", "--timeout", timeout), env)

    assert 124 == code
    assert b"no" not in out
    assert ("job_failed", f"timed out after {said}") == (monitor.reports()[-1]["type"], monitor.reports()[-1]["error"])
    assert 0.2 <= monitor.reports()[-1]["duration_ms"] / 1000 < 10


@pytest.mark.parametrize("timeout", ["1h", "0"])
def test_a_command_that_ends_in_time_is_left_alone(env: dict[str, str], timeout: str) -> None:
    """A timeout that does not come changes nothing; 0 is none, as `timeout` and `--heartbeat` have it."""
    assert (3, b"", b"") == run(shell("sleep 0.1; exit 3", "--timeout", timeout), env)


def test_a_command_that_will_not_end_is_killed(monitor: Monitor, env: dict[str, str]) -> None:
    """Ten seconds after SIGTERM comes SIGKILL, for the command and all that it started."""
    script = "trap '' TERM; sleep 100 & echo $!; while :; do wait; done"
    began = time.monotonic()
    code, out, _ = run(shell(script, "--timeout", "100ms"), env)
    took_s = time.monotonic() - began

    assert 124 == code
    assert 10 <= took_s < 20
    assert not is_alive(int(out))


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# -------------------------------------------------------------------------------------------------- without a monitor


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[MonitorProcess]:
    """A monitor in a process of its own, running."""
    one = MonitorProcess(tmp_path / "monitor")
    one.start()
    yield one
    one.kill()


def settings_for(url: str, tmp_path: Path) -> dict[str, str]:
    """The settings of a command."""
    return environment(JOBSIGHT_SERVER=url, JOBSIGHT_SPOOL=str(tmp_path / "spool"))


def send_what_waits(url: str, tmp_path: Path) -> None:
    """Be the next program: everything in the spool goes out."""
    with jobsight.Client(settings=Settings(server=url, spool=tmp_path / "spool")) as client:
        client.report("update_status", "last", status="running")
        assert client.flush(SOON_S)


def kill(monitor: MonitorProcess) -> None:
    """Nobody listens."""
    monitor.kill()


def stop_answering(monitor: MonitorProcess) -> None:
    """Connections are taken, and nothing answers."""
    monitor.stop_answering()


@pytest.mark.parametrize("harm", [kill, stop_answering], ids=["killed", "hanging"])
def test_a_command_does_not_notice_a_missing_monitor(
    mortal: MonitorProcess, tmp_path: Path, harm: Callable[[MonitorProcess], None]
) -> None:
    """Exit code and output are the same, its own time too; ours stays within its bound; nothing is lost."""
    env = settings_for(mortal.url, tmp_path)
    harm(mortal)
    began = time.monotonic()
    ended = run(shell("echo out; echo err >&2; exit 3"), env)
    took_s = time.monotonic() - began
    mortal.kill()
    mortal.start()
    send_what_waits(mortal.url, tmp_path)
    bodies = mortal.reports()

    assert (3, b"out\n", b"err\n") == ended
    assert took_s < 2 + 2
    assert ["update_status", "job_failed", "update_status"] == [body["type"] for body in bodies]
    assert bodies[1]["duration_ms"] < 1_000


def test_a_monitor_killed_under_a_running_command_changes_nothing(mortal: MonitorProcess, tmp_path: Path) -> None:
    """The command goes on; what it tells meanwhile arrives afterwards, once, in order, with its own times."""
    env = settings_for(mortal.url, tmp_path)
    program = begin(shell("echo ready; while read x; do echo ::progress $x; done; exit 6", "--heartbeat", "50ms"), env)
    assert program.stdin is not None
    assert program.stdout is not None
    mortal.kill()
    for percent in (10, 20, 30):
        program.stdin.write(b"%d\n" % percent)
        program.stdin.flush()
        assert b"::progress %d\n" % percent == program.stdout.readline()
    _, err = program.communicate(timeout=SOON_S)
    ended_ms = time.time_ns() // 1_000_000
    mortal.start()
    send_what_waits(mortal.url, tmp_path)
    bodies = [body for body in mortal.reports()[:-1] if body["type"] != "heartbeat"]

    assert (6, b"") == (program.returncode, err)
    assert ("update_status", "job_failed") == (bodies[0]["type"], bodies[-1]["type"])
    assert "exit code 6" == bodies[-1]["error"]
    assert 30 == bodies[-2]["progress"]
    assert sorted(body["at"] for body in bodies) == [body["at"] for body in bodies]
    assert len({body["msg_id"] for body in bodies}) == len(bodies)
    assert bodies[-1]["at"] <= ended_ms + 2


def test_the_wrapper_starts_light(tmp_path: Path) -> None:
    """Cron may start it each minute: it costs under 200 ms of processor time, its client and all."""
    env = {**settings_for("http://127.0.0.1:9", tmp_path), "PYTHONPYCACHEPREFIX": str(tmp_path / "compiled")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)

    def cost_s() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert 0 == run(wrapped("true"), env)[0]
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cost_s() for _ in range(5)) < 0.2
