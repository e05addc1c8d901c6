"""
The whole of Jobsight at work, on this machine alone: a monitor, a fleet of jobs, and an inbox for its alerts.

    make demo

Everything is kept in a scratch folder and gone at the end. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
import tempfile
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from inbox import LINE, open_inbox

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
PORT = 8787
END_SECONDS = 10

FLEET = {
    "thumbnails": "succeeds again and again; watched from within Python (thumbnails.py)",
    "invoices": "fails, tries twice more, fails for good, recovers; plain HTTP (invoices.py)",
    "backup": "a command under `jobsight run`; the disk is full at times (backup.sh)",
    "reindex": "alive, but stuck at 42 %; curl (stuck.sh)",
    "import-feed": "should start every 5 s, and is silent; curl (silent.sh)",
}
SCRIPTS = ("thumbnails.py", "invoices.py", "backup.sh", "stuck.sh", "silent.sh")


def free_port(wanted: int) -> int:
    """This port, or any other where it is taken."""
    for port in (wanted, 0):
        with socket.socket() as one, suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", port))
            return int(one.getsockname()[1])
    raise SystemExit("there is no free port")


class Fleet:
    """The processes of the demo; each has a session of its own, so that Ctrl-C reaches us alone and we end them in order."""

    def __init__(self, folder: Path, server: str) -> None:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("JOBSIGHT_")}
        path = f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        self._environment = {
            **kept,
            "PATH": path,
            "JOBSIGHT_SERVER": server,
            "JOBSIGHT_PUBLIC_URL": server,
            "XDG_STATE_HOME": str(folder / "state"),
        }
        self._folder = folder
        self._running: list[asyncio.subprocess.Process] = []

    async def start(self, name: str, *words: str) -> asyncio.subprocess.Process:
        """Start one process; what it prints goes into a file of the scratch folder."""
        with (self._folder / f"{name}.out").open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self._environment,
                cwd=self._folder,
                start_new_session=True,
            )
        self._running.append(process)
        return process

    async def end(self) -> None:
        """End all, the latest first, so that the monitor is the last to go."""
        for process in reversed(self._running):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(END_SECONDS):
                await asyncio.gather(*(process.wait() for process in self._running))
        except TimeoutError:
            for process in self._running:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


async def is_open(service: asyncio.subprocess.Process, port: int) -> bool:
    """Wait until the service answers; False where it ends instead."""
    while service.returncode is None:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        await asyncio.sleep(0.05)
    return False


def greeting(server: str) -> str:
    """What there is to see, and to try."""
    width = max(map(len, FLEET))
    commands = {
        "status": "what is wrong now",
        "jobs": "every job, the newest first",
        "jobs --status failed": "those that stand failed",
        "tail": "reports, as they come in",
    }
    lines = [
        f"Open the dashboard in a browser:  {server}/",
        "",
        "A small fleet reports to it:",
        "",
        *(f"   {name:{width}}  {what}" for name, what in FLEET.items()),
        "",
        "Its alerts come as mails to an inbox, which is shown right here: the first in about three seconds.",
        "What recovers is told as well; what stays broken is not told again and again.",
        "",
        "Try in another terminal:",
        "",
        f"   export JOBSIGHT_SERVER={server}",
        *(f"   {shown(BIN / 'jobsight')} {words:22} # {what}" for words, what in commands.items()),
        f"   {shown(BIN / 'jobsight')} run --task mine -- sh -c 'echo oh no; exit 1'   # your own alert",
        "",
        "Ctrl-C ends it all, and leaves nothing behind.",
    ]
    return "\n".join([LINE, *lines, LINE])


def shown(path: Path) -> str:
    """A path as short as it can be typed."""
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


async def main(seconds: float | None, wanted_port: int) -> None:
    """Run until Ctrl-C, or for so many seconds."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="jobsight-demo-", ignore_cleanup_errors=True))
        )
        inbox_port = await stack.enter_async_context(open_inbox(0))
        port = free_port(wanted_port)
        server = f"http://127.0.0.1:{port}"
        fleet = Fleet(folder, server)
        stack.push_async_callback(fleet.end)
        mail = f"smtp://127.0.0.1:{inbox_port}?to=you@example.org&from=jobsight@example.org&tls=none"
        words = [str(BIN / "jobsight"), "serve", "--data", str(folder / "data"), "--listen", f"127.0.0.1:{port}"]
        service = await fleet.start("monitor", *words, "--notify", mail)
        if not await is_open(service, port):
            raise SystemExit((folder / "monitor.out").read_text())
        print(greeting(server), flush=True)
        for script in SCRIPTS:
            program = sys.executable if script.endswith(".py") else "/bin/sh"
            await fleet.start(script, program, str(HERE / script))
        ending = asyncio.create_task(stop.wait())
        gone = asyncio.create_task(service.wait())
        await asyncio.wait({ending, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            print((folder / "monitor.out").read_text(), file=sys.stderr)
        print("\nEnding ...", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Show Jobsight at work.")
    parser.add_argument("--port", type=int, default=PORT, help="of the monitor; another one is taken if it is in use")
    parser.add_argument("--seconds", type=float, help="end by itself after so long")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.seconds, arguments.port))
