"""Texts of workers stay texts: in terminals, in the log of the service, in queries and in paths."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from faults.length import IS_LONG
from http_service import EVENTS, NDJSON, Service, chunk, head, jobsight, lines_of, service, until

EVIL = (
    "\x1b[2J\x1b]0;owned\x07 \x9b31m \u202egnp.exe\u2066 \u2028\u2029 \r\nSubject: x\n"
    "<script>alert(1)</script> '; DROP TABLE jobs; -- ${HOME} $(id) `id` {{7*7}} %s %n ../../etc/passwd"
)
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")

MUTATIONS = 100_000 if IS_LONG else 4_000

QUERY_TEXTS = [
    "' OR 1=1 --",
    "1; DROP TABLE jobs",
    "%' UNION SELECT sql FROM sqlite_master --",
    "../../../etc/passwd",
    "..%2f..%2flog.db",
    "\\..\\log.db",
    "*" * 300,
    "(a+)+$" + "a" * 60,
    "\u202e",
    "{{config}}",
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with one job that says everything that must not be obeyed."""
    with service(tmp_path_factory.mktemp("shared"), "--log-requests") as running:
        texts = {"error": EVIL, "message": EVIL, "task": EVIL[-60:], "queue": EVIL[:40], "host": EVIL[:40]}
        running.post({"type": "job_failed", "job_id": "evil", "retries": 3, "labels": {"l": EVIL[:60]}, **texts})
        with running.client() as client:
            until(lambda: client.get("/api/v1/jobs").json()["jobs"], "the job to be listed")
        yield running


@pytest.mark.parametrize(
    "command",
    [("jobs",), ("job", "evil"), ("job", "evil", "--history"), ("status",), ("stats",), ("alerts",), ("log", "cat")],
)
def test_no_command_prints_what_a_terminal_would_obey(shared: Service, command: tuple[str, ...]) -> None:
    """Escapes, control characters and marks of writing direction become visible codes, a text one line."""
    done = jobsight(*command, "--data", shared.data)

    assert done.returncode in (0, 1), done.stderr
    assert done.stdout
    assert UNSAFE.search(done.stdout + done.stderr) is None


def test_the_log_of_the_service_is_one_line_of_json_for_each_request(shared: Service) -> None:
    """Whatever stands in a path, nobody writes a line of his own into it."""
    with shared.client() as client:
        client.get("/nothing/" + quote('x"}\n{"event":"request","status":200,"caller":"admin'))
        client.get("/nothing/" + quote(EVIL, safe=""))

    def about_them() -> list[str]:
        return [line for line in shared.said().splitlines() if "nothing" in line]

    until(lambda: len(about_them()) >= 2, "both lines")
    lines = about_them()

    assert 2 == len(lines)
    assert all(line.startswith("{") and line.endswith("}") for line in lines)
    assert UNSAFE.search("".join(lines)) is None


@pytest.mark.parametrize("text", QUERY_TEXTS, ids=range(len(QUERY_TEXTS)))
def test_no_parameter_is_more_than_a_text(shared: Service, text: str) -> None:
    """Neither SQL nor a path nor a pattern that takes for ever: an answer without jobs, or a refusal in words."""
    names = {"jobs": ("status", "task", "queue", "host", "cursor"), "series": ("task",), "alerts": ("task", "cursor")}
    with shared.client() as client:
        answers = [
            client.get(f"/api/v1/{path}", params={name: text}) for path, known in names.items() for name in known
        ]
        answers += [client.get(f"/api/v1/jobs/{quote(text, safe='')}"), client.get(f"/assets/{quote(text, safe='')}")]
        after = client.get("/api/v1/jobs").json()

    assert {answer.status_code for answer in answers} <= {200, 400, 404}
    assert [] == [job for answer in answers for job in answer.json().get("jobs", []) if answer.status_code == 200]
    assert "evil" in {job["job_id"] for job in after["jobs"]}


def mutated(dice: random.Random) -> bytes:
    """A request that was good once."""
    message = bytearray(
        b'{"src":"w","dest":"n","body":{"type":"job_failed","msg_id":1,"job_id":"m","error":"e","retries":3}}'
    )
    whole = bytearray(
        dice.choice([head(len(message), "application/json") + message, head(None) + chunk(message) + chunk(b"")])
    )
    for _ in range(dice.randrange(1, 6)):
        place = dice.randrange(len(whole))
        match dice.randrange(4):
            case 0:
                whole[place] = dice.randrange(256)
            case 1:
                del whole[place : place + dice.randrange(1, 8)]
            case 2:
                whole[place:place] = bytes(dice.randrange(256) for _ in range(dice.randrange(1, 8)))
            case _:
                whole[place:place] = whole[place : place + dice.randrange(1, 40)]
    return bytes(whole)


@pytest.mark.slow
@pytest.mark.timeout(1_800 if IS_LONG else 120)
def test_mutated_requests_never_break_anything(shared: Service) -> None:
    """Each is answered or its connection is closed; none is our mistake, and the next good one is answered."""
    dice = random.Random(20)
    statuses: set[bytes] = set()
    for _ in range(MUTATIONS):
        raw = shared.connect()
        raw.send(mutated(dice))
        raw.socket.shutdown(1)
        statuses |= set(re.findall(rb"HTTP/1\.1 (\d+)", raw.receive_rest()))
        raw.close()
    with shared.client() as client:
        replies = lines_of(client.post(EVENTS, content=b'{"type":"heartbeat","job_id":"m"}\n', headers=NDJSON))

    assert {b"200", b"400"} <= statuses
    assert b"500" not in statuses
    assert ["heartbeat_ok"] == [one["type"] for one in replies]
    assert "Traceback" not in shared.said()
    assert '"exception"' not in shared.said()
