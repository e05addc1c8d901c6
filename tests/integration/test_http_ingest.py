"""Reports come in by POST: one at a time, or as a stream that is answered while it comes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_service import DEADLINE_S, EVENTS, NDJSON, Service, chunk, head, jobsight, lines_of, service, until


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests that leave it as it was."""
    with service(tmp_path_factory.mktemp("shared")) as running:
        yield running


def beats(count: int, prefix: str = "job") -> bytes:
    """Heartbeats of different jobs, one a line."""
    return b"".join(
        b'{"type":"heartbeat","msg_id":%d,"job_id":"%s-%d"}\n' % (n, prefix.encode(), n) for n in range(count)
    )


# -------------------------------------------------------------------------------------------------------- one message


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (
            {"type": "update_status", "msg_id": 1, "job_id": "job-123", "status": "running", "progress": 25},
            '{"type": "status_updated", "in_reply_to": 1, "job_id": "job-123", "status": "running", "progress": 25}',
        ),
        (
            {"src": "worker", "dest": "monitor", "body": {"type": "heartbeat", "msg_id": 2, "job_id": "job-9"}},
            '{"type": "heartbeat_ok", "in_reply_to": 2, "job_id": "job-9"}',
        ),
    ],
)
def test_a_message_gets_the_bare_reply_of_the_specification(
    shared: Service, message: dict[str, Any], answer: str
) -> None:
    """Over HTTP a reply looks as on stdout, whether the message came in an envelope or not."""
    replied = shared.post(message)

    assert (200, answer + "\n") == (replied.status_code, replied.text)
    assert "application/json" == replied.headers["content-type"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"nonsense", 400, 12, id="no JSON"),
        pytest.param(b"", 400, 12, id="nothing"),
        pytest.param(b'{"type":"heartbeat"', 400, 12, id="half an object"),
        pytest.param(
            b'{"type":"heartbeat","job_id":"a"}\n{"type":"heartbeat","job_id":"b"}', 400, 12, id="two messages"
        ),
        pytest.param(b'[{"type":"heartbeat","job_id":"a"}]', 400, 12, id="a list"),
        pytest.param(b'{"type":"heartbeat","job_id":""}', 400, 12, id="a bad field"),
        pytest.param(b'{"type":"nothing_known","job_id":"a"}', 400, 10, id="an unknown type"),
        pytest.param(b'{"src":"c1","body":{"type":"init","msg_id":1,"node_id":"n1"}}', 400, 10, id="init"),
        pytest.param(b'{"type":"get_job","job_id":"never seen"}', 404, 20, id="an unknown job"),
        pytest.param(b'{"type":"heartbeat_ok","in_reply_to":1}', 400, 12, id="a reply"),
    ],
)
def test_the_status_follows_the_code_of_the_error(shared: Service, body: bytes, status: int, code: int) -> None:
    """A program can go by the HTTP status alone; the body is the protocol's own error."""
    before = shared.stats()["total"]
    with shared.client() as client:
        replied = client.post(EVENTS, content=body, headers={"content-type": "application/json"})

    assert (status, "error", code) == (replied.status_code, replied.json()["type"], replied.json()["code"])
    assert before == shared.stats()["total"]


def test_a_message_may_be_printed_over_several_lines(shared: Service) -> None:
    """What an editor or a template has indented is the same message."""
    body = json.dumps({"type": "job_completed", "job_id": "printed", "resource_usage": {"rows": 3}}, indent=2)
    with shared.client() as client:
        replied = client.post(EVENTS, content=body, headers={"content-type": "application/json; charset=utf-8"})

    assert {"type": "job_completed", "job_id": "printed", "resource_usage": {"rows": 3}} == replied.json()


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", None])
def test_another_content_type_is_refused(shared: Service, kind: str | None) -> None:
    """No form on a foreign page can report anything, and curl's default says what is missing."""
    with shared.client() as client:
        headers = {} if kind is None else {"content-type": kind}
        replied = client.post(EVENTS, content=b'{"type":"heartbeat","job_id":"a"}', headers=headers)

    assert 415 == replied.status_code
    assert "application/json" in replied.json()["text"]


