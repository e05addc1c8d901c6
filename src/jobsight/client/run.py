"""
`jobsight run`: a command, watched as a job.

The command runs as if it stood alone: its input, its output, its signals and its end are its own. Only then comes the
monitor, which it never waits for.
"""

from __future__ import annotations

import os
import signal

from jobsight.client import limits
from jobsight.client.child import CannotStartError, Child, Ended, block_signals, end_like, start
from jobsight.client.client import Client
from jobsight.client.measures import Stopwatch, usage_of
from jobsight.client.options import EXIT_USAGE, FLAG, MANY, VALUE, UsageError, Words, read_words
from jobsight.client.pump import Marks, Pump, Tail, copy_to_the_end
from jobsight.client.settings import Settings
from jobsight.client.voice import STDERR, STDOUT, keep_standard_files, put_out, stderr_voice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from jobsight.client.job import Job

EXIT_TIMED_OUT: Final = 124

OUTPUT_WAIT_S: Final = 1.0
"""How long the end's report waits for output that nobody takes; the output itself is waited for to its end."""

OPTIONS: Final = {
    "--task": VALUE,
    "--job-id": VALUE,
    "--queue": VALUE,
    "--label": MANY,
    "--timeout": VALUE,
    "--heartbeat": VALUE,
    "--max-retries": VALUE,
    "--retries": VALUE,
    "--server": VALUE,
    "--token": VALUE,
    "--no-progress": FLAG,
    "--help": FLAG,
    "-h": FLAG,
}

HELP: Final = """\
Usage: jobsight run --task NAME [OPTIONS] -- COMMAND [ARGS]...

  Run a command and watch it as a job. Its input, output, signals and exit
  code pass through unchanged, whether or not the monitor can be reached.

Options:
  --task NAME        What the command does; jobs are grouped by it.  [required]
  --job-id ID        The job's id; made from the task and the time by default.
  --queue NAME       The queue from which the job came.
  --label KEY=VALUE  May be given up to 16 times.
  --timeout TIME     End the command after it (30s, 5m, 2h): SIGTERM, 10 s later
                     SIGKILL, exit code 124. 0 for none.
  --heartbeat TIME   Between signs of life; 0 for none.  [default: 30s]
  --retries N        Tries of this job before this one.
  --max-retries N    Tries that may follow the first; while some are left, a
                     failure is recorded and alerts nobody.
  --server URL       The monitor.  [JOBSIGHT_SERVER, http://127.0.0.1:8787]
  --token TOKEN      Its access token. JOBSIGHT_TOKEN keeps it out of `ps`.
  --no-progress      Take lines like `::progress 25` for plain output.
  -h, --help         Show this and exit.
"""


class Order:
    """What the command line asks for."""

    def __init__(self, words: Words) -> None:
        if not words.values.get("--task"):
            raise UsageError("--task NAME is missing: what does the command do?")
        if not words.rest:
            raise UsageError("there is no command; write it behind `--`")
        self.task: Final = words.values["--task"]
        self.command: Final = words.rest
        self.timeout_s: Final = words.seconds("--timeout") or None
        self.timeout_text: Final = _with_unit(words.values.get("--timeout", ""))
        self.has_progress: Final = "--no-progress" not in words.flags
        self.job_id: Final = words.values.get("--job-id")
        self.queue: Final = words.values.get("--queue")
        self.labels: Final = words.labels("--label")
        self.retries: Final = words.whole("--retries")
        self.max_retries: Final = words.whole("--max-retries")
        heartbeat_s = words.seconds("--heartbeat")
        self.heartbeat_s: Final = limits.HEARTBEAT_S if heartbeat_s is None else heartbeat_s
        self.server: Final = words.server()
        self.token: Final = words.values.get("--token")


def main(argv: Sequence[str]) -> int:
    """Run a command as its command line says; returns its exit code, unless this process ends by the command's signal."""
    keep_standard_files()
    try:
        words = read_words(argv, OPTIONS, is_mixed=False)
        if not words.flags.isdisjoint({"-h", "--help"}):
            put_out(STDOUT, HELP)
            return 0
        order = Order(words)
    except UsageError as error:
        put_out(STDERR, f"jobsight run: {error}\n")
        return EXIT_USAGE
    voice = stderr_voice()
    client = Client(settings=Settings(server=order.server, token=order.token), voice=voice)
    job = client.job(
        order.task,
        job_id=order.job_id,
        queue=order.queue,
        labels=order.labels,
        retries=order.retries,
        max_retries=order.max_retries,
        heartbeat_s=order.heartbeat_s,
    )
    os.environ["JOBSIGHT_JOB_ID"] = job.job_id
    mask = block_signals()
    output = Output(job, has_progress=order.has_progress)
    try:
        child = start(order.command, output.redirections, mask)
    except CannotStartError as error:
        put_out(STDERR, f"jobsight run: {error}\n")
        job.start()
        job.fail(str(error))
        client.close()
        return error.exit_code
    return _watch(order, client, job, child, output, mask)


