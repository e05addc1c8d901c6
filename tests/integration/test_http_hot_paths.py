"""Plain reports and pings are answered below ASGI, exactly as all other requests are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from http_service import EVENTS, Service, chunk, head, jobsight, service

JSON = "application/json"

BODIES = [
    pytest.param(b'{"type":"update_status","msg_id":1,"job_id":"a","status":"running","progress":25.0}', id="update"),
    pytest.param(b'  {"type":"heartbeat","job_id":"a"}\r\n', id="blanks around it"),
    pytest.param(b'{"src":"w","dest":"n","body":{"type":"heartbeat","msg_id":3,"job_id":"b"}}', id="envelope"),
    pytest.param(b'{"type":\n"heartbeat",\n"job_id":"c"}', id="over several lines"),
    pytest.param(b'{"type":"job_failed","msg_id":4,"job_id":"d","error":"x\\u0000y","retries":3}', id="failure"),
    pytest.param(b'{"type":"job_failed","job_id":"e","error":"x","retries":1,"max_retries":3}', id="retrying"),
    pytest.param(b'{"type":"get_job","msg_id":5,"job_id":"nobody"}', id="query"),
    pytest.param(b'{"type":"init","node_id":"n1","node_ids":[]}', id="init"),
    pytest.param(b'{"type":"nonsense","msg_id":6}', id="unknown type"),
    pytest.param(b'{"type":"heartbeat","job_id":""}', id="no id"),
    pytest.param(b'{"type":"heartbeat","job_id":"f"}{"type":"heartbeat","job_id":"g"}', id="two on a line"),
    pytest.param(b'{"type":"heartbeat","job_id":"f"}\n{"type":"heartbeat","job_id":"g"}', id="two"),
    pytest.param(b'{"type":"heartbeat",', id="the beginning of one"),
    pytest.param(b"\xff", id="no UTF-8"),
    pytest.param(b"", id="nothing"),
    pytest.param(b"\xef\xbb\xbf" + b'{"type":"heartbeat","job_id":"h"}', id="byte-order mark"),
    pytest.param(b'{"in_reply_to":1,"type":"heartbeat_ok"}', id="a reply"),
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests."""
    with service(tmp_path_factory.mktemp("shared")) as running:
        yield running


