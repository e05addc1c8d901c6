"""Reports as bytes: cut to what the monitor takes, since a refused report would be lost."""

from __future__ import annotations

import json
import math
import os
import time

from jobsight.client import limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    Body = dict[str, Any]

DEST: Final = "jobsight"

_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_DIGITS: Final = 10
_RANDOM_DIGITS: Final = 10


class Line:
    """
    A report as it travels.

    Attributes:
        job_id: Whose it is: one request never holds two of one job.
        raw: An enveloped message, closed by a newline. Sent again, it is sent byte for byte.
        is_sign: It only says that the job is alive now: not worth keeping for later.
    """

    __slots__ = ("is_sign", "job_id", "raw")

    def __init__(self, job_id: str, raw: bytes, is_sign: bool = False) -> None:
        self.job_id = job_id
        self.raw = raw
        self.is_sign = is_sign


def line_of(source: str, msg_id: int, body: Body) -> Line:
    """A body (its `type` first) with its number and its sender; without its time where no clock was set yet."""
    kind = body["type"]
    numbered = {"type": kind, "msg_id": msg_id, **body}
    at = numbered.get("at")
    if isinstance(at, int) and at < limits.EPOCH_MS_MIN:
        # A machine without a battery begins in 1970. Then the time of the arrival is the best that there is.
        del numbered["at"]
    text = _encode({"src": source, "dest": DEST, "body": numbered})
    return Line(body["job_id"], text.encode() + b"\n", is_sign=kind == "heartbeat")


def job_id_of(raw: bytes) -> str | None:
    """The job of a line that was read back; None where it is no report."""
    try:
        job_id = json.loads(raw)["body"]["job_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return job_id if isinstance(job_id, str) else None


def source_name() -> str:
    """A new sender's name: host, process and chance, so that no other process ever numbers its reports under it."""
    return f"{host_name()}:{os.getpid()}:{os.urandom(4).hex()}"


def host_name() -> str:
    """This machine's name, as its reports carry it."""
    return clean_name(os.uname().nodename) or "localhost"


def clock_ms() -> int:
    """Wall time, milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def mint_job_id(task: str) -> str:
    """A new job id: the task, then the time and chance, so that a task's jobs sort by their start."""
    number = clock_ms()
    digits = ""
    for _ in range(_TIME_DIGITS):
        number, rest = divmod(number, 32)
        digits = _DIGITS[rest] + digits
    chance = "".join(_DIGITS[byte & 31] for byte in os.urandom(_RANDOM_DIGITS))
    ending = f"-{digits}{chance}"
    return _cut(clean_job_id(task), limits.JOB_ID_BYTES_MAX - len(ending)) + ending


def clean_job_id(job_id: str) -> str:
    """A job id that the monitor takes: 1 to 256 bytes, no control characters, not blank."""
    kept = "".join(" " if _is_control(one) else one for one in clean_text(str(job_id)))
    return _cut(kept, limits.JOB_ID_BYTES_MAX) if kept.strip() else "job"


def clean_name(name: object) -> str | None:
    """A task, queue or host name that the monitor takes; None for none."""
    text = "" if name is None else clean_text(str(name))
    return text[: limits.NAME_CHARACTERS_MAX] or None


def clean_labels(labels: Mapping[str, object] | None) -> dict[str, str] | None:
    """At most 16 labels, keys to 64 bytes and values to 256 bytes; None for none."""
    if not labels:
        return None
    return {
        _cut(clean_text(str(key)), limits.LABEL_KEY_BYTES_MAX): _cut(
            clean_text(str(value)), limits.LABEL_VALUE_BYTES_MAX
        )
        for key, value in list(labels.items())[: limits.LABELS_MAX]
    }


def clean_count(count: object) -> int | None:
    """A number of tries that the monitor takes, and one more; None for none. Raises ValueError for what is no number."""
    if count is None:
        return None
    try:
        return min(max(0, int(count)), limits.MEASURE_MAX - 1)  # type: ignore[call-overload, no-any-return]  # tried, whatever it is
    except (OverflowError, TypeError) as error:
        raise ValueError(f"expected a whole number of retries, got {count!r}") from error


def clean_interval(seconds: float | None) -> float:
    """Seconds between two heartbeats; infinite for none, and where no wait is that long."""
    number = 0.0 if seconds is None else float(seconds)
    return number if 0 < number <= limits.WAIT_S_MAX else math.inf


def clean_text(text: str) -> str:
    """A text without lone surrogates, which no JSON reader takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def clean_message(text: object) -> str:
    """The beginning of a longer text, within the limit."""
    return _cut(clean_text(str(text)), limits.TEXT_BYTES_MAX)


def tail_of(text: str, bytes_max: int = limits.TAIL_BYTES_MAX) -> str:
    """The end of a longer text, within the limit."""
    raw = text.encode("utf-8", "replace")
    return raw[-bytes_max:].decode("utf-8", "ignore")


def clean_percent(percent: float) -> float:
    """Progress within 0 to 100."""
    value = percent if isinstance(percent, int) else float(percent)
    if not math.isfinite(value):
        raise ValueError(f"progress: expected a number from 0 to 100, got {percent!r}")
    return int(value) if isinstance(percent, bool) else min(100, max(0, value))


def clean_usage(measures: Mapping[str, float]) -> dict[str, float]:
    """Measures that the monitor takes: at most 64 numbers from 0; the others are left out."""
    usage: dict[str, float] = {}
    for name, value in measures.items():
        number = value if isinstance(value, int) else float(value)
        if len(usage) < limits.MEASURES_MAX and 0 <= number <= limits.MEASURE_MAX:
            usage[clean_text(str(name))[: limits.NAME_CHARACTERS_MAX]] = (
                int(number) if isinstance(number, bool) else number
            )
    return usage


def _cut(text: str, bytes_max: int) -> str:
    if len(text) * 4 <= bytes_max:
        return text
    return text.encode()[:bytes_max].decode("utf-8", "ignore")


def _is_control(one: str) -> bool:
    return one < " " or "\x7f" <= one <= "\x9f"
