r"""
Transcripts: what is said to a node and what it answers, as text files, and how they are replayed.

    # The promise, in one or more lines.
    % replies=envelope max_retries=3    how the node is started
    > a line of input                   neighbouring input lines come in one read
    >\ the same, with escapes           \xNN is a byte, \(text)*N is the text N times over
    >- the same, without a newline
    < a line of output                  everything that is answered to the input lines above
    <\ the same, with escapes
    <~ the same, where … stands for any text without a comma
    ! words                             a line on stderr that holds these words
    + 90s                               the clock goes on; also ms, m, h, d
    $                                   the end of the input (the end of the file is one as well)

Lines that begin otherwise are refused, empty ones are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from jobsight.app.stores import open_store
from jobsight.app.writing import ticker_of
from jobsight.core.events import SettingsChanged
from jobsight.core.state import State
from jobsight.engine.answers import Answers, Reading
from jobsight.engine.writer import Writer
from jobsight.protocol.codec import Chunk
from jobsight.protocol.session import ReplyForm, Session

START_MS = 1_700_000_000_000
"""When a transcript begins: 2023-11-14T22:13:20Z."""

UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
READS_MAX = 1_000
"""How many reads a long input is cut into."""


class Step(NamedTuple):
    """One line of a transcript: where it stands, its mark, what it holds; `is_loose` where … stands for any text."""

    number: int
    mark: str
    text: bytes
    is_loose: bool = False

    def fits(self, line: bytes) -> bool:
        """Whether a line of output is the one that is expected here."""
        if not self.is_loose:
            return self.text == line
        return re.fullmatch(rb"[^,]*?".join(map(re.escape, self.text.split("…".encode()))), line) is not None


class Transcript(NamedTuple):
    """A transcript as it was read; `options` as they stand on the `%` line."""

    path: Path
    promise: str
    options: dict[str, str]
    steps: list[Step]

    @property
    def steps_the_clock(self) -> bool:
        """Whether time is a part of it, so that a process with its own clock cannot replay it."""
        return any(step.mark == "+" for step in self.steps)

    def all_of(self, mark: str) -> list[Step]:
        """All lines with a mark, in order."""
        return [step for step in self.steps if step.mark == mark]


class Clock:
    """A clock that only goes on when it is told to."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


class Node:
    """
    A node in this process, on a clock of ours, with one connection.

    Args:
        data: Its data folder; None keeps everything in memory.
        retries_max, replies: As on the command line.
    """

    def __init__(self, data: Path | None = None, *, retries_max: int | None = None, replies: str = "auto") -> None:
        self.clock = Clock()
        self.replied: list[bytes] = []
        self.complained: list[str] = []
        self._data = data
        self._open = ExitStack()
        self._retries_max = retries_max
        self._session = Session(ReplyForm(replies), self.complained.append)
        self._start()

    @property
    def state(self) -> State:
        """What the node knows."""
        return self._writer.state

    def send(self, data: bytes) -> None:
        """Bytes come in, and what is due at once is done."""
        self._submit(self._session.feed(data))
        self._flush_if_due()

    def end(self) -> None:
        """The input ends."""
        self._submit(self._session.finish())

    def step(self, passed_ms: int) -> None:
        """Time goes on, and what is due is done."""
        end_ms = self.clock.now_ms + passed_ms
        while self.clock.now_ms < end_ms:
            waits = (self._writer.flush_due_ms(), self._ticker.due_ms(), end_ms - self.clock.now_ms)
            self.clock.now_ms += max(1, min(wait for wait in waits if wait is not None))
            self._flush_if_due()
            self._ticker.tick()

    def restart(self) -> None:
        """End in good order and start again; the connection does not notice."""
        self.close()
        self._start()

    def close(self) -> None:
        """End in good order."""
        self._writer.close()
        self._open.close()

    def ask(self, line: str) -> str:
        """The reply to one line."""
        self.send(line.encode() + b"\n")
        reply = self.take_replies()
        return reply.decode().removesuffix("\n")

    def take_replies(self) -> bytes:
        """What was answered since the last call."""
        taken, self.replied = b"".join(self.replied), []
        return taken

    def _flush_if_due(self) -> None:
        if self._writer.flush_due_ms() == 0:
            self._writer.flush()

    def _start(self) -> None:
        store = self._open.enter_context(open_store(self._data, self.complained.append))
        self.log, state = store.log, store.state

        def reading() -> Reading:
            reader = store.reader()
            self._writer.flush()
            return reader

        self._writer = Writer(
            log=store.log,
            view=store.view,
            state=state,
            clock_ms=self.clock,
            answer=Answers(state, reading, store.log, self.clock).answer,
            wake=None,
        )
        self._ticker = ticker_of(self._writer, self.clock)
        if state.retries_max != self._retries_max:
            self._writer.record([SettingsChanged(max_retries=self._retries_max, author="config")])

    def _submit(self, chunk: Chunk) -> None:
        if chunk.reports or chunk.asides:
            self._writer.submit(chunk, lambda outcome: self.replied.append(self._session.replies(chunk, outcome)))


