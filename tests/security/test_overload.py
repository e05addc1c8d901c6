"""What one client can do to the others: nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_service import EVENTS, NDJSON, Service, head, lines_of, service, until

from jobsight.config.settings import Limits

LIMITS = """
[server.limits]
header_seconds = 1
idle_seconds = 3
"""
BY_DEFAULT = Limits()


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that waits for nobody."""
    with service(tmp_path_factory.mktemp("narrow"), config=LIMITS) as running:
        yield running


def test_a_head_without_end_is_refused(narrow: Service) -> None:
    """64 KiB are enough for a request line and headers."""
    raw = narrow.connect()
    raw.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 200_000)

    assert raw.receive_until(b"\r\n").startswith(b"HTTP/1.1 431 ")
    raw.close()


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: loc"])
def test_a_head_that_does_not_come_is_not_waited_for(narrow: Service, sent: bytes) -> None:
    """A connection that says nothing, or says it slowly, is closed after `header_seconds`."""
    raw = narrow.connect()
    raw.send(sent)
    began = time.monotonic()

    assert raw.receive_until(b"\r\n").startswith(b"HTTP/1.1 408 ")
    assert b"in time" in raw.receive_rest()
    assert time.monotonic() - began < BY_DEFAULT.header_seconds
    raw.close()


@pytest.mark.slow
def test_a_body_that_does_not_come_is_not_waited_for(narrow: Service) -> None:
    """A connection on which nothing moves is closed after `idle_seconds`, in the middle of a request as well as after one."""
    stalled, kept = narrow.connect(), narrow.connect()
    stalled.send(head(1000) + b'{"type":')
    kept.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    kept.receive_until(b"ok\n")
    began = time.monotonic()

    assert b"" == stalled.receive_rest()
    assert b"" == kept.receive_rest()
    assert time.monotonic() - began < BY_DEFAULT.idle_seconds
    stalled.close()
    kept.close()


def test_connections_above_the_cap_are_told_and_closed(tmp_path: Path) -> None:
    """Those that are open go on; when one ends, there is room again."""
    with service(tmp_path, config="[server.limits]\nconnections = 12\n") as running:
        raws = [running.connect() for _ in range(12)]
        for raw in raws:
            raw.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            raw.receive_until(b"ok\n")
        refused = running.connect()
        answer = refused.receive_rest()
        refused.close()
        raws[0].send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        raws[0].receive_until(b"ok\n")
        for raw in raws:
            raw.close()

        def has_room() -> bool:
            raw = running.connect()
            raw.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = raw.receive_rest()
            raw.close()
            return answer.startswith(b"HTTP/1.1 200 ")

        until(has_room, "room for a connection")

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in answer


def test_too_many_active_jobs_are_refused_and_their_ends_are_not(tmp_path: Path) -> None:
    """A runaway label in a job id cannot fill the memory; a failure is told all the same."""
    with service(tmp_path, config="[server.limits]\nactive_jobs = 5\n") as running, running.client() as client:
        body = b"".join(b'{"type":"heartbeat","msg_id":%d,"job_id":"j%d"}\n' % (n, n) for n in range(8))
        first = lines_of(client.post(EVENTS, content=body, headers=NDJSON))
        single = client.post(EVENTS, json={"type": "update_status", "job_id": "one more", "status": "queued"})
        known = client.post(EVENTS, json={"type": "heartbeat", "job_id": "j0"})
        ends = [
            client.post(EVENTS, json={"type": "job_failed", "job_id": "unknown", "error": "boom"}),
            client.post(EVENTS, json={"type": "job_completed", "job_id": "j1"}),
        ]
        after = client.post(EVENTS, json={"type": "heartbeat", "job_id": "one more"})

    assert ["heartbeat_ok"] * 5 + ["error"] * 3 == [one["type"] for one in first]
    assert [(11, 5), (11, 6), (11, 7)] == [(one["code"], one["in_reply_to"]) for one in first[5:]]
    assert (503, "1", 11) == (single.status_code, single.headers["retry-after"], single.json()["code"])
    assert [200, 200, 200, 200] == [one.status_code for one in (known, *ends, after)]


def test_a_caller_that_comes_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    """By token: one worker's storm leaves another one's turns alone."""
    with service(tmp_path, config="[server.limits]\nrequests_per_second = 2\n") as running:
        storm, calm = running.create_token("ingest"), running.create_token("ingest")
        beat = {"type": "heartbeat", "job_id": "a"}
        began = time.monotonic()
        with running.client(storm) as client:
            answers = [client.post(EVENTS, json=beat) for _ in range(40)]
        turns_max = 2 * (1 + time.monotonic() - began)
        with running.client(calm) as client:
            other = client.post(EVENTS, json=beat)

    refused = [one for one in answers if one.status_code == 429]
    assert 1 <= len(answers) - len(refused) <= turns_max
    assert {("1", 11)} == {(one.headers["retry-after"], one.json()["code"]) for one in refused}
    assert 200 == other.status_code


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"POST /api/v1/events HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /%ff%fe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ],
)
def test_nonsense_is_refused_and_nothing_breaks(narrow: Service, nonsense: bytes) -> None:
    """What is no HTTP ends with its connection, without a word in the log that looks like a bug."""
    raw = narrow.connect()
    raw.send(nonsense)
    answer = raw.receive_rest()
    raw.close()

    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")), answer
    assert b"HTTP/1.1 500" not in answer
    assert "Traceback" not in narrow.said()
    assert '"exception"' not in narrow.said()
