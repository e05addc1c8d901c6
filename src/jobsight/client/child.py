"""Starting a command as a shell would, waiting for it with its signals, and stopping it with all that it started."""

from __future__ import annotations

import errno
import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Final

FORWARDED: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTSTP,
    signal.SIGCONT,
    signal.SIGWINCH,
)
WAITED: Final = (*FORWARDED, signal.SIGCHLD)

EXIT_NOT_RUNNABLE: Final = 126
EXIT_NOT_FOUND: Final = 127

KILL_AFTER_S: Final = 10.0
"""How long a command that ran out of time may take to end by itself, before it is killed."""

_SENT_BY_A_PROCESS: Final = 0
"""`si_code` up to it: sent with `kill`. Above it, the terminal sent the signal, and to the command as well."""


class CannotStartError(Exception):
    """The command cannot be started; `exit_code` is what a shell would answer."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code: Final = exit_code


class Ended:
    """How a command ended: its wait status, what it used (`cpu_s`, `peak` as `ru_maxrss`), and whether its time was over."""

    def __init__(self, status: int, cpu_s: float, peak: float, is_timed_out: bool) -> None:
        self.status: Final = status
        self.cpu_s: Final = cpu_s
        self.peak: Final = peak
        self.is_timed_out: Final = is_timed_out


def block_signals() -> set[signal.Signals | int]:
    """Let signals wait until `Child.wait` takes them; returns the mask that the command gets. Before any thread."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return signal.pthread_sigmask(signal.SIG_BLOCK, WAITED)


def start(command: list[str], outputs: Sequence[tuple[int, int]], mask: set[signal.Signals | int]) -> Child:
    """
    Start a command.

    Args:
        command: Its words; the first is looked up as a shell does.
        outputs: (descriptor here, descriptor there), as it is to be redirected.
        mask: Signals that are blocked for it.

    Raises:
        CannotStartError: There is no such command, or it cannot be run.
    """
    path = find(command[0])
    redirections = [(os.POSIX_SPAWN_DUP2, here, there) for here, there in outputs]
    python_ignores = [signal.SIGPIPE, signal.SIGXFSZ]

    def spawn(path: str, words: list[str]) -> int:
        return os.posix_spawn(
            path, words, os.environ, file_actions=redirections, setsigmask=mask, setsigdef=python_ignores
        )

    try:
        try:
            pid = spawn(path, command)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            pid = spawn("/bin/sh", ["sh", path, *command[1:]])
    except FileNotFoundError as error:
        raise CannotStartError(f"{command[0]}: {error.strerror}", EXIT_NOT_FOUND) from error
    except OSError as error:
        raise CannotStartError(f"{command[0]}: {error.strerror}", EXIT_NOT_RUNNABLE) from error
    return Child(pid)


def find(name: str) -> str:
    """The file of a command. Raises CannotStartError."""
    if "/" in name:
        return name
    is_there = False
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder or ".", name)
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return path
            is_there = True
    if is_there:
        raise CannotStartError(f"{name}: Permission denied", EXIT_NOT_RUNNABLE)
    raise CannotStartError(f"{name}: command not found", EXIT_NOT_FOUND)


class Child:
    """A running command."""

    def __init__(self, pid: int) -> None:
        self.pid: Final = pid
        self._shall_stop = False
        self._is_timed_out = False
        self._victims: dict[int, str] = {}

    def wait(self, timeout_s: float | None) -> Ended:
        """
        Wait for the command's end, handing on the signals that come in.

        Args:
            timeout_s: After it, the command and all its descendants get SIGTERM, and 10 s later SIGKILL.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            ended = self._reap()
            if ended is not None:
                return ended
            got = self._next_signal(deadline)
            if got is None:
                deadline = self._run_out()
            elif got.si_signo != signal.SIGCHLD:
                self._forward(got)

    @staticmethod
    def _next_signal(deadline: float | None) -> signal.struct_siginfo | None:
        if deadline is None:
            return signal.sigwaitinfo(WAITED)
        return signal.sigtimedwait(WAITED, max(0.0, deadline - time.monotonic()))

    def _reap(self) -> Ended | None:
        """How it ended; None while it has not."""
        while True:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid == 0:
                return None
            if not os.WIFSTOPPED(status):
                return Ended(status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, self._is_timed_out)
            if self._shall_stop:
                # Ctrl-Z: the shell wants to see all of its job stop, and continues all of it.
                self._shall_stop = False
                os.kill(os.getpid(), signal.SIGSTOP)

    def _forward(self, got: signal.struct_siginfo) -> None:
        if got.si_signo == signal.SIGTSTP:
            self._shall_stop = True
        if got.si_code <= _SENT_BY_A_PROCESS:
            send(self.pid, got.si_signo)

    def _run_out(self) -> float | None:
        """The time is over: ask it to end, the second time end it. Returns when to look again."""
        if self._is_timed_out:
            self._each_victim(signal.SIGKILL)
            return None
        self._is_timed_out = True
        self._victims = descendants(self.pid)
        self._each_victim(signal.SIGTERM)
        self._each_victim(signal.SIGCONT)
        return time.monotonic() + KILL_AFTER_S

    def _each_victim(self, number: int) -> None:
        now = descendants(self.pid)
        self._victims.update(now)
        for pid, started in self._victims.items():
            if pid == self.pid or now.get(pid, _started(pid)) == started:
                send(pid, number)


def send(pid: int, number: int) -> None:
    """Send a signal; a process that has gone needs none."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def descendants(pid: int) -> dict[int, str]:
    """A process and all that it started, as far as it can be seen: process id -> when it began, which tells reused ids apart."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else []:
        fields = _stat(name) if name.isdigit() else []
        if fields:
            parents[int(name)] = int(fields[1])
    return {one: _started(one) for one in eldest_first(pid, parents)}


def eldest_first(pid: int, parents: Mapping[int, int]) -> list[int]:
    """
    A process and its descendants, each parent before its children: a shell that learned of its child's end before it has
    its own signal would go on with the next line of its script.
    """
    found = [pid]
    for elder in found:
        found += [child for child, parent in parents.items() if parent == elder and child not in found]
    return found


def _started(pid: int) -> str:
    fields = _stat(str(pid))
    return fields[19] if len(fields) > 19 else ""


def _stat(name: str) -> list[str]:
    """The fields of a process behind its name, from the state on."""
    try:
        with open(f"/proc/{name}/stat", "rb") as file:
            text = file.read().decode("ascii", "replace")
    except OSError:
        return []
    return text[text.rfind(")") + 2 :].split()


def end_like(status: int, say: Callable[[str], None]) -> int:
    """
    End this process as the command ended: by the same signal, where it can be; otherwise returns the exit code, 128 + n
    for signal n.
    """
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number not in {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    except (OSError, ValueError) as error:
        say(f"cannot end by signal {number}: {error}")
    return 128 + number
