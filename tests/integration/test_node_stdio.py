"""The node as a process on stdin and stdout: what the specification shows, and how it behaves at the ends of its pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from node_process import DEADLINE_S, JOBSIGHT, MAIN, NodeProcess, node_process, run_node

SAMPLES = Path(__file__).parent.parent / "samples"
NAMES = ["update_status", "job_completed"]
PROGRAMS = {"jobsight node": JOBSIGHT, "python main.py": MAIN}


def sample_input(name: str) -> str:
    """A sample's message as the specification prints it."""
    return (SAMPLES / f"{name}.input.txt").read_text()


def sample_output(name: str) -> bytes:
    """The one line that the specification expects for it."""
    return (SAMPLES / f"{name}.expected.txt").read_text().strip().encode() + b"\n"


def written(text: str, form: str) -> str:
    """A message in another form."""
    message = json.loads(text)
    match form:
        case "as printed":
            return text.strip()
        case "printed bare":
            return json.dumps(message["body"], indent=0)
        case "indented":
            return json.dumps(message, indent=4)
        case "one line":
            return json.dumps(message)
        case "one line without spaces":
            return json.dumps(message, separators=(",", ":"))
        case "bare":
            return json.dumps(message["body"])
        case _:
            return json.dumps(message["body"], separators=(",", ":"))


@pytest.mark.parametrize(
    "form",
    ["as printed", "printed bare", "indented", "one line", "one line without spaces", "bare", "bare without spaces"],
)
@pytest.mark.parametrize("name", NAMES)
def test_the_samples_give_the_expected_lines(name: str, form: str) -> None:
    """The specification's samples, however they are written, with a final newline and without, give its lines to the byte."""
    text = written(sample_input(name), form)

    for ending in ("\n", ""):
        done = run_node((text + ending).encode())

        assert (0, sample_output(name), b"") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("form", ["as printed", "one line", "bare without spaces"])
@pytest.mark.parametrize("name", NAMES)
def test_the_samples_into_main_py(name: str, form: str) -> None:
    """The file from which the specification starts is the same node."""
    text = written(sample_input(name), form)

    for ending in ("\n", ""):
        done = run_node((text + ending).encode(), command=MAIN)

        assert (0, sample_output(name), b"") == (done.returncode, done.stdout, done.stderr)


