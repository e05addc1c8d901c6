"""The explorer's language: what is typed, what it means, and what is said where it means nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsight.view.job_filter import (
    QUALIFIERS,
    Fault,
    JobFilter,
    Names,
    filter_text,
    moment_of,
    read_filter,
    with_name,
    without,
)

READ = [
    ("", JobFilter()),
    ("   ", JobFilter()),
    ("status:failed", JobFilter(status=Names(patterns=("failed",)))),
    ("status:failed,lost", JobFilter(status=Names(patterns=("failed", "lost")))),
    ("status:failed status:lost", JobFilter(status=Names(patterns=("failed", "lost")))),
    ('status:"warming up"', JobFilter(status=Names(patterns=("warming up",)))),
    ('task:"a,b",c', JobFilter(task=Names(patterns=("a,b", "c")))),
    ("-host:w1,w2", JobFilter(host=Names(patterns=("w1", "w2"), is_not=True))),
    ("no:task", JobFilter(task=Names(patterns=(None,)))),
    ("-no:queue", JobFilter(queue=Names(patterns=(None,), is_not=True))),
    ("task:a no:task", JobFilter(task=Names(patterns=("a", None)))),
    ("is:active", JobFilter(is_active=True)),
    ("label.env:prod label.a-b:1", JobFilter(labels=(("env", "prod"), ("a-b", "1")))),
    ('error:"Connection timeout"', JobFilter(error="Connection timeout")),
    ("dur:>60s dur:<=1h30m", JobFilter(longer_ms=60_000, shorter_ms=5_400_000)),
    ("since:24h until:2026-02-03T04:05:00Z", JobFilter(since="24h", until="2026-02-03T04:05:00Z")),
    ("reset by peer", JobFilter(words=("reset", "by", "peer"))),
    ('"reset by peer"', JobFilter(words=("reset by peer",))),
    ('"status:failed"', JobFilter(words=("status:failed",))),
    ("KeyError: http://x", JobFilter(words=("KeyError:", "http://x"))),
    (r'"say \"no\" \\ yes"', JobFilter(words=(r'say "no" \ yes',))),
    ('"never closed', JobFilter(words=("never closed",))),
]


@pytest.mark.parametrize(("text", "wanted"), READ)
def test_what_is_typed_is_understood(text: str, wanted: JobFilter) -> None:
    """Qualifiers, several values, their opposite, quotes, and words that are none of these."""
    assert (wanted, []) == read_filter(text)


FAULTY = [
    ("a task: b", 2, 5, "no:task"),
    ("task:a,,b", 0, 9, "right after the colon"),
    ("x stauts:failed", 2, 13, "did you mean status:"),
    ("is:x", 0, 4, "active or ended"),
    ("no:status", 0, 9, "task, queue or host"),
    ("dur:60s", 0, 7, "dur:>60s"),
    ("dur:>soon", 0, 9, "dur:>60s"),
    ("since:yesterday", 0, 15, "24h"),
    ("since:2026-02-03", 0, 16, "24h"),
    ("error:", 0, 6, "right after the colon"),
    ("-error:x", 0, 8, "cannot be turned round"),
    ("task:a -task:b", 7, 7, "with and without a minus"),
    ("a b c d e f g", 12, 1, "into quotes"),
    ("label.a:1 label.b:1 label.c:1 label.d:1 label.e:1", 40, 9, "at most 4 labels"),
    ("host:" + ",".join(map(str, range(17))), 0, 45, "at most 16"),
    ("task:*" + "x" * 128, 0, 134, "at most 128"),
    ("task:" + "x" * 257, 0, 262, "at most 256"),
    ("x" * 1001, 1000, 1, "at most 1000"),
]


@pytest.mark.parametrize(("text", "at", "length", "said"), FAULTY)
def test_what_means_nothing_is_pointed_at(text: str, at: int, length: int, said: str) -> None:
    """An operator sees which part is wrong and what to type instead; nothing is guessed."""
    _, faults = read_filter(text)

    assert [(at, length)] == [(fault.at, fault.length) for fault in faults]
    assert said in faults[0].text


def test_what_is_proposed_can_be_typed() -> None:
    """Every job has a status: there is no filter for those without, and none is spoken of."""
    _, faults = read_filter("status:")

    assert ["status: expected a name or a pattern right after the colon"] == [fault.text for fault in faults]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("fialed", "no job has stood in fialed; did you mean failed; expected one of completed, failed, warming up"),
        ("failed,Complet", "no job has stood in Complet; did you mean completed; expected one of"),
        ('"cooling down"', 'no job has stood in "cooling down"; expected one of'),
    ],
)
def test_a_status_that_no_job_ever_had_is_a_slip(typed: str, said: str) -> None:
    """The word that is near is proposed, and all that there are; turned round it would match everything, as wrongly."""
    known = ["failed", "completed", "warming up"]

    for text in (f"status:{typed}", f"host:w1 -status:{typed}"):
        wanted, (fault,) = read_filter(text, known)

        assert wanted.status is None
        assert text.index("-status" if "-" in text else "status") == fault.at
        assert fault.text.startswith(f"status: {said}"), fault.text
        assert [] == read_filter(text)[1], "where the words are not known"


def test_a_status_that_jobs_had_and_patterns_are_no_slips() -> None:
    """Whatever workers call it; and a pattern means what comes, too."""
    for typed in ('"warming up"', "failed,completed", "fial*", "?"):
        assert [] == read_filter(f"status:{typed}", ["failed", "completed", "warming up"])[1]


def test_what_is_wrong_leaves_the_rest_standing() -> None:
    """A page can show the rest of what was typed, and all that is wrong at once."""
    wanted, faults = read_filter("status:failed is:x host:w1 dur:1")

    assert "status:failed host:w1" == filter_text(wanted)
    assert [14, 27] == [fault.at for fault in faults]
    assert all(isinstance(fault, Fault) for fault in faults)


_names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
_some_names = st.none() | st.builds(
    Names,
    patterns=st.lists(_names, min_size=1, max_size=4, unique=True).map(tuple),
    is_not=st.booleans(),
)
_filters = st.builds(
    JobFilter,
    status=_some_names,
    task=_some_names,
    queue=_some_names,
    host=_some_names,
    is_active=st.none() | st.booleans(),
    labels=st.lists(st.tuples(st.from_regex(r"[a-z_.-]{1,9}", fullmatch=True), _names), max_size=4).map(tuple),
    error=st.none() | _names,
    words=st.lists(_names, max_size=6).map(tuple),
    longer_ms=st.none() | st.integers(0, 10**17),
    shorter_ms=st.none() | st.integers(0, 10**9),
    since=st.sampled_from([None, "90s", "1790000000000", "2026-02-03T04:05:00+01:00"]),
    until=st.sampled_from([None, "7d"]),
)


@given(_filters)
def test_a_filter_survives_its_own_text(wanted: JobFilter) -> None:
    """What stands in a link means the same filter again, whatever names jobs have."""
    assert (wanted, []) == read_filter(filter_text(wanted))


@given(st.text(max_size=60))
def test_no_text_is_too_strange(text: str) -> None:
    """Whatever is typed gives a filter and faults inside of the text; what was understood is stable."""
    wanted, faults = read_filter(text)

    assert (wanted, []) == read_filter(filter_text(wanted))
    assert all(0 <= fault.at < fault.at + fault.length <= len(text) for fault in faults)


def test_a_facet_narrows_and_a_cross_widens() -> None:
    """What a click on a number or on a cross changes, and nothing else."""
    wanted, _ = read_filter("status:failed reset")

    assert "status:failed host:w1 reset" == filter_text(with_name(wanted, "host", "w1"))
    assert "status:failed no:task reset" == filter_text(with_name(wanted, "task", None))
    assert "status:failed" == filter_text(without(wanted, "words"))
    assert "reset" == filter_text(without(wanted, "status"))


def test_a_moment_is_an_age_or_a_time() -> None:
    """Ages count back from now and never before the epoch."""
    assert 1_790_000_000_000 - 5_400_000 == moment_of("1h30m", 1_790_000_000_000)
    assert 0 == moment_of("7d", 5)
    assert 1_770_091_500_000 == moment_of("2026-02-03T04:05:00Z", 0)
    with pytest.raises(ValueError, match="no milliseconds"):
        moment_of("12345", 0)


def test_the_reference_names_every_qualifier() -> None:
    """What can be typed stands in the documentation, and what stands there can be typed."""
    page = (Path(__file__).resolve().parents[2] / "docs/reference/dashboard.md").read_text()
    section = page.partition("## Finding jobs")[2].partition("\n## ")[0]
    examples = re.findall(r"`([^`]+)`", "\n".join(line for line in section.splitlines() if line.startswith("| `")))
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]

    assert [] == [name for name in QUALIFIERS if f"{name.replace('NAME', 'env')}:" not in section]
    assert len(examples) > 15
    for example in re.findall(r"`([^`]+)`", "\n".join(cells)):
        assert [] == read_filter(example)[1], example
