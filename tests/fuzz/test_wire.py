"""Whatever is said on the wire, rows P1 to P24 and any bytes at all: the node is alive, and answers what the specification says."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from fuzz import drive
from fuzz.grammar import Grammar
from fuzz.json_text import NotJson, read, write
from fuzz.oracle import Oracle
from http_service import service
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

SEED = 20261126
SEEDS = st.integers(0, 2**64 - 1)


@pytest.fixture(scope="module")
def over_http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[drive.OverHttp]:
    """A service on a folder of its own."""
    with service(tmp_path_factory.mktemp("fuzz")) as running, running.client() as client:
        yield drive.OverHttp(client)


@settings(max_examples=60, suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_what_the_grammar_writes_is_answered_as_specified(random: Random, lines: int) -> None:
    """Every answer and every figure are the oracle's; hypothesis shrinks what is not."""
    drive.stdio(random, lines)


@pytest.mark.slow
@settings(max_examples=120)
@given(SEEDS)
@example(269)  # a resource_usage twice, the first one a text: the numbers of the reply were looked for in that one
@example(1863)  # a time without its hour was read as some other time
def test_a_seed_is_answered_as_specified(seed: int) -> None:
    """The same for longer sessions, each written by a seed."""
    drive.stdio(Random(seed), 30)


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--data", "data"]], ids=["memory", "disk"])
def test_the_process_answers_as_specified(
    options: list[str], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`jobsight node`, with thousands of lines at once."""
    monkeypatch.chdir(tmp_path_factory.mktemp("process"))
    counts = drive.process(Random(SEED), 4_000, *options)

    assert counts["job_completed"] > 100


@pytest.mark.slow
def test_the_service_answers_as_specified(over_http: drive.OverHttp) -> None:
    """Streams and single messages over HTTP mean the same as on stdin."""
    random = Random(SEED)
    streams = sum((over_http.stream(random, 300) for _ in range(4)), drive.Counter())
    singles = over_http.single(random, 400)

    assert min(streams["job_completed"], singles["job_completed"]) > 20


@pytest.mark.slow
@pytest.mark.parametrize("rest", [b"\x0c", b"\x0b", b"\x00", b"\x1c", b"\xc2\xa0", b" \t\r\n"])
def test_what_json_has_not_around_it_is_refused_over_http_too(over_http: drive.OverHttp, rest: bytes) -> None:
    """Only what JSON calls space may follow a message; other blanks are control bytes or junk, as on stdin."""
    over_http.say(b'{"type": "heartbeat", "msg_id": 1, "job_id": "a"}' + rest)


def test_every_kind_of_answer_is_reached() -> None:
    """The grammar is no good if it never says what leads to one of the answers."""
    oracle, grammar = Oracle(now_ms=drive.START_MS), Grammar(Random(SEED))
    kinds = {drive.kind_of(answer) for _ in range(4_000) for answer in oracle.feed(grammar.line())}
    replies = {"status_updated", "job_completed", "failure_recorded", "alert_sent", "heartbeat_ok", "job_cancelled"}
    queries = {"job_stats", "job", "jobs", "alerts", "init_ok"}

    assert replies | queries | {"error 10", "error 12", "error 20", "error 22"} == kinds


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda one: st.lists(one) | st.dictionaries(st.text(), one),
    )
)
def test_the_oracle_reads_json(value: object) -> None:
    """What the oracle's own reader reads is what Python's reads, to the byte when it is written again."""
    import json

    text = json.dumps(value, ensure_ascii=False)

    assert text == write(read(text.encode()))


@pytest.mark.parametrize(
    "line",
    [b"", b"01", b"1.", b"+1", b"NaN", b'"\x01"', b'"\\ud800"', b'"\xff"', b"[1,]", b"{} {}", b"[" * 33 + b"]" * 33],
)
def test_the_oracle_refuses_what_is_no_json(line: bytes) -> None:
    """Its reader is as strict as RFC 8259, and as the protocol where that is stricter."""
    with pytest.raises(NotJson):
        read(line)