def _watch(
    order: Order, client: Client, job: Job, child: Child, output: Output, mask: set[signal.Signals | int]
) -> int:
    """From the command's start to its end, and ours."""
    stopwatch = Stopwatch()
    job.start()
    output.start()
    ended = child.wait(order.timeout_s)
    duration_ms = stopwatch.duration_ms()
    output.stop()
    _report_end(order, job, ended, duration_ms, output.tail.text())
    client.close()
    output.finish(mask)
    if ended.is_timed_out:
        return EXIT_TIMED_OUT
    return end_like(ended.status, lambda text: client.shield.trouble("end", text))


def _with_unit(text: str) -> str:
    """A time as it was given; a bare number is in seconds, and says so."""
    return f"{text}s" if text[-1:].isdigit() else text


def _report_end(order: Order, job: Job, ended: Ended, duration_ms: float, tail: str) -> None:
    usage = usage_of(duration_ms, ended.cpu_s, ended.peak)
    error = None
    if ended.is_timed_out:
        error = f"timed out after {order.timeout_text}"
    elif os.WIFSIGNALED(ended.status):
        error = f"killed by {signal_name(os.WTERMSIG(ended.status))}"
    elif os.WEXITSTATUS(ended.status):
        error = f"exit code {os.WEXITSTATUS(ended.status)}"
    if not os.WIFSIGNALED(ended.status):
        usage["exit_code"] = os.WEXITSTATUS(ended.status)
    job.end_with(error, duration_ms, usage, message=tail or None)


def signal_name(number: int) -> str:
    """A signal's name, such as SIGKILL; for a nameless one its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Output:
    """
    The command's stdout and stderr. A terminal is left to the command itself; everything else passes through us.

    Where both go to the same file, they share one pipe, so that their order stays as it was.
    """

    def __init__(self, job: Job, *, has_progress: bool) -> None:
        self.tail: Final = Tail()
        self.redirections: Final[list[tuple[int, int]]] = []
        self._pumps: Final[list[Pump]] = []
        self._job: Final = job
        self._has_progress: Final = has_progress
        try:
            self._pass_all()
        except (OSError, RuntimeError):
            # No more files or threads, as this user has them: then the command has its output to itself.
            self._leave()

    def _pass_all(self) -> None:
        """Begin to copy, before there is a command: what cannot begin now must not fail under it."""
        places = {number: _place_of(number) for number in (STDOUT, STDERR)}
        if places[STDOUT] is not None and places[STDOUT] == places[STDERR]:
            self._pass(STDOUT, [STDOUT, STDERR])
            return
        for number, place in places.items():
            if place is not None:
                self._pass(number, [number])

    def _leave(self) -> None:
        for pump in self._pumps:
            pump.stop()
            pump.join()
        self.start()
        self._pumps.clear()
        self.redirections.clear()

    def start(self) -> None:
        """The command has started, and holds its ends of the pipes alone."""
        for here in {here for here, _ in self.redirections}:
            os.close(here)

    def stop(self) -> None:
        """The command has ended: pass on the rest. Waits for it, but not long: whoever reads it may be slow."""
        for pump in self._pumps:
            pump.stop()
        for pump in self._pumps:
            pump.join(OUTPUT_WAIT_S)

    def finish(self, mask: set[signal.Signals | int]) -> None:
        """Wait until the rest is passed on. What the command left behind in the background keeps a process that copies."""
        for pump in self._pumps:
            pump.join()
        left = [pump for pump in self._pumps if not pump.is_over]
        if left and os.fork() == 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            try:
                copy_to_the_end(left)
            finally:
                os._exit(0)

    def _pass(self, target: int, numbers: Sequence[int]) -> None:
        source, entrance = os.pipe()
        self.redirections.extend((entrance, number) for number in numbers)
        pump = self._pump(source, target)
        pump.start()
        self._pumps.append(pump)

    def _pump(self, source: int, target: int) -> Pump:
        if not self._has_progress:
            return Pump(source, target, self.tail.add)
        marks = Marks(self._job.progress)

        def look(data: bytes) -> None:
            self.tail.add(data)
            marks.add(data)

        return Pump(source, target, look, marks.finish)


def _place_of(number: int) -> tuple[int, int] | None:
    """Which file a descriptor is; None for a terminal, or where it is closed for the command."""
    try:
        is_the_commands = os.get_inheritable(number)
        found = os.fstat(number)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if is_the_commands and not os.isatty(number) else None