def test_a_message_over_the_limit_is_refused_by_its_length_alone(shared: Service) -> None:
    """1 MiB is the limit of a message; a longer one is not read first."""
    raw = shared.connect()
    raw.send(head(1024 * 1024 + 1, "application/json"))

    assert raw.receive_until(b"\r\n").startswith(b"HTTP/1.1 413 ")
    raw.close()


def test_a_message_over_the_limit_is_refused_while_it_comes(shared: Service) -> None:
    """A body without a length is bounded as well, and the connection serves on."""
    with shared.client() as client:
        pieces = iter([b'{"type":"heartbeat","job_id":"', *[b"x" * 65536] * 20, b'"}'])
        replied = client.post(EVENTS, content=pieces, headers={"content-type": "application/json"})

        assert 413 == replied.status_code
        assert 200 == client.get("/healthz").status_code


def test_a_client_that_waits_for_the_go_ahead_gets_it(shared: Service) -> None:
    """`Expect: 100-continue`, as curl sends it with a large body."""
    raw = shared.connect()
    body = b'{"type":"heartbeat","job_id":"continued"}'
    raw.send(head(len(body), "application/json", "Expect: 100-continue\r\n"))

    assert raw.receive_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    raw.send(body)
    assert raw.receive_until(b"\r\n").startswith(b"HTTP/1.1 200 ")
    raw.close()


def test_a_client_may_close_its_side_after_the_request(shared: Service) -> None:
    """`printf ... | nc` sees its answer, as with any other server."""
    raw = shared.connect()
    body = b'{"type":"heartbeat","job_id":"half closed"}'
    raw.send(head(len(body), "application/json") + body)
    raw.socket.shutdown(1)

    assert b'{"type": "heartbeat_ok", "job_id": "half closed"}' in raw.receive_rest()
    raw.close()


def test_requests_that_follow_without_waiting_are_answered_in_order(shared: Service) -> None:
    """Pipelining on one connection."""
    bodies = [b'{"type":"heartbeat","msg_id":%d,"job_id":"pipelined"}' % n for n in range(20)]
    raw = shared.connect()
    raw.send(b"".join(head(len(body), "application/json") + body for body in bodies))
    numbers = [json.loads(raw.receive_until(b"}\n").rpartition(b"\r\n")[2])["in_reply_to"] for _ in bodies]

    assert list(range(20)) == numbers
    raw.close()


# ------------------------------------------------------------------------------------------------------------ a stream


def test_a_stream_answers_each_line_in_its_place(shared: Service) -> None:
    """Reports, queries and bad lines are answered in order; the status is 200 and errors stand in their lines."""
    body = b'{"type":"heartbeat","msg_id":1,"job_id":"s"}\n\nbad\n{"type":"get_job","msg_id":2,"job_id":"s"}\n'
    body += (
        b'{"src":"w","body":{"type":"init","msg_id":3,"node_id":"n"}}\r\n{"type":"heartbeat","msg_id":4,"job_id":"s"}'
    )
    with shared.client() as client:
        replied = client.post(EVENTS, content=body, headers=NDJSON)

    assert 200 == replied.status_code
    assert "application/x-ndjson" == replied.headers["content-type"]
    assert ["heartbeat_ok", "error", "job", "error", "heartbeat_ok"] == [one["type"] for one in lines_of(replied)]
    assert [1, None, 2, 3, 4] == [one.get("in_reply_to") for one in lines_of(replied)]


def test_an_empty_stream_gets_an_empty_answer(shared: Service) -> None:
    """A batch job that had nothing to say has done nothing wrong."""
    with shared.client() as client:
        replied = client.post(EVENTS, content=b"", headers=NDJSON)

    assert (200, "") == (replied.status_code, replied.text)