def ask(running: Service, *requests: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Send requests at once on one connection: status line, headers but for the date, and body of each answer."""
    raw = running.connect()
    raw.send(b"".join(requests))
    answers = []
    for _ in requests:
        lines = raw.receive_until(b"\r\n\r\n").split(b"\r\n")
        headers = sorted(line.lower() for line in lines[1:] if line and not line.lower().startswith(b"date:"))
        length = int(next(line for line in headers if line.startswith(b"content-length:")).split(b":")[1])
        while len(raw.read) < length:
            raw.read += raw.socket.recv(65536)
        body, raw.read = raw.read[:length], raw.read[length:]
        answers.append((lines[0], b"\n".join(headers), body))
    raw.close()
    return answers


def plain(body: bytes) -> bytes:
    """A request that is answered on the hot path."""
    return head(len(body), JSON) + body


def roundabout(body: bytes) -> bytes:
    """The same request in a form that goes the way of all others."""
    return head(None, JSON) + (chunk(body) if body else b"") + chunk(b"")


@pytest.mark.parametrize("body", BODIES)
def test_both_ways_give_the_same_answer(shared: Service, body: bytes) -> None:
    """Status, headers and body, byte for byte; alone, and in the middle of good reports that come in with it."""
    (hot,) = ask(shared, plain(body))
    (cold,) = ask(shared, roundabout(body))

    assert cold == hot


def test_a_bad_report_does_not_touch_those_that_come_in_with_it(shared: Service) -> None:
    """Requests of one turn are read together; each gets its own answer all the same."""
    bodies = [b'{"type":"heartbeat","msg_id":%d,"job_id":"m%d"}' % (n, n) for n in range(64)]
    bodies[7], bodies[40] = b'{"type":', b'{"type":"heartbeat","msg_id":40,"job_id":1}'
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda body: ask(shared, plain(body))[0], bodies))

    for number, (status, _, body) in enumerate(answers):
        if number in (7, 40):
            assert status.startswith(b"HTTP/1.1 400 ")
        else:
            assert (b"HTTP/1.1 200 OK", number) == (status, json.loads(body)["in_reply_to"])


def test_answers_stand_in_the_order_of_the_requests_on_a_connection(shared: Service) -> None:
    """Whatever way each of them goes; one that is plain waits for the one before it that is not."""
    bodies = [b'{"type":"heartbeat","msg_id":%d,"job_id":"p"}' % number for number in range(6)]
    requests = [(plain if number % 2 else roundabout)(body) for number, body in enumerate(bodies)]
    requests.insert(3, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    requests.insert(0, plain(b'{"type":"heartbeat","msg_id":99,"job_id":"p"}'))
    bodies_back = [body for _, _, body in ask(shared, *requests)]

    assert b"ok\n" == bodies_back.pop(4)
    assert [99, 0, 1, 2, 3, 4, 5] == [json.loads(body)["in_reply_to"] for body in bodies_back]


@pytest.mark.parametrize(
    ("method", "ending"),
    [
        ("GET", ""),
        ("HEAD", "/start"),
        ("POST", "/fail"),
        ("POST", "/300"),
        ("GET", "/no/such"),
        ("PUT", ""),
        ("GET", "?rid=bad%2Frid"),
        ("GET", "?create=1"),
    ],
)
def test_a_ping_is_answered_alike_on_both_ways(shared: Service, method: str, ending: str) -> None:
    """A path with an escape in it goes the way of all others."""
    with shared.control() as client:
        path = str(client.post("/api/v1/ping-urls", json={"task": f"both-{method}-{ending}"}).json()["path"])
    answers = []
    for prefix in ("/ping/", "/pin%67/"):
        raw = shared.connect()
        target = path.replace("/ping/", prefix) + ending
        raw.send(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = raw.receive_rest()
        answers.append(
            (answer.split(b"\r\n")[0], sorted(re.sub(rb"(?m)^date: .*$", b"", answer).lower().split(b"\r\n")))
        )
        raw.close()

    assert answers[0] == answers[1]


def test_a_connection_ends_when_its_client_says_so(shared: Service) -> None:
    """After the answer; so does one of HTTP/1.0."""
    body = b'{"type":"heartbeat","job_id":"k"}'
    for version, further in (("1.1", "Connection: close\r\n"), ("1.0", "")):
        raw = shared.connect()
        request = head(len(body), JSON, further).replace(b"HTTP/1.1", b"HTTP/" + version.encode())
        raw.send(request + body)

        assert raw.receive_rest().endswith(b'{"type": "heartbeat_ok", "job_id": "k"}\n')
        raw.close()


def test_a_client_that_leaves_at_once_has_reported_all_the_same(shared: Service) -> None:
    """It has sent everything; that it does not wait for the answer is its own affair."""
    body = b'{"type":"heartbeat","job_id":"gone"}'
    for _ in range(20):
        raw = shared.connect()
        raw.send(plain(body))
        raw.close()

    assert 200 == shared.post({"type": "heartbeat", "job_id": "after"}).status_code


def test_every_request_is_logged_where_that_is_wanted(tmp_path: Path) -> None:
    """Also those below ASGI, with the caller, and without the secret of a ping URL."""
    with service(tmp_path, "--log-requests") as running:
        token = running.create_token("ingest")
        with running.client(token) as client:
            client.post(EVENTS, json={"type": "heartbeat", "job_id": "a"})
        with running.client("js_read_abc_" + "0" * 64) as client:
            client.post(EVENTS, json={"type": "heartbeat", "job_id": "a"})
        jobsight("ping-url", "create", "--task", "t", "--data", running.data)
        with running.control() as client:
            path = str(client.post("/api/v1/ping-urls", json={"task": "t"}).json()["path"])
            client.get(path)
    lines = [json.loads(line) for line in running.said().splitlines() if line.startswith("{")]
    told = [
        (one["method"], one["path"], one["status"], one["caller"]) for one in lines if one.get("event") == "request"
    ]

    assert ("POST", EVENTS, 200, token.split("_")[2]) in told
    assert ("POST", EVENTS, 401, "") in told
    assert ("GET", "/ping/***", 200, "") in told


def test_a_token_is_asked_for_on_the_hot_path_too(tmp_path: Path) -> None:
    """As are its scope, the origin of a page, and a session, which may not report."""
    with service(tmp_path) as running:
        running.create_token("ingest")
        answers = [ask(running, plain(b'{"type":"heartbeat","job_id":"a"}'))]
        body = b'{"type":"heartbeat","job_id":"a"}'
        answers.append(ask(running, head(len(body), JSON, "Cookie: jobsight_session=x\r\n") + body))

    assert [b"HTTP/1.1 401 Unauthorized"] * 2 == [answer[0][0] for answer in answers]


def test_a_page_from_elsewhere_reports_nothing(shared: Service) -> None:
    """Where no token is needed, the origin decides."""
    body = b'{"type":"heartbeat","job_id":"a"}'
    (answer,) = ask(shared, head(len(body), JSON, "Origin: https://evil.example\r\n") + body)

    assert b"HTTP/1.1 403 Forbidden" == answer[0]
