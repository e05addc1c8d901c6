"""
The grammar of the wire, rows P1 to P24: lines of which most are good, many are nearly good, and some are anything.

Every choice is made by a `random.Random`. Hypothesis brings one whose choices it can shrink; long runs bring a seed.
"""

from __future__ import annotations

import json
from random import Random


def _words(text: str) -> list[str]:
    return text.split()


# What is written, not what it means: a number has many ways to be written.
NUMBERS = _words(
    "0 1 2 3 25 50 99.5 100 25.0 2.50e1 1e2 1E2 0.001 12.345 60000 1e3 86400000.125 9007199254740991 "
    "-0 -0.0 -1 101 100.0000001 9007199254740992 9007199254740993.0 1e16 1e999 18446744073709551616 "
    "01 1. .5 +1 1e 0x10 NaN Infinity -Infinity"
)
GOOD_NUMBERS = NUMBERS[:18]
MSG_IDS = _words("1 2 3 4 7 -1 0 null 9223372036854775807 9223372036854775808 -9223372036854775809 true 1.5 1.0 1e0")
GOOD_MSG_IDS = MSG_IDS[:9]
TIMES = _words("1699999990000 1699999995000 1699999999999 100000000000 1 1e12 null")
TIME_TEXTS = ["2023-11-14T22:13:10Z", "2023-11-14T23:13:15.500+01:00", "2023-11-14T22:13:10", "yesterday"]
JOB_IDS = ["a", "b", "c", "job-123", "日本 🚀", 'quo"te\\', "x" * 256]
BAD_JOB_IDS = ["", " ", "\u00a0", "x" * 257, "é" * 129, "a\x07", "\u0085"]
STATUSES = ["running", "queued", "retrying", "completed", "failed", "cancelled", "lost", "uploading", "x" * 64]
BAD_STATUSES = ["", "x" * 65]
TEXTS = [
    "",
    "e",
    "Connection timeout",
    "\x1b[31mred",
    "<b>&",
    "\u202eabc",
    "a\nb\tc",
    "}{",
    '"}',
    "\\",
    "é🚀",
    "x" * 400,
]
STRANGE = ["null", "true", "0", "1.5", '"text"', "[]", "[[{}]]", "{}", '{"a": {"b": [1]}}', "-1e-7", '"\\ud83d\\ude80"']
BROKEN_TEXTS = ['"\\ud800"', '"\x01"', '"\\x"', '"unfinished']
NAMES = {"task": ["t", "u"], "queue": ["q"], "host": ["h", "i"], "message": TEXTS}
TYPES = ["update_status", "job_completed", "job_failed", "heartbeat", "job_cancelled"]
PIECES = [
    b"",
    b"{",
    b"}",
    b"[",
    b'"',
    b"\\",
    b":",
    b",",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b" ",
    b"\n",
    b"\r",
    b"1",
    b"e9",
]