def test_two_runs_in_a_row_give_the_same() -> None:
    """A fresh process has a fresh state."""
    data = b"".join(sample_input(name).encode() for name in NAMES) + b'{"type": "get_stats", "msg_id": 2}\n'
    stats = (
        b'{"type": "job_stats", "in_reply_to": 2, "total": 1, "completed": 1, "failed": 0, "avg_duration_ms": 60000}\n'
    )
    expected = b"".join(map(sample_output, NAMES)) + stats

    assert [expected, expected] == [run_node(data).stdout for _ in range(2)]


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_never_waits_for_a_second_message(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With one message in the pipe the answer comes at once, while stdin stays open; so for each one that follows."""
    began = time.monotonic()
    with node_process(command=PROGRAMS[program]) as node:
        node.send(sample_input("update_status").encode())
        answers = [node.read_line()]
        first_s = time.monotonic() - began
        node.send(sample_input("job_completed").encode())
        answers.append(node.read_line())
        ending = node.end()
    with capsys.disabled():
        print(f"\n{program}: the first answer of a cold start after {first_s * 1000:.0f} ms")

    assert [sample_output(name) for name in NAMES] == answers
    assert (0, b"", "") == ending


@pytest.mark.slow
def test_a_line_of_100_mb_is_dropped_in_constant_memory() -> None:
    """P4: it gets one error, the line behind it its answer, and the process stays under 100 MB."""
    with node_process() as node:
        node.send(b'{"type": "heartbeat", "job_id": "')
        for _ in range(100):
            node.send(b"x" * 1_000_000)
        node.send(b'"}\n{"type": "heartbeat", "msg_id": 1, "job_id": "j"}\n')
        answers = [node.read_line(), node.read_line()]
        peak_mb = node.memory_peak_mb()
        ending = node.end()

    assert [
        b'{"type": "error", "code": 12, "text": "line: expected at most 1048576 bytes"}\n',
        b'{"type": "heartbeat_ok", "in_reply_to": 1, "job_id": "j"}\n',
    ] == answers
    assert (0, b"", "jobsight: refused 1 line (malformed request 1)\n") == ending
    assert peak_mb < 100


def test_what_was_refused_or_astray_is_counted() -> None:
    """P1, P10: the end of the session says on stderr how many lines were refused, and how many meant another node."""
    init = b'{"src": "c", "dest": "n1", "body": {"type": "init", "msg_id": 1, "node_id": "n1"}}\n'
    with node_process() as node:
        node.send(init)
        node.read_line()
        node.send(b'not json\n{"src": "c", "dest": "n2", "body": {"type": "heartbeat", "job_id": "a"}}\n')
        node.read_line()
        ending = node.end()

    assert 0 == ending[0]
    assert "refused 1 line (malformed request 1); 1 message was addressed to another node" in ending[2]


@pytest.mark.parametrize("options", [[], ["--data", "folder"]], ids=["in memory", "on disk"])
def test_a_message_that_the_end_cuts_off_is_dropped(options: list[str], tmp_path: Path) -> None:
    """P21: what is complete is answered, the fragment is named on stderr, the exit code is 0."""
    options = [str(tmp_path / word) if word == "folder" else word for word in options]
    done = run_node(b'{"type": "heartbeat", "job_id": "a"}\n{"type": "heartbeat", "job_i', *options)

    assert (0, b'{"type": "heartbeat_ok", "job_id": "a"}\n') == (done.returncode, done.stdout)
    assert [b"jobsight: dropped an incomplete message of 28 bytes at the end of the input"] == done.stderr.splitlines()


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b" \r\n"])
def test_no_message_gives_no_answer(data: bytes) -> None:
    """An empty input is no mistake."""
    done = run_node(data)

    assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)


def test_a_reader_that_goes_away_ends_the_node(tmp_path: Path) -> None:
    """P22: what was read is committed, one line on stderr says so, exit 74."""
    with node_process("--data", str(tmp_path / "folder")) as node:
        node.send(b'{"type": "job_completed", "job_id": "a", "duration_ms": 10}\n')
        node.read_line()
        node.output.close()
        node.send(b'{"type": "job_completed", "job_id": "b", "duration_ms": 20}\n')
        code = node.process.wait(DEADLINE_S)
        assert node.process.stderr is not None
        told = node.process.stderr.read().decode()
    stats = run_node(b'{"type": "get_stats"}\n', "--data", str(tmp_path / "folder")).stdout

    assert (74, 1) == (code, told.count("\n")), told
    assert told.startswith("jobsight: ")
    assert b'{"type": "job_stats", "total": 2, "completed": 2, "failed": 0, "avg_duration_ms": 15}\n' == stats


def test_an_output_that_takes_nothing_ends_the_node() -> None:
    """P22: a full device is no reader; one line on stderr says so, exit 74."""
    with Path("/dev/full").open("wb") as full, node_process(stdout=full) as node:
        node.send(b'{"type": "heartbeat", "job_id": "a"}\n')
        code = node.process.wait(DEADLINE_S)
        assert node.process.stderr is not None
        told = node.process.stderr.read().decode()

    assert (74, 1) == (code, told.count("\n")), told
    assert "No space left on device" in told


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--data", "folder"]], ids=["in memory", "on disk"])
def test_a_slow_reader_slows_the_sender(options: list[str], tmp_path: Path) -> None:
    """P22: while nobody reads the replies, the node stops reading, with bounded buffers; then it answers all, in order."""
    options = [str(tmp_path / word) if word == "folder" else word for word in options]
    piece = b"".join(b'{"type": "heartbeat", "msg_id": %d, "job_id": "j"}\n' % number for number in range(1000))
    with node_process(*options) as node:
        sent = node.send_until_it_stops_reading(piece, pieces_max=2_000)
        peak_mb = node.memory_peak_mb()
        reader = Reader(node)
        node.send_rest()
        node.input.close()
        code = node.process.wait(DEADLINE_S)
        reader.join(DEADLINE_S)

    assert sent < 500, "it reads on though nobody takes its replies"
    assert peak_mb < 150
    assert 0 == code
    numbers = [json.loads(line)["in_reply_to"] for line in reader.read.splitlines()]
    assert list(range(1000)) * (sent + 1) == numbers[: (sent + 1) * 1000]


class Reader(threading.Thread):
    """Reads a node's stdout to its end."""

    def __init__(self, node: NodeProcess) -> None:
        super().__init__(daemon=True)
        self._node = node
        self.read = b""
        self.has_read_much = threading.Event()
        self.start()

    def run(self) -> None:
        """Until the end."""
        while data := os.read(self._node.output.fileno(), 1 << 20):
            self.read += data
            if len(self.read) > MUCH_BYTES:
                self.has_read_much.set()


MUCH_BYTES = 500_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(number: signal.Signals) -> None:
    """A node that waits for input ends with 0 and without a word."""
    with node_process() as node:
        node.send(b'{"type": "heartbeat", "job_id": "a"}\n' * 100)
        answers = [node.read_line() for _ in range(100)]
        os.kill(node.pid, number)
        code = node.process.wait(DEADLINE_S)
        ending = node.end()

    assert [b'{"type": "heartbeat_ok", "job_id": "a"}\n'] * 100 == answers
    assert (0, (0, b"", "")) == (code, ending)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_under_load_leaves_nothing_unanswered(number: signal.Signals, tmp_path: Path) -> None:
    """It stops reading; what it has stored by then is answered, and what it has answered is stored."""
    folder = str(tmp_path / "folder")
    with node_process("--data", folder) as node:
        sender = threading.Thread(target=send_for_ever, args=(node,), daemon=True)
        reader = Reader(node)
        sender.start()
        assert reader.has_read_much.wait(DEADLINE_S)
        os.kill(node.pid, number)
        code = node.process.wait(DEADLINE_S)
        reader.join(DEADLINE_S)
        sender.join(DEADLINE_S)
    lines = reader.read.splitlines(keepends=True)
    stats = json.loads(run_node(b'{"type": "get_stats"}\n', "--data", folder).stdout)

    assert 0 == code
    assert all(line.endswith(b"}\n") for line in lines)
    assert [json.loads(line)["in_reply_to"] for line in lines] == list(range(len(lines)))
    assert len(lines) == stats["total"]


def send_for_ever(node: NodeProcess) -> None:
    """Reports about ever new jobs, until nobody takes them any more."""
    number = 0
    try:
        while True:
            piece = b"".join(
                b'{"type": "heartbeat", "msg_id": %d, "job_id": "%d"}\n' % (n, n) for n in range(number, number + 500)
            )
            node.send(piece)
            number += 500
    except (BrokenPipeError, ValueError):
        return


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once() -> None:
    """A node that cannot get rid of its replies is not waited for twice."""
    with node_process() as node:
        node.send(b'{"type": "heartbeat", "job_id": "a"}\n')
        node.read_line()  # it has started: one that has not does not read either
        node.send_until_it_stops_reading(b'{"type": "heartbeat", "job_id": "a"}\n' * 1000, pieces_max=2_000)
        os.kill(node.pid, signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            node.process.wait(0.5)
        os.kill(node.pid, signal.SIGTERM)
        code = node.process.wait(5)

    assert 128 + signal.SIGTERM == code
