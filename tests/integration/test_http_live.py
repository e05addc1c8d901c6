"""The live stream: one frame a second for everybody; and reports as they come."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_service import EVENTS, NDJSON, RawConnection, Service, service, until

Event = tuple[str, dict[str, Any]]


@contextmanager
def stream(running: Service, path: str) -> Iterator[Iterator[Event]]:
    """The events of a stream: name and data."""
    with running.client() as client, client.stream("GET", f"/api/v1/{path}") as answer:
        assert 200 == answer.status_code
        assert "text/event-stream" == answer.headers["content-type"]
        yield events_of(answer.iter_lines())


def events_of(lines: Iterator[str]) -> Iterator[Event]:
    """Lines put together."""
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def frames_until(events: Iterator[Event], found: Any) -> dict[str, Any]:
    """The first frame for which something holds."""
    ends = time.monotonic() + 20
    for name, frame in events:
        assert "frame" == name
        if found(frame):
            return frame
        assert time.monotonic() < ends, frame
    raise AssertionError("the stream ended")


@pytest.mark.slow
def test_a_frame_shows_how_things_stand(tmp_path: Path) -> None:
    """Counts, the bucket of what just ended with its durations, and open alerts."""
    with service(tmp_path) as running, stream(running, "live") as events:
        running.post({"type": "job_completed", "job_id": "a", "task": "t", "duration_ms": 40})
        running.post({"type": "job_failed", "job_id": "b", "task": "t", "error": "boom"})
        running.post({"type": "update_status", "job_id": "c", "status": "running"})
        frame = frames_until(events, lambda one: one["last_bucket"]["ends"])

    assert ["seq", "at_ms", "counts", "last_bucket", "histogram", "firing", "acknowledged", "reports_per_s"] == list(
        frame
    )
    assert {"completed": 1, "failed": 1, "running": 1} == frame["counts"]
    assert {"completed": 1, "failed": 1} == frame["last_bucket"]["ends"]
    assert 0 == frame["last_bucket"]["at_ms"] % 10_000
    assert 1 == sum(count for _, count in frame["histogram"])
    assert (1, 0) == (frame["firing"], frame["acknowledged"])


@pytest.mark.slow
def test_everybody_sees_the_same_frames(tmp_path: Path) -> None:
    """A frame is made once a second, however many look."""
    seen: list[list[dict[str, Any]]] = [[] for _ in range(20)]
    with service(tmp_path) as running:

        def look(mine: list[dict[str, Any]]) -> None:
            with stream(running, "live") as events:
                for _, frame in events:
                    mine.append(frame)
                    if len(mine) == 4:
                        return

        threads = [threading.Thread(target=look, args=(mine,)) for mine in seen]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    common = {frame["at_ms"] for frame in seen[0]}.intersection(*({f["at_ms"] for f in mine} for mine in seen[1:]))

    assert len(common) >= 2
    assert len({frame["at_ms"] for mine in seen for frame in mine}) <= 8


@pytest.mark.slow
def test_a_client_that_does_not_read_costs_nothing(tmp_path: Path) -> None:
    """It skips frames, and nobody waits for it."""
    with service(tmp_path) as running:
        sleepers = [running.connect() for _ in range(50)]
        for sleeper in sleepers:
            sleeper.send(b"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        with stream(running, "live") as events:
            first = next(events)[1]["at_ms"]
            later = [next(events)[1]["at_ms"] for _ in range(2)][-1]
            answered = running.post({"type": "heartbeat", "job_id": "a"}).status_code
        for sleeper in sleepers:
            sleeper.close()

    assert 1_000 <= later - first < 5_000
    assert 200 == answered


@pytest.mark.slow
def test_streams_end_with_the_service(tmp_path: Path) -> None:
    """A signal ends them in good order, and the service with them."""
    with service(tmp_path) as running:
        connections = [running.connect(), running.connect()]
        for connection, path in zip(connections, (b"live", b"tail"), strict=True):
            connection.send(b"GET /api/v1/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path)
            connection.receive_until(b"retry: 2000\n\n")
        begin = time.monotonic()
        code = running.stop()
        endings = [connection.receive_rest() for connection in connections]
        for connection in connections:
            connection.close()

    assert 0 == code
    assert time.monotonic() - begin < 5
    assert all(ending.endswith(b"0\r\n\r\n") for ending in endings)


@pytest.mark.slow
def test_tail_shows_what_was_asked_for(tmp_path: Path) -> None:
    """Filtered by task and status; with place, time and the message as it came."""
    with service(tmp_path) as running, stream(running, "tail?task=etl&status=failed") as events:
        running.post({"type": "update_status", "job_id": "a", "task": "etl", "status": "running"})
        running.post({"type": "job_failed", "job_id": "b", "task": "other", "error": "not this"})
        running.post({"type": "job_failed", "job_id": "a", "error": "boom"})
        name, event = next(events)

    assert "report" == name
    assert ("etl", "failed", 0) == (event["task"], event["status"], event["index"])
    assert {"type": "job_failed", "job_id": "a", "error": "boom"} == event["message"]["body"]


@pytest.mark.slow
def test_tail_says_what_it_leaves_out(tmp_path: Path) -> None:
    """Reports that come faster than they can be shown are dropped, counted, and stored all the same."""
    lines = b"".join(b'{"type":"heartbeat","job_id":"j%d"}\n' % n for n in range(30_000))
    with service(tmp_path) as running, stream(running, "tail") as events:
        with running.client() as client:
            client.post(EVENTS, content=lines, headers=NDJSON)
        shown = dropped = 0
        for name, event in events:
            shown += name == "report"
            dropped += event["count"] if name == "dropped" else 0
            if shown + dropped >= 30_000:
                break
        total = running.stats()["total"]

    assert 0 < dropped < 30_000
    assert 30_000 == shown + dropped == total


@pytest.mark.slow
def test_unknown_parameters_are_refused(tmp_path: Path) -> None:
    """A misspelt filter is no filter."""
    with service(tmp_path) as running, running.client() as client:
        answers: list[httpx.Response] = [client.get("/api/v1/tail?stats=failed"), client.get("/api/v1/live?x=1")]

    assert [400, 400] == [answer.status_code for answer in answers]
    assert "did you mean status?" in answers[0].json()["text"]


@pytest.mark.slow
def test_the_number_of_clients_is_bounded(tmp_path: Path) -> None:
    """One more than there may be is told to come again; when one leaves there is room."""
    with service(tmp_path) as running:
        followers: list[RawConnection] = [running.connect() for _ in range(50)]
        for follower in followers:
            follower.send(b"GET /api/v1/tail HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            follower.receive_until(b"retry: 2000\n\n")
        with running.client() as client:
            refused = client.get("/api/v1/tail")
        followers.pop().close()

        def is_let_in() -> bool:
            with running.client() as client, client.stream("GET", "/api/v1/tail") as answer:
                return answer.status_code == 200

        until(is_let_in, "room for one more")
        for follower in followers:
            follower.close()

    assert (503, "1") == (refused.status_code, refused.headers["retry-after"])


@pytest.mark.slow
def test_changes_of_alerts_come_as_they_happen_and_nothing_is_missed(tmp_path: Path) -> None:
    """Opened, acknowledged, resolved; who was away goes on where he left, and who was away too long is told so."""
    with service(tmp_path) as running:
        with alert_stream(running) as events:
            running.post({"type": "job_failed", "job_id": "a", "task": "t", "error": "boom"})
            first_id, _, first = next(events)
            with running.client() as client:
                client.post(f"/api/v1/alerts/{first['alert']['alert_id']}/acknowledge", json={})
            second = next(events)[2]
        running.post({"type": "job_failed", "job_id": "b", "task": "other", "error": "boom"})
        running.post({"type": "job_completed", "job_id": "c", "task": "t"})
        with alert_stream(running, "?task=t", {"last-event-id": first_id}) as events:
            again = [next(events)[2] for _ in range(2)]
        with alert_stream(running, "", {"last-event-id": "7.1"}) as events:
            lost = next(events)[1]

    assert ("t", "firing") == (first["alert"]["task"], first["alert"]["state"])
    assert "acknowledged" == second["alert"]["state"]
    assert ["acknowledged", "resolved"] == [one["alert"]["state"] for one in again]
    assert "reset" == lost


@contextmanager
def alert_stream(
    running: Service, query: str = "", headers: dict[str, str] | None = None
) -> Iterator[Iterator[tuple[str, str, dict[str, Any]]]]:
    """The stream of alerts: id, name and data of each event."""

    def events(lines: Iterator[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
        fields: dict[str, str] = {}
        for line in lines:
            field, _, value = line.partition(": ")
            if line:
                fields[field] = value
            elif "data" in fields:
                yield fields["id"], fields["event"], json.loads(fields["data"])
                fields = {}

    with running.client() as client, client.stream("GET", f"/api/v1/alerts/stream{query}", headers=headers) as answer:
        assert 200 == answer.status_code
        yield events(answer.iter_lines())
