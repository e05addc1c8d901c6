"""A command of one's own: no shell, the notification as JSON on stdin and as JOBSIGHT_* variables."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO, Any, Final, Self

import msgspec
from msgspec import field

from jobsight.errors import ConfigError, DeliveryError
from jobsight.notifiers.base import Making, Notification, Receipt, cleaned
from jobsight.notifiers.harmless import cut_bytes, one_line
from jobsight.notifiers.limits import ANSWER_CHARACTERS_SHOWN, SEND_MS_MAX
from jobsight.notifiers.masking import Mask, Secret
from jobsight.notifiers.settings import ChannelSettings, secrets_in
from jobsight.notifiers.templates import Templates, texts_of

VARIABLE_BYTES_MAX: Final = 16 * 1024
"""Linux takes 128 KiB for one variable; everything is in the JSON."""

OUTPUT_BYTES_KEPT: Final = 8 * 1024
AFTERWORD_S: Final = 0.2
"""So long after its end a command's stderr is listened to, where something still holds it open."""

PASSED_ON: Final = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""Of Jobsight's own variables; the others may hold secrets of other channels."""


class CommandSettings(ChannelSettings, frozen=True, kw_only=True):
    """
    Attributes:
        command: Program and arguments, one text each; no shell reads them.
        environment: Variables of its own.
        timeout_seconds: It is killed, with everything that it started, after so long; at most 30.
    """

    command: tuple[str, ...]
    environment: Mapping[str, Secret] = field(default_factory=dict)
    timeout_seconds: int = SEND_MS_MAX // 1000


class Command:
    """
    Runs a program for each notification; exit code 0 is a yes.

    Raises:
        ConfigError: There is no program, a variable cannot be passed on, or the time is out of bounds.
    """

    repost_every_ms: int | None = None
    repost_resolved_ms: int = 0

    def __init__(self, settings: CommandSettings, making: Making) -> None:
        where = f"channels.{making.name}"
        if not settings.command or not settings.command[0] or any("\0" in part for part in settings.command):
            raise ConfigError(f'{where}.command needs a program and its arguments: ["/usr/local/bin/page", "--now"]')
        if not 1 <= settings.timeout_seconds <= SEND_MS_MAX // 1000:
            raise ConfigError(
                f"{where}.timeout_seconds is {settings.timeout_seconds}; 1 to {SEND_MS_MAX // 1000} are possible"
            )
        for name, value in settings.environment.items():
            if not name or "=" in name or "\0" in name + value.reveal():
                raise ConfigError(f"{where}.environment has a variable {name!r} that no program can be given")
        self.name = making.name
        self._command = settings.command
        self._timeout_s = min(settings.timeout_seconds, making.limits.send_ms / 1000)
        self._inherited = {name: making.environment[name] for name in PASSED_ON if name in making.environment}
        self._own = settings.environment
        self._mask = Mask(secrets_in(settings))
        self._templates = Templates(where=where, title=settings.title_template, text=settings.text_template)
        self._running: set[Process] = set()

    async def send(self, notification: Notification, *, now_ms: int) -> Receipt:
        """Run it once; what it prints on stderr is quoted when it fails."""
        notification = cleaned(notification)
        texts = await texts_of(self._templates, notification)
        content = {**msgspec.to_builtins(notification), "headline": texts.title, "text": texts.text}
        own = {name: value.reveal() for name, value in self._own.items()}
        environment = {**self._inherited, **own, **variables_of(content)}
        with TemporaryFile() as stdin:
            stdin.write(msgspec.json.encode(content))
            stdin.seek(0)
            async with _Ear() as ear:
                process = await self._started(environment, stdin=stdin, stderr=ear.mouth)
                ear.close_mouth()
                code = await self._ended(process)
                said = self._words(await ear.heard())
        if code != 0:
            what = f"exit code {code}" if code > 0 else f"killed by signal {-code}"
            raise DeliveryError(f"{self._command[0]}: {what}{f': {said}' if said else ''}", retry_after_ms=0)
        return Receipt(detail="exit code 0", problem=texts.problem)

    async def close(self) -> None:
        """Kill what still runs."""
        for process in list(self._running):
            _kill(process)

    async def _started(self, environment: Mapping[str, str], *, stdin: IO[bytes], stderr: int) -> Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._command,
                stdin=stdin,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=stderr,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = f"{self._command[0]} cannot be started: {self._words(str(error))}"
            raise DeliveryError(reason, retry_after_ms=0, is_refusal=True) from None

    async def _ended(self, process: Process) -> int:
        self._running.add(process)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await process.wait()
        except TimeoutError:
            raise DeliveryError(f"{self._command[0]} did not end within {self._timeout_s:g} s", 0) from None
        finally:
            if process.returncode is None:
                _kill(process)
                await process.wait()
            self._running.discard(process)

    def _words(self, text: str) -> str:
        return one_line(self._mask.hide(text), ANSWER_CHARACTERS_SHOWN)


def variables_of(content: Mapping[str, Any]) -> dict[str, str]:
    """JOBSIGHT_KIND, JOBSIGHT_TASK and so on: each text and number; lists and tables are in the JSON only."""
    return {
        f"JOBSIGHT_{name.upper()}": cut_bytes(str(value), VARIABLE_BYTES_MAX).replace("\0", "")
        for name, value in content.items()
        if isinstance(value, str | int)
    }


class _Ear:
    """
    Hears what a command says on stderr, by a pipe of its own: what the command left in the background may hold the
    other end for ever, and nobody waits for that.
    """

    async def __aenter__(self) -> Self:
        ear, self.mouth = os.pipe()
        self._reader = asyncio.StreamReader()
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._reader), os.fdopen(ear, "rb", buffering=0)
        )
        self._kept = bytearray()
        self._hearing = asyncio.ensure_future(self._hear())
        return self

    async def __aexit__(self, *reason: object) -> None:
        self.close_mouth()
        self._hearing.cancel()
        self._transport.close()
        await asyncio.wait([self._hearing])

    def close_mouth(self) -> None:
        """The command has its own copy by now."""
        if self.mouth >= 0:
            os.close(self.mouth)
            self.mouth = -1

    async def heard(self) -> str:
        """What was said so far; after the end of the command there is little more to come."""
        await asyncio.wait([self._hearing], timeout=AFTERWORD_S)
        return self._kept.decode("utf-8", "replace")

    async def _hear(self) -> None:
        while part := await self._reader.read(OUTPUT_BYTES_KEPT):
            self._kept += part[: OUTPUT_BYTES_KEPT - len(self._kept)]


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
