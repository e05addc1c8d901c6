"""For each kind of channel a far side on this host, the settings that lead to it, and the ways in which it can fail."""

from __future__ import annotations

import asyncio
import os
import select
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from jobsight.notifiers.registry import KINDS
from jobsight.testing.sinks import HttpSink, MailSink, closed_port, http_sink, mail_sink, shared_self_signed

SECRET: Final = "s3cr3t/Zx9+Qv7"
"""Stands in every setting that is a secret; percent-encoding changes it, and URLs hold it."""

ENCODED: Final = "s3cr3t%2FZx9%2BQv7"
SECRET_PIECES: Final = ("s3cr3t", "Zx9", "Qv7", "czNjcjN0L")
"""What no text may show: its parts, and how its base64 begins."""

HANG_UP_MS: Final = 20_000
"""No longer is waited for the end of a command."""


class Arrival(Struct, frozen=True, kw_only=True):
    """
    One notification as the far side got it.

    Attributes:
        texts: Every text in it, decoded as a reader would.
        key: Tells a repeated try from another notification; None where the far side has no place for one.
    """

    texts: list[str]
    key: str | None = None


class Fault(Struct, frozen=True, kw_only=True):
    """
    One way to fail.

    Attributes:
        begin: Makes the far side fail, until `mend`.
        settings: Lead elsewhere, in place of those of the reach.
        is_silent: Only a time limit ends it: the suite sets small ones.
        is_refusal, retry_after_ms: What the error has to say.
    """

    begin: Callable[[], None] = lambda: None
    settings: Mapping[str, Any] = field(default_factory=dict)
    is_silent: bool = False
    is_refusal: bool = False
    retry_after_ms: int | None = 0


class Reach(Struct, frozen=True, kw_only=True):
    """
    A far side and the way to it.

    Attributes:
        table: As in the configuration, with `SECRET` wherever a secret belongs.
        faults: By name.
        mend: Ends a fault.
        arrivals: What came in so far.
        let_go: Returns when no connection and no process of the channel is left.
    """

    table: Mapping[str, Any]
    faults: Mapping[str, Fault]
    mend: Callable[[], None]
    arrivals: Callable[[], list[Arrival]]
    let_go: Callable[[], Any]


ReachOf = Callable[[Path], AbstractAsyncContextManager[Reach]]


def reach_of(name: str) -> ReachOf:
    """The far side for a type of channel; any channel with a `url` that speaks HTTP needs none of its own."""
    return REACHES.get(name) or (lambda folder: _http(name, folder))


@asynccontextmanager
async def _http(name: str, folder: Path) -> AsyncIterator[Reach]:
    tls = await asyncio.to_thread(shared_self_signed)
    async with http_sink() as sink, http_sink(tls=tls) as untrusted:
        path = f"/{ENCODED}"
        faults = {**_http_faults(sink), "refused": Fault(settings={"url": f"http://127.0.0.1:{closed_port()}{path}"})}
        if tls is not None:
            faults["tls"] = Fault(settings={"url": untrusted.url(path)})
        yield Reach(
            table={"type": name, **_filled(name), "url": sink.url(path)},
            faults=faults,
            mend=lambda: _mend_http(sink),
            arrivals=lambda: [_http_arrival(sink, place) for place in range(len(sink.received))],
            let_go=sink.closed.wait,
        )


def _filled(name: str) -> dict[str, Any]:
    """Every setting that takes secrets, filled with one."""
    table: dict[str, Any] = {}
    for setting in msgspec.structs.fields(KINDS[name].settings):
        words = str(setting.type)
        if "Secret" in words and setting.encode_name not in {"url", "proxy"}:
            table[setting.encode_name] = {"Authorization": f"Bearer {SECRET}"} if "Mapping" in words else SECRET
    return table


