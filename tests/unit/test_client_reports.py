"""What the client sends is what the monitor takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobsight.client import limits, reports
from jobsight.client.answers import Verdict
from jobsight.client.options import FLAG, MANY, VALUE, UsageError, read_words
from jobsight.client.report import body_of
from jobsight.client.wire import read_answers
from jobsight.protocol.refusals import Refusal
from jobsight.protocol.session import ReplyForm, Session

NASTY = "a\ud800\x00\x1b[31m\u202e\n" + "ä" * 20_000


def the_monitor_takes(body: dict[str, Any]) -> None:
    """Fail unless the monitor's own reader takes a report."""
    chunk = Session(ReplyForm.BODY, lambda _: None).feed(reports.line_of("w1", 1, body).raw)

    assert [] == [aside.item for aside in chunk.asides if isinstance(aside.item, Refusal)]
    assert 1 == len(chunk.reports)


def test_nasty_values_are_cut_to_what_the_monitor_takes() -> None:
    """A report with values out of all bounds arrives, cut, rather than being refused."""
    the_monitor_takes(
        {
            "type": "job_completed",
            "job_id": reports.clean_job_id(NASTY),
            "task": reports.clean_name(NASTY),
            "labels": reports.clean_labels({NASTY + str(number): NASTY for number in range(40)}),
            "message": reports.clean_message(NASTY),
            "duration_ms": 1.5,
            "resource_usage": reports.clean_usage(
                {NASTY: 1, "nan": float("nan"), "less": -1, "much": 2**60, "is": True}
            ),
        }
    )


def test_an_odd_task_gives_a_good_job_id() -> None:
    """Every task name leads to a job id that the monitor takes."""
    for task in (NASTY, "", " ", "\x7f", "x" * 300):
        the_monitor_takes({"type": "heartbeat", "job_id": reports.mint_job_id(task)})


def test_job_ids_sort_by_time_and_never_meet() -> None:
    """Of one task's jobs, the later one has the greater id; two at the same moment differ."""
    ids = [reports.mint_job_id("t") for _ in range(1_000)]

    assert 1_000 == len(set(ids))
    assert [one[:12] for one in ids] == sorted(one[:12] for one in ids)
    assert reports.mint_job_id("t") > "t-01m" + "0" * 17


@pytest.mark.parametrize(
    ("given", "expected"), [(25, 25), (25.5, 25.5), (-1, 0), (101, 100), (100.0000001, 100), (True, 1)]
)
def test_progress_keeps_within_its_bounds(given: float, expected: float) -> None:
    """Progress a little out of bounds is a rounding error of the job, not worth losing the report."""
    assert expected == reports.clean_percent(given)


def test_a_tail_is_whole_characters() -> None:
    """The end of a text is cut between characters."""
    assert "ä" * 2047 == reports.tail_of("ä" * 5000, limits.TAIL_BYTES_MAX - 1)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"type":"status_updated"}\n', [Verdict.STORED]),
        (b'{"type":"error","code":12,"text":"no"}\n', [Verdict.REFUSED]),
        (b'{"type":"error","code":10}\n{"type":"error","code":22}', [Verdict.REFUSED, Verdict.REFUSED]),
        (b'{"type":"error","code":11}\n{"type":"error","code":13}\n', [Verdict.AGAIN, Verdict.AGAIN]),
        (b'{"type":"error","code":0}\n{"type":"error","code":1000}\n', [Verdict.AGAIN, Verdict.AGAIN]),
        (b'{"type":"error"}\n', [Verdict.AGAIN]),
        (b"", []),
        (b"<html>\n", None),
        (b"[]\n", None),
        (b"{}\n", None),
        (b"[" * 9999, None),
        (b'{"type":"a"}\n{"type":"b"}\n{"type":"c"}\n', None),
    ],
)
def test_an_answer_is_read_as_the_protocol_says(raw: bytes, expected: list[Verdict] | None) -> None:
    """Definite refusals are final, open outcomes are not, and what is no answer of a monitor is none."""
    answers = read_answers(raw, 2)

    assert expected == (None if answers is None else [answer.verdict for answer in answers])


def test_a_command_line_is_taken_apart() -> None:
    """Options may be written in both ways; the command begins where they end."""
    kinds = {"--task": VALUE, "--label": MANY, "--no-progress": FLAG, "--timeout": VALUE, "--retries": VALUE}
    line = [
        "--task=a",
        "--label",
        "x=1",
        "--label=y=2=3",
        "--no-progress",
        "--timeout",
        "1.5m",
        "--retries",
        "2",
        "cmd",
        "--task",
        "b",
    ]
    words = read_words(line, kinds, is_mixed=False)

    assert {"x": "1", "y": "2=3"} == words.labels("--label")
    assert 90.0 == words.seconds("--timeout")
    assert 2 == words.whole("--retries")
    assert {"--no-progress"} == words.flags
    assert ["cmd", "--task", "b"] == words.rest


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30), ("500ms", 0.5), ("12.5s", 12.5), ("30m", 1800), ("2h", 7200), ("1d", 86400)]
)
def test_a_time_is_written_with_its_unit(text: str, seconds: float) -> None:
    """A time is a number with ms, s, m, h or d; seconds without."""
    assert seconds == read_words(["--timeout", text], {"--timeout": VALUE}, is_mixed=True).seconds("--timeout")


@pytest.mark.parametrize("text", ["", "-1", "1w", "s", "1e3", "nan", "1.2.3", "１"])
def test_a_time_that_is_none_is_a_usage_error(text: str) -> None:
    """What cannot be read as a time is named."""
    with pytest.raises(UsageError, match="expected a time"):
        read_words([f"--timeout={text}"], {"--timeout": VALUE}, is_mixed=True).seconds("--timeout")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("j1 running --progress 50%", {"type": "update_status", "status": "running", "progress": 50}),
        ("--task t j1 compiling", {"type": "update_status", "status": "compiling", "task": "t"}),
        ("j1 completed --duration 12.5s", {"type": "job_completed", "duration_ms": 12500.0}),
        (
            "j1 failed --error no --retries 1 --max-retries 3",
            {"type": "job_failed", "error": "no", "retries": 1, "attempt": 2, "max_retries": 3},
        ),
        ("j1 cancelled --message stop", {"type": "job_cancelled", "message": "stop"}),
    ],
)
def test_a_status_word_becomes_the_right_report(line: str, expected: dict[str, Any]) -> None:
    """Ends are reported as ends, everything else as a status; the monitor takes each."""
    from jobsight.client.report import OPTIONS

    body = body_of(read_words(line.split(), OPTIONS, is_mixed=True))
    the_monitor_takes(body)

    assert {"job_id": "j1", **expected} == {key: body[key] for key in body if key not in {"host", "at"}}


def test_a_report_is_one_line_of_json() -> None:
    """Whatever is in a report, it is one line."""
    raw = reports.line_of("w1", 7, {"type": "job_failed", "job_id": "j", "error": "a\nb\r\u2028"}).raw

    assert 1 == raw.count(b"\n")
    assert ["type", "msg_id", "job_id", "error"] == list(json.loads(raw)["body"])
