"""Says what the grammar writes to a node, over each transport, and holds every answer against the oracle."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from random import Random
from typing import Any

import httpx
from fuzz.grammar import Grammar
from fuzz.oracle import Answer, Oracle
from http_service import EVENTS, NDJSON
from model import Model
from node_process import JOBSIGHT
from transcript_runner import START_MS, Node

NODE_ID = "monitor"
STATS = b'{"type": "get_stats", "msg_id": 99}\n'
SECONDS_MAX = 1_000
"""For a process and all of its lines. A long run is patient: it yields to everything else on the machine."""

HTTP_STATUS = {None: 200, 10: 400, 12: 400, 20: 404, 22: 409}


class Disagreement(AssertionError):
    """The node and the specification say different things, or the node says nothing."""


def compare(said: bytes, expected: list[Answer], answered: bytes, node_id: str) -> None:
    """
    Hold answers against what the oracle expects.

    Raises:
        Disagreement: Which input, what was expected, what came.
    """
    lines = answered.splitlines(keepends=True)
    agreed = 0
    while agreed < min(len(expected), len(lines)) and expected[agreed].fits(lines[agreed], node_id):
        agreed += 1
    if agreed == len(expected) == len(lines):
        return
    wanted = "".join(f"    {one}\n" for one in expected[agreed : agreed + 2]) or "    nothing\n"
    came = "".join(f"    {line!r}\n" for line in lines[agreed : agreed + 2]) or "    nothing\n"
    since = said.rfind(expected[agreed - 1].asked) if agreed else 0
    raise Disagreement(
        f"expected\n{wanted}answered\n{came}said since the last good answer\n    {said[since:][:2000]!r}"
    )


def stdio(random: Random, lines: int, *, mutated_percent: int = 20) -> Counter[str]:
    """
    A session with a node in this process; what is read at once is cut anywhere, and the figures are asked for throughout.

    Returns:
        How many lines were said, how many of them had an accident, and how many answers of which kind came.
    """
    limit = random.choice([None, None, 1])
    node, oracle = Node(retries_max=limit), Oracle(now_ms=START_MS, retries_max=limit)
    grammar = Grammar(random, mutated_percent=mutated_percent)
    counts: Counter[str] = Counter()
    try:
        said = grammar.opening()
        node.send(said)
        compare(said, oracle.feed(said), node.take_replies(), oracle.node_id or NODE_ID)
        while counts["lines"] < lines:
            group = [grammar.line() for _ in range(random.choice([1, 1, 1, 2, 5]))]
            counts["lines"] += len(group)
            said = b"".join(group) + (STATS if random.randrange(4) == 0 else b"")
            expected, node_id = oracle.feed(said), oracle.node_id or NODE_ID
            cut = random.randrange(len(said) + 1)
            for piece in (said[:cut], said[cut:]):
                node.send(piece)
            compare(said, expected, node.take_replies(), node_id)
            counts.update(kind_of(answer) for answer in expected)
    finally:
        node.close()
    counts["mutated"] = grammar.mutated_lines
    return counts


def process(random: Random, lines: int, *options: str, mutated_percent: int = 20) -> Counter[str]:
    """The same with `jobsight node`, all input at once; it ends well."""
    oracle, grammar = Oracle(now_ms=time.time_ns() // 1_000_000), Grammar(random, mutated_percent=mutated_percent)
    said = b"".join([grammar.opening(), *(grammar.line() for _ in range(lines)), STATS])
    expected = oracle.feed(said)
    done = subprocess.run([*JOBSIGHT, *options], input=said, capture_output=True, timeout=SECONDS_MAX)
    compare(said, expected, done.stdout, oracle.node_id or NODE_ID)
    if done.returncode or b"Traceback" in done.stderr:
        raise Disagreement(f"it ended with {done.returncode}: {done.stderr[-2000:]!r}")
    counts = Counter(kind_of(answer) for answer in expected)
    return counts + Counter({"lines": lines, "mutated": grammar.mutated_lines})


class OverHttp:
    """
    A service that is asked in two ways; what it knows is known to the model from request to request.

    Args:
        client: Speaks to a service on an empty folder.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._model = Model()
        self._now_ms = time.time_ns() // 1_000_000

    def stream(self, random: Random, lines: int, *, mutated_percent: int = 20) -> Counter[str]:
        """One request with many lines."""
        oracle, grammar = self._oracle(), Grammar(random, mutated_percent=mutated_percent)
        said = b"".join([*(grammar.line() for _ in range(lines)), STATS])
        expected = oracle.feed(said)
        answer = self._client.post(EVENTS, content=said, headers=NDJSON)
        if answer.status_code != 200:
            raise Disagreement(f"said\n    {said[-3000:]!r}\nanswered {answer.status_code}: {answer.text[:2000]}")
        compare(said, expected, answer.content, NODE_ID)
        counts = Counter(kind_of(one) for one in expected)
        return counts + Counter({"lines": lines, "mutated": grammar.mutated_lines})

    def single(self, random: Random, lines: int, *, mutated_percent: int = 20) -> Counter[str]:
        """Requests of one message each."""
        grammar = Grammar(random, mutated_percent=mutated_percent)
        counts: Counter[str] = Counter()
        for _ in range(lines):
            counts += self.say(grammar.line().strip(b" \t\r\n"))
        counts["mutated"] = grammar.mutated_lines
        return counts

    def say(self, said: bytes) -> Counter[str]:
        """One request of one message."""
        expected = self._oracle().take(said.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n"))
        answer = self._client.post(EVENTS, content=said, headers={"content-type": "application/json"})
        if len(expected) == 1:
            compare(said, expected, answer.content.rstrip(b"\n") + b"\n", NODE_ID)
        self._check_status(said, expected, answer)
        return Counter({"lines": 1}) + Counter(kind_of(one) for one in expected)

    def _check_status(self, said: bytes, expected: list[Answer], answer: httpx.Response) -> None:
        """An error has the status of its code; what holds no message, or more than one, is malformed."""
        body = expected[0].text if len(expected) == 1 else {"type": "error", "code": 12}
        code = body.get("code") if isinstance(body, dict) else None
        is_error = isinstance(body, dict) and body.get("type") == "error"
        told: dict[str, Any] = json.loads(answer.content)
        if HTTP_STATUS[code] != answer.status_code or is_error is not (told["type"] == "error"):
            raise Disagreement(
                f"said\n    {said!r}\nexpected {expected}\nanswered {answer.status_code} {answer.text!r}"
            )

    def _oracle(self) -> Oracle:
        return Oracle(now_ms=self._now_ms, default_source="(the peer)", model=self._model)


def kind_of(answer: Answer) -> str:
    """A word for an answer."""
    body = answer.text if isinstance(answer.text, dict) else json.loads(answer.text)
    return f"error {body['code']}" if body.get("type") == "error" else str(body.get("type", "other"))