def test_replies_come_back_while_the_body_is_still_coming(shared: Service) -> None:
    """A pipeline may keep one request open and hear of each line as it is stored, wherever the pieces are cut."""
    raw = shared.connect()
    raw.send(head(None) + chunk(b'{"type":"heartbeat","msg_id":1,"job_id":"slow"}\n{"type":"heart'))

    assert b'"in_reply_to": 1' in raw.receive_until(b"}\n")
    raw.send(chunk(b'beat","msg_id":2,"job_id":"slow"}\n'))
    assert b'"in_reply_to": 2' in raw.receive_until(b"}\n")
    raw.send(b"0\r\n\r\n")
    assert raw.receive_until(b"0\r\n\r\n")
    raw.close()


def test_a_body_that_is_cut_off_keeps_its_whole_lines(shared: Service) -> None:
    """What arrived whole is stored; the piece of a line that the network has cut never is, even if it could be read."""
    raw = shared.connect()
    raw.send(head(500) + b'{"type":"heartbeat","job_id":"before the cut"}\n{"type":"heartbeat","job_id":"in the cut"}')
    raw.receive_until(b"}\n")
    raw.close()

    until(lambda: shared.post({"type": "get_job", "job_id": "before the cut"}).status_code == 200, "the whole line")
    assert 404 == shared.post({"type": "get_job", "job_id": "in the cut"}).status_code


@pytest.mark.slow
def test_a_client_that_does_not_read_is_not_read_from(shared: Service) -> None:
    """Back-pressure: the service holds a few chunks for it, serves others meanwhile, and goes on when it reads."""
    line = b'{"type":"heartbeat","job_id":"pressed"}\n'
    piece = chunk(line * 1000)
    raw = shared.connect()
    raw.send(head(None))
    raw.socket.settimeout(1)
    sent, rest = 0, b""
    try:
        while sent < 5_000:
            rest = piece
            while rest:
                rest = rest[raw.socket.send(rest) :]
            sent += 1
    except TimeoutError:
        pass

    assert sent < 5_000, "200 MB were taken without one reply being read"
    assert 200 == shared.post({"type": "heartbeat", "job_id": "another"}).status_code
    status = Path(f"/proc/{shared.process.pid}/status").read_text()
    assert int(status.partition("VmRSS:")[2].split()[0]) < 200_000
    raw.socket.settimeout(DEADLINE_S)
    raw.socket.setblocking(False)
    answers = 0
    pending = rest + b"0\r\n\r\n"
    tail = b""

    def exchange() -> bool:
        nonlocal pending, answers, tail
        try:
            if pending:
                pending = pending[raw.socket.send(pending) :]
        except BlockingIOError:
            pass
        try:
            data = raw.socket.recv(1 << 20)
        except BlockingIOError:
            return False
        answers += (tail[-11:] + data).count(b"heartbeat_ok") - tail[-11:].count(b"heartbeat_ok")
        tail = (tail + data)[-32:]
        return tail.endswith(b"0\r\n\r\n")

    until(exchange, "the end of the answers")
    assert (sent + (1 if rest else 0)) * 1000 == answers
    raw.close()


def test_streams_at_the_same_time_each_get_their_own_answers(shared: Service) -> None:
    """Concurrent requests share commits and nothing else."""
    connections = [shared.connect() for _ in range(8)]
    for number, raw in enumerate(connections):
        body = beats(200, f"stream-{number}")
        raw.send(head(len(body)) + body)
    for number, raw in enumerate(connections):
        answer = raw.receive_until(b"0\r\n\r\n")

        assert 200 == answer.count(b'"job_id": "stream-%d-' % number)
        raw.close()


# --------------------------------------------------------------------------------------------------------------- gzip