def _http_faults(sink: HttpSink) -> dict[str, Fault]:
    def answers(status: int, **headers: str) -> Callable[[], None]:
        def begin() -> None:
            sink.status, sink.is_echoing = status, True
            sink.headers = {name.replace("_", "-"): value for name, value in headers.items()}

        return begin

    def behaves(mode: str, status: int = 200) -> Callable[[], None]:
        def begin() -> None:
            sink.mode, sink.status = mode, status

        return begin

    return {
        "hanging": Fault(begin=behaves("hang"), is_silent=True),
        "endless head": Fault(begin=behaves("trickle"), is_silent=True),
        "dropped": Fault(begin=behaves("drop")),
        "500": Fault(begin=answers(500)),
        "503 with a date": Fault(begin=answers(503, Retry_After="Mon, 21 Sep 2026 14:13:27 GMT"), retry_after_ms=7_000),
        "429": Fault(begin=answers(429, Retry_After="7"), retry_after_ms=7_000),
        "429 for a year": Fault(begin=answers(429, Retry_After="31536000"), retry_after_ms=3_600_000),
        "408": Fault(begin=answers(408)),
        "425": Fault(begin=answers(425)),
        "404": Fault(begin=answers(404), is_refusal=True),
        "403": Fault(begin=answers(403), is_refusal=True),
        "a redirect": Fault(begin=answers(302, Location=sink.url("/elsewhere")), is_refusal=True),
        "a slow body": Fault(begin=behaves("slow", 500), is_silent=True),
        "an endless body": Fault(begin=behaves("endless", 500)),
    }


def _mend_http(sink: HttpSink) -> None:
    sink.status, sink.mode, sink.headers, sink.is_echoing = 200, "answer", {}, False


def _http_arrival(sink: HttpSink, place: int) -> Arrival:
    received = sink.received[place]
    return Arrival(
        texts=[*received.headers.values(), *_texts(received.json())], key=received.headers.get("idempotency-key")
    )


@asynccontextmanager
async def _smtp(folder: Path) -> AsyncIterator[Reach]:
    tls = await asyncio.to_thread(shared_self_signed)
    async with mail_sink(has_login=True) as sink, mail_sink(tls=tls) as untrusted, http_sink() as mute:
        mute.mode = "hang"
        table = {
            "type": "smtp",
            "host": "127.0.0.1",
            "port": sink.port,
            "tls": "none",
            "from": "jobs@example.org",
            "to": ["ana@example.org"],
            "username": "jobs",
            "password": SECRET,
        }
        faults = {
            **_mail_faults(sink),
            "refused": Fault(settings={"port": closed_port()}),
            "mute": Fault(settings={"port": mute.port}, is_silent=True),
            "no starttls": Fault(settings={"tls": "starttls"}, is_refusal=True),
        }
        if tls is not None:
            faults["tls"] = Fault(settings={"port": untrusted.port, "tls": "starttls"})
        yield Reach(
            table=table,
            faults=faults,
            mend=sink.answers.clear,
            arrivals=lambda: [_mail_arrival(sink, place) for place in range(len(sink.received))],
            let_go=sink.closed.wait,
        )


def _mail_faults(sink: MailSink) -> dict[str, Fault]:
    def says(verb: str, answer: str) -> Callable[[], None]:
        return lambda: sink.answers.update({verb: answer})

    return {
        "busy": Fault(begin=says("MAIL", f"451 later, {SECRET}")),
        "no room": Fault(begin=says("DATA", f"452 later, {SECRET}")),
        "no such user": Fault(begin=says("RCPT", f"550 nobody, {SECRET}"), is_refusal=True),
        "greylisted": Fault(begin=says("RCPT", "450 later")),
        "spam": Fault(begin=says("DATA", f"554 never, {SECRET}"), is_refusal=True),
        "login refused": Fault(begin=says("AUTH", "no"), is_refusal=True),
        "hanging": Fault(begin=says("DATA", "hang"), is_silent=True),
    }


