"""
The explorer's language: qualifiers and words as an operator types them, and a typed filter.

    status:failed task:etl.* host:w07 label.env:prod error:Timeout dur:>60s since:24h "connection reset"

A qualifier is a name, a colon and a value; several values stand with commas between them, a minus before the name turns
it round, quotes hold what has spaces or commas in it. What is no qualifier is a word to be found in any text of a job.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from jobsight.core.globs import GLOB_CHARACTERS_MAX
from jobsight.core.limits import EPOCH_MS_MIN, MEASURE_MAX, NAME_CHARACTERS_MAX
from jobsight.core.spans import SPAN_FORMS, span_ms
from jobsight.core.times import epoch_ms

FILTER_CHARACTERS_MAX: Final = 1_000
"""A longer text is refused."""

WORDS_MAX: Final = 6
"""Words that are looked for in texts."""

VALUES_MAX: Final = 16
"""Values of one qualifier."""

STATUSES_SHOWN: Final = 12
"""Words that the text of a fault proposes."""

LABELS_MAX: Final = 4
"""Labels that a filter names."""

NAMED: Final = ("status", "task", "queue", "host")
"""Qualifiers over names, each with several values and their opposite."""

QUALIFIERS: Final = (*NAMED, "is", "no", "error", "dur", "since", "until", "label.NAME")

_UNITS_MS: Final = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_TOKEN: Final = re.compile(r'(?:[^\s"\\]|\\.|"(?:[^"\\]|\\.)*"?)+')
_QUALIFIER: Final = re.compile(r"(-?)([a-z]+|label\.[^:\s\"]+):", re.DOTALL)
_PLAIN: Final = re.compile(r"[^\s\"\\,:-][^\s\"\\,:]*")
_LENGTH: Final = re.compile(r"(<|>)=?\s*(.+)", re.DOTALL)


class Names(Struct, frozen=True, kw_only=True):
    """
    Names of which one is wanted, or none where `is_not`.

    Attributes:
        patterns: Globs; None stands for jobs without such a name.
    """

    patterns: tuple[str | None, ...]
    is_not: bool = False


class JobFilter(Struct, frozen=True, kw_only=True):
    """
    Which jobs are wanted; None and empty for no condition.

    Attributes:
        is_active: True: has not ended; False: has ended.
        labels: Exact values by name.
        error: A part of the error. `words`: each a part of the job's id, error or message; cases of ASCII letters are equal.
        longer_ms, shorter_ms: It ran at least, or less than, so long; a job that runs has run until now.
        since, until: Heard of last from then on, or before then: an age (`24h`), RFC 3339, or ms since the epoch.
    """

    status: Names | None = None
    task: Names | None = None
    queue: Names | None = None
    host: Names | None = None
    is_active: bool | None = None
    labels: tuple[tuple[str, str], ...] = ()
    error: str | None = None
    words: tuple[str, ...] = ()
    longer_ms: int | None = None
    shorter_ms: int | None = None
    since: str | None = None
    until: str | None = None


class Fault(Struct, frozen=True, kw_only=True):
    """What cannot be read: from which character on (from 0), how many, and what was expected there."""

    at: int
    length: int
    text: str


def read_filter(text: str, statuses: Collection[str] | None = None) -> tuple[JobFilter, list[Fault]]:
    """
    The filter that a text means, and everything in it that means nothing; such parts are left out of the filter.

    Args:
        text: As it was typed.
        statuses: All words in which jobs can stand, where they are known; others are faults.
    """
    if len(text) > FILTER_CHARACTERS_MAX:
        fault = f"expected at most {FILTER_CHARACTERS_MAX} characters, got {len(text)}"
        return JobFilter(), [Fault(at=FILTER_CHARACTERS_MAX, length=len(text) - FILTER_CHARACTERS_MAX, text=fault)]
    wanted, faults = JobFilter(), []
    for match in _TOKEN.finditer(text):
        try:
            wanted = _add(wanted, match[0], statuses)
        except ValueError as why:
            faults.append(Fault(at=match.start(), length=len(match[0]), text=str(why)))
    return wanted, faults


def filter_text(wanted: JobFilter) -> str:
    """A filter as it is typed; `read_filter` reads the same filter from it."""
    parts = []
    for name in NAMED:
        names: Names | None = getattr(wanted, name)
        if names is not None:
            parts.append(_names_text(name, names))
    if wanted.is_active is not None:
        parts.append("is:active" if wanted.is_active else "is:ended")
    parts += [f"label.{name}:{quoted(value)}" for name, value in wanted.labels]
    if wanted.error is not None:
        parts.append(f"error:{quoted(wanted.error)}")
    if wanted.longer_ms is not None:
        parts.append(f"dur:>{_length_text(wanted.longer_ms)}")
    if wanted.shorter_ms is not None:
        parts.append(f"dur:<{_length_text(wanted.shorter_ms)}")
    parts += [f"{name}:{moment}" for name in ("since", "until") if (moment := getattr(wanted, name)) is not None]
    return " ".join(parts + [quoted(word) for word in wanted.words])


def with_name(wanted: JobFilter, field: str, value: str | None) -> JobFilter:
    """The same filter narrowed to one name; `field` is one of `NAMED`, and the value is taken as it is, stars too."""
    return replace(wanted, **{field: Names(patterns=(value,))})


def without(wanted: JobFilter, field: str) -> JobFilter:
    """The same filter without one of its conditions, by the name of its field."""
    return replace(wanted, **{field: () if field in ("labels", "words") else None})


def moment_of(text: str, now_ms: int) -> int:
    """
    The moment that `since` or `until` means, ms UTC.

    Raises:
        ValueError: It means none.
    """
    age_ms = span_ms(text)
    if age_ms is not None:
        return max(0, now_ms - age_ms)
    if text.isascii() and text.isdigit():
        if not EPOCH_MS_MIN <= int(text) <= MEASURE_MAX:
            raise ValueError("no milliseconds since the epoch")
        return int(text)
    return epoch_ms(text.replace(" ", "+"))


def _add(wanted: JobFilter, token: str, statuses: Collection[str] | None) -> JobFilter:
    qualifier = _QUALIFIER.match(token)
    if qualifier is None:
        return _with_word(wanted, token)
    is_not, name, raw = qualifier[1] == "-", qualifier[2], token[qualifier.end() :]
    if name in NAMED:
        values = _names_of(name, raw)
        if name == "status" and statuses is not None:
            _refuse_unknown(values, statuses)
        return _join(wanted, name, values, is_not)
    if name == "no":
        return _with_none(wanted, raw, is_not)
    if name not in ("is", "error", "dur", "since", "until") and not name.startswith("label."):
        near = get_close_matches(name, QUALIFIERS, n=1, cutoff=0.7)
        if not near:
            return _with_word(wanted, token)
        raise ValueError(f'{name}: is no qualifier; did you mean {near[0]}: or, as text, "{token}"')
    if is_not:
        raise ValueError(f"-{name}: cannot be turned round; a minus goes before {', '.join(NAMED)} and no")
    value = _unquoted(raw)
    if not value:
        raise ValueError(f"{name}: expected a value right after the colon")
    return _with_value(wanted, name, value)


def _with_value(wanted: JobFilter, name: str, value: str) -> JobFilter:
    match name:
        case "is":
            if value not in ("active", "ended"):
                raise ValueError("is: expected active or ended")
            return replace(wanted, is_active=value == "active")
        case "error":
            return replace(wanted, error=value)
        case "dur":
            return _with_length(wanted, value)
        case "since" | "until":
            try:
                moment_of(value, 0)
            except (ValueError, OverflowError):
                raise ValueError(f"{name}: expected an age like 24h, or a time like 2026-02-03T04:05:00Z") from None
            return replace(wanted, **{name: value.replace(" ", "")})
        case _:
            if len(wanted.labels) >= LABELS_MAX:
                raise ValueError(f"{name}: expected at most {LABELS_MAX} labels")
            return replace(wanted, labels=(*wanted.labels, (name.removeprefix("label."), value)))


def _names_of(name: str, raw: str) -> tuple[str, ...]:
    values = tuple(_unquoted(one) for one in _split(raw))
    if not all(values):
        without = f"; for jobs without one write no:{name}" if name in NAMED[1:] else ""
        raise ValueError(f"{name}: expected a name or a pattern right after the colon{without}")
    for value in values:
        longest, what = (GLOB_CHARACTERS_MAX, "pattern") if set(value) & set("*?") else (NAME_CHARACTERS_MAX, "name")
        if len(value) > longest:
            raise ValueError(f"{name}: expected at most {longest} characters in a {what}")
    return values


def _refuse_unknown(values: Sequence[str], statuses: Collection[str]) -> None:
    """A status in which no job has ever stood is a slip; patterns may match what comes."""
    for value in values:
        if value in statuses or set(value) & set("*?"):
            continue
        near = get_close_matches(value.lower(), sorted(statuses), n=1, cutoff=0.6)
        known = ", ".join(sorted(statuses)[:STATUSES_SHOWN]) + (", ..." if len(statuses) > STATUSES_SHOWN else "")
        meant = f"; did you mean {near[0]}" if near else ""
        raise ValueError(f"status: no job has stood in {quoted(value)}{meant}; expected one of {known}")


def _with_none(wanted: JobFilter, raw: str, is_not: bool) -> JobFilter:
    name = _unquoted(raw)
    if name not in NAMED[1:]:
        raise ValueError("no: expected task, queue or host")
    return _join(wanted, name, (None,), is_not)


def _join(wanted: JobFilter, name: str, values: tuple[str | None, ...], is_not: bool) -> JobFilter:
    before: Names | None = getattr(wanted, name)
    if before is not None and before.is_not is not is_not:
        raise ValueError(f"{name}: stands there with and without a minus; expected one of the two")
    joined = values if before is None else before.patterns + values
    if len(joined) > VALUES_MAX:
        raise ValueError(f"{name}: expected at most {VALUES_MAX} names; a star stands for any characters")
    return replace(wanted, **{name: Names(patterns=tuple(dict.fromkeys(joined)), is_not=is_not)})


def _with_length(wanted: JobFilter, value: str) -> JobFilter:
    match = _LENGTH.fullmatch(value)
    length_ms = None if match is None else span_ms(match[2])
    if match is None or length_ms is None:
        raise ValueError(f"dur: expected > or < and a length {SPAN_FORMS}, as in dur:>60s")
    return replace(wanted, **{"longer_ms" if match[1] == ">" else "shorter_ms": length_ms})


def _with_word(wanted: JobFilter, token: str) -> JobFilter:
    word = _unquoted(token)
    if not word:
        return wanted
    if len(wanted.words) >= WORDS_MAX:
        raise ValueError(f'expected at most {WORDS_MAX} words; put a text with spaces into quotes: "{word} ..."')
    return replace(wanted, words=(*wanted.words, word))


def _split(raw: str) -> list[str]:
    """The values between commas that stand outside of quotes."""
    parts = re.findall(r'(?:[^,"\\]|\\.|"(?:[^"\\]|\\.)*"?)+|,', raw, re.DOTALL)
    values, is_open = [], True
    for part in parts:
        if part != ",":
            values.append(part)
        elif is_open:
            values.append("")
        is_open = part == ","
    return values if values and not is_open else [*values, ""]


def _unquoted(raw: str) -> str:
    """A value without its quotes; a backslash makes the next character plain."""
    return re.sub(r'\\(.)|"', lambda match: match[1] or "", raw, flags=re.DOTALL)


def quoted(value: str) -> str:
    """A value as it has to be typed."""
    if _PLAIN.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _names_text(name: str, names: Names) -> str:
    minus = "-" if names.is_not else ""
    parts = []
    named = [quoted(pattern) for pattern in names.patterns if pattern is not None]
    if named:
        parts.append(f"{minus}{name}:{','.join(named)}")
    if None in names.patterns:
        parts.append(f"{minus}no:{name}")
    return " ".join(parts)


def _length_text(length_ms: int) -> str:
    """A length to the millisecond, in as many units as it takes."""
    parts = []
    for unit, size_ms in _UNITS_MS.items():
        count, length_ms = divmod(length_ms, size_ms)
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"