Cut = Callable[[bytes], list[bytes]]


def in_one_read(data: bytes) -> list[bytes]:
    """All at once."""
    return [data]


def a_line_a_read(data: bytes) -> list[bytes]:
    """Line by line."""
    return data.splitlines(keepends=True)


def a_byte_a_read(data: bytes) -> list[bytes]:
    """Byte by byte, or in as many pieces as is bearable."""
    size = 1 + len(data) // READS_MAX
    return [data[start : start + size] for start in range(0, len(data), size)]


def replay(transcript: Transcript, node: Node, *, cut: Cut = in_one_read, restarts: bool = False) -> None:
    """
    Say a transcript's lines to a node; AssertionError where it answers otherwise.

    Args:
        cut: How an input comes in.
        restarts: Restart the node after every line.
    """
    steps = [*transcript.steps, Step(0, "$", b"")]
    index = 0
    while index < len(steps):
        mark = steps[index].mark
        if mark == "+":
            node.step(int(steps[index].text))
            index += 1
            continue
        asked_at, said = steps[index].number, b""
        while steps[index].mark == ">":
            said += steps[index].text
            index += 1
        for read in a_line_a_read(said) if restarts else cut(said):
            node.send(read)
            if restarts:
                node.restart()
        if steps[index].mark == "$":
            node.end()
            index += 1
        answers: list[Step] = []
        complaints: list[bytes] = []
        while index < len(steps) and steps[index].mark in "<!":
            if steps[index].mark == "<":
                answers.append(steps[index])
            else:
                complaints.append(steps[index].text)
            index += 1
        _compare(f"{transcript.path.name}:{asked_at}", answers, complaints, node)


def _compare(place: str, answers: list[Step], complaints: list[bytes], node: Node) -> None:
    answered = node.take_replies().splitlines(keepends=True)
    compare_lines(place, answers, answered)
    told, node.complained[:] = list(node.complained), []
    words = [words.decode() for words in complaints]
    if len(words) != len(told) or not all(one in line for one, line in zip(words, told, strict=True)):
        raise AssertionError(f"{place}: expected complaints with {words}, got {told}")


def compare_lines(place: str, expected: list[Step], lines: list[bytes]) -> None:
    """AssertionError where lines of output are not the expected ones; `place` says where."""
    if len(expected) != len(lines) or not all(step.fits(line) for step, line in zip(expected, lines, strict=True)):
        wanted = _shown([step.text for step in expected])
        raise AssertionError(f"{place}: expected\n{wanted}answered\n{_shown(lines)}")


def _shown(lines: list[bytes]) -> str:
    return "".join(f"    {line.decode(errors='backslashreplace').rstrip()[:600]}\n" for line in lines)


def transcripts(folder: Path) -> Iterator[Transcript]:
    """All transcripts of a folder, by name."""
    for path in sorted(folder.glob("*.txt")):
        yield read_transcript(path)


def read_transcript(path: Path) -> Transcript:
    """Read a transcript; ValueError names the line that cannot be understood."""
    promise: list[str] = []
    options: dict[str, str] = {}
    steps: list[Step] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        mark, _, text = line.partition(" ")
        match mark:
            case "":
                continue
            case "#":
                if not steps:
                    promise.append(text)
            case "%":
                options.update(option.split("=") for option in text.split())
            case "+":
                amount, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text).groups()  # type: ignore[union-attr]
                steps.append(Step(number, "+", str(int(amount) * UNITS_MS[unit]).encode()))
            case ">" | "<":
                steps.append(Step(number, mark, text.encode() + b"\n"))
            case ">\\" | "<\\":
                steps += [Step(number, mark[0], one + b"\n") for one in _unescaped(text).split(b"\n")]
            case "<~":
                steps.append(Step(number, "<", text.encode() + b"\n", is_loose=True))
            case ">-":
                steps.append(Step(number, ">", _unescaped(text)))
            case "!" | "$":
                steps.append(Step(number, mark, text.encode()))
            case _:
                raise ValueError(f"{path.name}:{number}: expected one of # % > >\\ >- < <\\ <~ ! + $ and a space")
    if not promise:
        raise ValueError(f"{path.name}: expected a promise in its first line")
    return Transcript(path, " ".join(promise), options, steps)


def _unescaped(text: str) -> bytes:
    repeated = re.sub(rb"\\\((.*?)\)\*(\d+)", lambda found: found[1] * int(found[2]), text.encode())
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), repeated)