def _mail_arrival(sink: MailSink, place: int) -> Arrival:
    mail = sink.received[place].message()
    bodies = [str(part.get_content()) for part in mail.walk() if not part.is_multipart()]
    return Arrival(texts=[*map(str, mail.values()), *bodies], key=mail["Message-ID"])


# Keeps what it gets, each in a file; fails as the file `fault` says, and then shows its secret.
SCRIPT: Final = """
import json, os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
alive = os.open(folder / "alive", os.O_WRONLY)
fault = (folder / "fault").read_text() if (folder / "fault").exists() else ""
if fault == "hang":
    os.fork()
    signal.pause()
if fault:
    print("no:", os.environ["TOKEN"], file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGTERM) if fault == "signal" else sys.exit(int(fault))
arrived = {"stdin": json.load(sys.stdin), "environment": {k: v for k, v in os.environ.items() if k.startswith("JOBSIGHT_")}}
(folder / f"arrived-{len(list(folder.glob('arrived-*'))):03}-{os.getpid()}").write_text(json.dumps(arrived))
"""


@asynccontextmanager
async def _command(folder: Path) -> AsyncIterator[Reach]:
    fault = folder / "fault"
    os.mkfifo(folder / "alive")
    pipe = os.open(folder / "alive", os.O_RDONLY | os.O_NONBLOCK)
    alive = select.poll()
    alive.register(pipe, 0)

    def fails(how: str) -> Callable[[], None]:
        def begin() -> None:
            fault.write_text(how)

        return begin

    def arrivals() -> list[Arrival]:
        found = [msgspec.json.decode(path.read_bytes()) for path in sorted(folder.glob("arrived-*"))]
        return [Arrival(texts=_texts(one), key=_key_of(one["environment"])) for one in found]

    async def let_go() -> None:
        """The pipe hangs up when neither the command nor anything that it started holds its other end."""
        await asyncio.to_thread(alive.poll, HANG_UP_MS)

    try:
        yield Reach(
            table={
                "type": "command",
                "command": [sys.executable, "-c", SCRIPT, str(folder)],
                "environment": {"TOKEN": SECRET},
            },
            faults={
                "exit code": Fault(begin=fails("1")),
                "signal": Fault(begin=fails("signal")),
                "hanging": Fault(begin=fails("hang"), is_silent=True),
                "missing": Fault(settings={"command": [str(folder / "missing")]}, is_refusal=True),
            },
            mend=lambda: fault.unlink(missing_ok=True),
            arrivals=arrivals,
            let_go=let_go,
        )
    finally:
        os.close(pipe)


def _key_of(environment: Mapping[str, str]) -> str:
    return ":".join(environment[f"JOBSIGHT_{name}"] for name in ("DEDUP_KEY", "KIND", "SEQUENCE"))


@asynccontextmanager
async def _apprise(folder: Path) -> AsyncIterator[Reach]:
    async with http_sink() as sink:

        def leads_to(port: int) -> str:
            return f"json://jobs:{ENCODED}@127.0.0.1:{port}/{ENCODED}"

        # Apprise says no more than no, so nothing is a refusal.
        faults = {
            name: Fault(begin=fault.begin, is_silent=fault.is_silent)
            for name, fault in _http_faults(sink).items()
            if name not in {"endless head", "a slow body", "an endless body"}
        }
        yield Reach(
            table={"type": "apprise", "url": leads_to(sink.port)},
            faults={**faults, "refused": Fault(settings={"url": leads_to(closed_port())})},
            mend=lambda: _mend_http(sink),
            arrivals=lambda: [Arrival(texts=_texts(received.json())) for received in sink.received],
            let_go=sink.closed.wait,
        )


REACHES: Final[Mapping[str, ReachOf]] = {"smtp": _smtp, "command": _command, "apprise": _apprise}


def _texts(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for key, item in value.items() for text in (*_texts(key), *_texts(item))]
        case list():
            return [text for item in value for text in _texts(item)]
        case _:
            return []