def test_a_packed_body_is_unpacked(shared: Service) -> None:
    """gzip, also of several members, for one message and for a stream."""
    packed = gzip.compress(beats(1000, "packed")) + gzip.compress(beats(10, "packed-more"))
    with shared.client() as client:
        stream = client.post(EVENTS, content=packed, headers={**NDJSON, "content-encoding": "gzip"})
        one = client.post(
            EVENTS,
            content=gzip.compress(b'{"type":"heartbeat","job_id":"packed"}'),
            headers={"content-type": "application/json", "content-encoding": "gzip"},
        )

    assert 1010 == stream.text.count("heartbeat_ok")
    assert {"type": "heartbeat_ok", "job_id": "packed"} == one.json()


@pytest.mark.parametrize(
    ("content", "encoding", "status"),
    [
        pytest.param(b"no gzip at all", "gzip", 400, id="not gzip"),
        pytest.param(gzip.compress(beats(50_000))[:30], "gzip", 400, id="cut off"),
        pytest.param(beats(1), "br", 415, id="another packing"),
        pytest.param(beats(1), "gzip, gzip", 415, id="packed twice"),
    ],
)
def test_what_cannot_be_unpacked_is_refused(shared: Service, content: bytes, encoding: str, status: int) -> None:
    """The reason is said; nothing of it is stored."""
    with shared.client() as client:
        replied = client.post(EVENTS, content=content, headers={**NDJSON, "content-encoding": encoding})

    assert status == replied.status_code
    assert "expected gzip" in replied.json()["text"]


# ------------------------------------------------------------------------------------------------------------- senders


def test_a_report_that_is_sent_again_counts_once_also_after_a_restart(tmp_path: Path) -> None:
    """Who sent a bare body stands in the log, so its repetition is known to the next process as well."""
    failed = {"type": "job_failed", "msg_id": 7, "job_id": "j", "error": "boom", "retries": 3}
    completed = {"type": "job_completed", "msg_id": 8, "job_id": "k", "duration_ms": 5}
    with service(tmp_path) as running:
        first = [running.post(failed).text, running.post(completed).text]
    with service(tmp_path) as running:
        again = [running.post(failed).text, running.post(completed).text]
    logged = [
        json.loads(line)["message"] for line in jobsight("log", "cat", "--data", tmp_path / "data").stdout.splitlines()
    ]

    assert first == again
    assert [{"src": "http:127.0.0.1", "body": failed}, {"src": "http:127.0.0.1", "body": completed}] * 2 == [
        one for one in logged if "body" in one
    ]
    ends = jobsight("job", "k", "--json", "--data", tmp_path / "data")
    assert 0 == ends.returncode, ends.stderr


def test_a_token_is_the_sender_of_what_names_none(tmp_path: Path) -> None:
    """Two hosts behind one address are told apart by their tokens; a sender that is named is kept."""
    with service(tmp_path) as running:
        token = running.create_token("ingest")
        with running.client(token) as client:
            body = b'{"type":"heartbeat","job_id":"a"}\n{"src":"w","body":{"type":"heartbeat","job_id":"b"}}\n'
            body += b'{"body":{"type":"heartbeat","job_id":"c"},"dest":"m"}\n'
            assert 3 == client.post(EVENTS, content=body, headers=NDJSON).text.count("heartbeat_ok")
    logged = [
        json.loads(line)["message"] for line in jobsight("log", "cat", "--data", tmp_path / "data").stdout.splitlines()
    ]
    token_id = token.split("_")[2]

    assert [token_id, "w", token_id] == [one["src"] for one in logged if "body" in one]


def test_httpx_can_stream_a_large_body(shared: Service) -> None:
    """A client that reads only after it has sent everything gets through with a few megabytes."""
    with httpx.Client(base_url=shared.url, timeout=DEADLINE_S, trust_env=False) as client:
        replied = client.post(EVENTS, content=beats(20_000, "large"), headers=NDJSON)

    assert 20_000 == replied.text.count("heartbeat_ok")