class Grammar:
    """
    Writes lines.

    Args:
        random: Makes every choice.
        mutated_percent: Of the messages, so many have had an accident of their bytes.
    """

    def __init__(self, random: Random, *, mutated_percent: int = 20) -> None:
        self.random = random
        self.mutated_percent = mutated_percent
        self.mutated_lines = 0
        self._last: list[bytes] = []

    def opening(self) -> bytes:
        """How a session begins: often by an `init`, from which on envelopes are answered by envelopes."""
        init = '{"type": "init", "msg_id": 1, "node_id": "m", "node_ids": ["m"]}'
        envelope = self.random.choice(['{"src": "w", "dest": "m", "body": %s}', '{"body": %s}', "%s"]) % init
        return b"" if self.random.randrange(2) else envelope.encode() + b"\n"

    def line(self) -> bytes:
        """One message, on one line or over several, or something that is none; closed by a newline."""
        random = self.random
        kind = random.randrange(20)
        if kind == 0 and self._last:
            line = random.choice(self._last)  # P17: said again
        elif kind == 1:
            line = self._no_message()
        else:
            line = self.message()
            if random.randrange(100) < self.mutated_percent:
                line = self.mutated(line)
                self.mutated_lines += 1
            self._last = [line, *self._last[:3]]
        return line + random.choice([b"\n", b"\n", b"\n", b"\r\n", b" \n", b"\n\n"])

    def message(self) -> bytes:
        """One message, well-formed JSON most of the time."""
        random = self.random
        body = self._object(self._fields())
        if random.randrange(2):
            parts = [("src", self._pick(['"w"', '"v"', '"w"', "null", "7", '"\\u00e9"'], 4))]
            parts.append(("dest", self._pick(['"m"', '"m"', "null", '["m"]'], 3)))
            parts.append(("body", body if random.randrange(30) else self._pick(STRANGE, len(STRANGE))))
            if random.randrange(6) == 0:
                del parts[random.randrange(3 if random.randrange(8) == 0 else 2)]
            if random.randrange(30) == 0:
                parts.append(("id", "5"))
            body = self._object(parts)
        if random.randrange(8) == 0 and "\n" not in body:
            body = body.replace(", ", ",\n").replace("{", "{\n", random.randrange(3)) if '\\"' not in body else body
        return body.encode("utf-8", "surrogatepass")

    def mutated(self, line: bytes) -> bytes:
        """A message after one to three accidents of its bytes."""
        for _ in range(self.random.choice([1, 1, 1, 2, 3])):
            line = self._accident(line)
        return line

    def _accident(self, line: bytes) -> bytes:
        random = self.random
        at = random.randrange(len(line) + 1)
        to = min(len(line), at + random.randrange(1, 9))
        match random.randrange(8):
            case 0:
                return line[:at]
            case 1:
                return line[:at] + line[to:]
            case 2:
                return line[:to] + line[at:]
            case 3:
                return line[:at] + bytes([random.randrange(256)]) + line[at + 1 :]
            case 4:
                return line[:at] + random.choice(PIECES) + line[to:]
            case 5 if at < len(line):
                return line[:at] + bytes([line[at] ^ 1 << random.randrange(8)]) + line[at + 1 :]
            case 6 if self._last:
                other = random.choice(self._last)
                return line[:at] + other[random.randrange(len(other) + 1) :]
            case _:
                return line[:at] + random.choice(PIECES) + line[at:]

    def _no_message(self) -> bytes:
        random = self.random
        depth = random.choice([31, 32, 33, 500])
        return random.choice(
            [
                b"",
                b"   ",
                b"null",
                b"[1, 2]",
                b'"text"',
                b"12",
                b"nonsense",
                b"{}",
                b"[" * depth,
                b'{"type": "heartbeat",\n"job_id": "a", "x": ' + b"[" * depth + b"]" * depth + b"}",
                b'{"type": "heartbeat",\n"job_id": "a\n"}',
                b'{"type": "heartbeat",\n"job_id": "a"\n' + self.message(),
                b'{"type": "heartbeat", "job_id": "a", "x": ' + b"[" * depth + b"]" * depth + b"}",
                bytes(random.randrange(256) for _ in range(random.randrange(1, 20))).replace(b"\n", b" "),
            ]
        )

    def _fields(self) -> list[tuple[str, str]]:
        """The fields of a body, as pairs of a name and a text: a name may come twice."""
        random = self.random
        kind = self._kind()
        fields = [("type", json.dumps(kind))]
        if random.randrange(4):
            fields.append(("msg_id", self._pick(MSG_IDS, 9)))
        if kind in TYPES or kind == "get_job":
            fields.append(("job_id", self._text(JOB_IDS, BAD_JOB_IDS)))
        fields += self._own(kind)
        if kind in TYPES:
            fields += self._optional()
        if random.randrange(12) == 0:
            fields.append((random.choice(["unknown", "x", "body", "in_reply_to"]), random.choice(STRANGE)))
        if random.randrange(25) == 0:
            fields.append((random.choice(fields)[0], random.choice(STRANGE)))  # P11: the last one wins
        if random.randrange(40) == 0:
            fields.pop(random.randrange(len(fields)))
        if random.randrange(60) == 0:
            fields.append(("note", random.choice(BROKEN_TEXTS)))
        if random.randrange(3) == 0:
            random.shuffle(fields)
        return fields

    def _kind(self) -> str:
        random = self.random
        number = random.randrange(24)
        if number < 17:
            return TYPES[number % 5]
        if number < 20:
            return "get_stats"
        return random.choice(["get_job", "list_jobs", "get_alerts", "acknowledge_alert", "nothing", "init", ""])

    def _own(self, kind: str) -> list[tuple[str, str]]:
        random = self.random
        fields: list[tuple[str, str]] = []
        match kind:
            case "update_status":
                fields = [("status", self._text(STATUSES, BAD_STATUSES)), ("progress", self._number())]
            case "job_completed":
                names = random.sample(["cpu_percent", "memory_mb", "rows", "é"], random.randrange(4))
                usage = self._object([(name, self._number()) for name in names])
                fields = [("duration_ms", self._number()), ("resource_usage", usage)]
            case "job_failed":
                fields = [
                    ("error", self._text(TEXTS, [])),
                    ("retries", self._pick(["0", "1", "2", "null", "-1", "1.0"], 4)),
                ]
            case "job_cancelled":
                fields = [("reason", self._text(TEXTS, []))]
            case "get_stats" if random.randrange(4) == 0:
                fields = [(random.choice(["task", "status", "detail", "since_ms"]), random.choice(STRANGE))]
            case "list_jobs" | "get_alerts" if random.randrange(2):
                fields = [("limit", random.choice(["1", "500", "501", "0", "1.0", '"1"']))]
            case "init":
                fields = [
                    ("node_id", random.choice(['"m"', '"m"', '"n"', "7"])),
                    ("node_ids", random.choice(["[]", "[1]"])),
                ]
            case "acknowledge_alert":
                fields = [("alert_id", '"nobody-knows-it"')]
        return [field for field in fields if field[0] in ("status", "node_id", "alert_id") or random.randrange(6)]

    def _optional(self) -> list[tuple[str, str]]:
        random = self.random
        fields: list[tuple[str, str]] = []
        for name, texts in NAMES.items():
            if random.randrange(9) == 0:
                fields.append((name, self._text(texts, ["x" * 300, ""])))
        if random.randrange(9) == 0:
            fields.append(
                (random.choice(["max_retries", "attempt"]), self._pick(["0", "1", "2", "3", "null", "-1", "true"], 5))
            )
        if random.randrange(8) == 0:
            fields.append(
                ("at", json.dumps(random.choice(TIME_TEXTS)) if random.randrange(3) == 0 else self._pick(TIMES, 3))
            )
        if random.randrange(15) == 0:
            labels = [(f"k{number}", self._text(TEXTS[:6], [])) for number in range(random.choice([0, 1, 2, 16, 17]))]
            fields.append(("labels", self._object(labels)))
        return fields

    def _number(self) -> str:
        kind = self.random.randrange(10)
        return self.random.choice(GOOD_NUMBERS if kind < 7 else NUMBERS if kind < 9 else STRANGE)

    def _text(self, good: list[str], bad: list[str]) -> str:
        random = self.random
        text = random.choice(bad) if bad and random.randrange(14) == 0 else random.choice(good)
        return json.dumps(text, ensure_ascii=random.randrange(2) == 0)

    def _pick(self, texts: list[str], good: int) -> str:
        """One of the first `good` most of the time."""
        return self.random.choice(texts if self.random.randrange(10) == 0 else texts[:good])

    def _object(self, fields: list[tuple[str, str]]) -> str:
        comma, colon = self.random.choice([(", ", ": "), (", ", ": "), (",", ":"), (" ,\t", " : ")])
        return "{" + comma.join(f"{json.dumps(name)}{colon}{text}" for name, text in fields) + "}"
