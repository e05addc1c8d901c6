"""
Lines for the wire by the dozen: valid ones, nearly valid ones, and broken ones.

Each is made from a `random.Random`: a seed is much faster to draw than a tree of strategies, and a line says of itself
what is wrong with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

Maker = Callable[[Random], Any]

NUMBERS = [
    0,
    1,
    25,
    99.5,
    100,
    120,
    -1,
    -0.0,
    1.0,
    1e3,
    100.0000001,
    2**53 - 1,
    2**53,
    2.0**53,
    1e16,
    2**63,
    2**64,
    10**30,
]
TEXTS = [
    "",
    " ",
    "e",
    "timeout",
    "\0",
    "\x1b[31m",
    "\u202e\u2028",
    "a\nb",
    "x" * 300,
    "}\n{",
    '"}',
    "\\",
    "é🚀",
    "\ud800",
]
JOB_IDS = ["a", "b", "c", "job-123", "日本 🚀", 'quo"te\\', "x" * 256, "a", "b", "c"]
BAD_JOB_IDS = ["", " ", "\u00a0", "x" * 257, "é" * 129, "a\x07", "\u0085", 7, None]
STATUSES = ["running", "queued", "completed", "failed", "cancelled", "lost", "any", "", "x" * 64, "x" * 65]
TIMES = [
    1_699_999_990_000,
    1_700_000_000_000,
    1.7e12,
    1,
    10**11,
    "2023-11-14T22:13:20Z",
    "2023-11-14T22:13:20.123+01:00",
    "2023-11-14T22:13:20",
    "yesterday",
]
MSG_IDS = [0, 1, 2, 3, -1, None, True, "1", 1.5, 1.0, -(2**63), 2**63 - 1, 2**63]
STRANGE = [None, True, False, 0, 1.5, "text", [], [None], {}, {"a": 1}, {"a": "b"}, *NUMBERS]


def one_of(*values: Any) -> Maker:
    """One of these."""
    return lambda random: random.choice(values)


def some_of(keys: list[str], values: list[Any]) -> Maker:
    """An object with some of these keys."""
    return lambda random: {key: random.choice(values) for key in random.sample(keys, random.randrange(len(keys) + 1))}


OWN_FIELDS: dict[str, dict[str, Maker]] = {
    "update_status": {"progress": one_of(*NUMBERS)},
    "job_completed": {
        "duration_ms": one_of(*NUMBERS),
        "resource_usage": some_of(["cpu_percent", "memory_mb", "rows", "é"], [*NUMBERS, None]),
    },
    "job_failed": {"error": one_of(*TEXTS), "retries": one_of(0, 1, 2, 3, -1)},
    "heartbeat": {},
    "job_cancelled": {"reason": one_of(*TEXTS)},
    "get_stats": {"detail": one_of(True, False), "status": one_of(*TEXTS), "since_ms": one_of(*NUMBERS)},
    "get_job": {"history": one_of(True, False)},
    "list_jobs": {"limit": one_of(*NUMBERS), "cursor": one_of(*TEXTS)},
    "init": {"node_id": one_of(*TEXTS), "node_ids": one_of([], ["n"], [1])},
    "nothing": {},
}
FIELDS: dict[str, Maker] = {
    "task": one_of("t", "u", "", "x" * 257),
    "queue": one_of("q", "r", ""),
    "host": one_of("h"),
    "labels": some_of(["a", "b", "k" * 65], [*TEXTS, 7]),
    "attempt": one_of(-1, 0, 1, 2),
    "max_retries": one_of(-1, 0, 1, 3),
    "at": one_of(*TIMES),
    "message": one_of(*TEXTS),
    "in_reply_to": one_of(None, 1),
    "unknown": one_of(*STRANGE),
}


def some_body(random: Random) -> dict[str, Any]:
    """A body, most of the time a good one."""
    kind = random.choice(list(OWN_FIELDS))
    body: dict[str, Any] = {"type": kind}
    if kind not in {"get_stats", "list_jobs", "init"} or random.random() < 0.05:
        body["job_id"] = random.choice(BAD_JOB_IDS if random.random() < 0.1 else JOB_IDS)
    if kind == "update_status":
        body["status"] = random.choice(STATUSES)
    if random.random() < 0.6:
        body["msg_id"] = random.choice(MSG_IDS[: 5 if random.random() < 0.7 else None])
    for fields, share in ((OWN_FIELDS[kind], 0.5), (FIELDS, 0.08)):
        for name, maker in fields.items():
            if random.random() < share:
                body[name] = maker(random)
            if random.random() < 0.01:
                body[name] = random.choice(STRANGE)
    if random.random() < 0.03:
        body[random.choice(["type", "job_id"])] = random.choice(STRANGE)
    names = list(body)
    if random.random() < 0.3:
        random.shuffle(names)
    return {name: body[name] for name in names}


def some_message(random: Random) -> dict[str, Any]:
    """A body, bare or in an envelope."""
    body = some_body(random)
    if random.random() < 0.5:
        return body
    message = {"src": random.choice(["w", "v", "w", None, 7]), "dest": random.choice(["m", "m", None]), "body": body}
    if random.random() < 0.2:
        del message[random.choice(["src", "dest"])]
    return message


def some_line(random: Random) -> bytes:
    """One line without its newline: spaced in one way or another, and now and then damaged."""
    separators = random.choice([(", ", ": "), (",", ":"), (" , ", " : ")])
    text = json.dumps(some_message(random), separators=separators, ensure_ascii=random.random() < 0.5)
    line = text.encode("utf-8", "surrogatepass").replace(b"\n", b" ")
    return damaged(random, line) if random.random() < 0.25 else line


PIECES = [
    b"",
    b"{",
    b"}",
    b'"',
    b"\\",
    b"\0",
    b"\xff",
    b"\r",
    b" ",
    b",",
    b"1",
    b"\\ud800",
    b"}{",
    b"[",
    b"\xef\xbb\xbf",
    b"NaN",
]


def damaged(random: Random, line: bytes) -> bytes:
    """A line after one accident."""
    at = random.randrange(len(line) + 1)
    piece = random.choice(PIECES)
    return random.choice(
        [
            line[:at],
            line[:at] + piece + line[at:],
            line[:at] + piece + line[at + 1 :],
            line + piece + line,
            line.replace(b"{", b'{"job_id": "dup", "type": "heartbeat", "msg_id": 8, ', 1),
        ]
    )
