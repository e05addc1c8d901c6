"""Words for people: what every channel shows, whatever a job reports."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from jobsight.notifiers.base import Links, Member, Notification, NotificationKind, cleaned, delivery_key
from jobsight.notifiers.harmless import cut, cut_bytes, harmless, one_line
from jobsight.notifiers.limits import TEXT_CHARACTERS_MAX, TITLE_CHARACTERS_MAX
from jobsight.notifiers.plain import duration, moment, plain_text, plain_title, rfc3339, web_url
from jobsight.testing.notifiers import a_hostile_notification, a_notification

ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=300)  # type: ignore[arg-type]
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")


@given(ANY_TEXT)
def test_harmless_text_steers_nothing(text: str) -> None:
    """Whatever comes in, only line feeds and tabs steer what comes out, and it can be written as UTF-8."""
    assert [] == STEERING.findall(harmless(text))
    assert harmless(text) == harmless(text).encode().decode()


@given(ANY_TEXT, st.integers(min_value=1, max_value=50))
def test_one_line_is_one_line_and_no_longer_than_asked(text: str, characters_max: int) -> None:
    """A header never breaks, and never grows."""
    line = one_line(text, characters_max)

    assert len(line) <= characters_max
    assert not set("\r\n\t") & set(line)


@given(ANY_TEXT, st.integers(min_value=3, max_value=50))
def test_a_cut_keeps_whole_characters(text: str, bytes_max: int) -> None:
    """Cut to bytes, a text is still text."""
    plain = harmless(text)

    assert len(cut_bytes(plain, bytes_max).encode()) <= bytes_max
    assert plain == cut(plain, len(plain) + 1)


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ("\\x1b[31mred", "\x1b[31mred"),
        ("a\nb\nc", "a\r\nb\rc"),
        ("\\u202egnp", "\u202egnp"),
        ("half \ufffd", "half \ud83d"),
        ("tab\tüñ🚨", "tab\tüñ🚨"),
    ],
)
def test_what_steers_is_shown_as_a_code(shown: str, text: str) -> None:
    """A reader sees what was there; a terminal does not obey it."""
    assert shown == harmless(text)


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("[critical] nightly-backup: Job failed after 3 retries: Connection timeout", NotificationKind.TRIGGER),
        (
            "[critical, still open] nightly-backup: Job failed after 3 retries: Connection timeout",
            NotificationKind.REPEAT,
        ),
        ("[acknowledged] nightly-backup: Job failed after 3 retries: Connection timeout", NotificationKind.ACKNOWLEDGE),
        (
            "[resolved] nightly-backup: Job failed after 3 retries: Connection timeout (after 10 min)",
            NotificationKind.RESOLVE,
        ),
        ("[summary] nightly-backup: Job failed after 3 retries: Connection timeout", NotificationKind.SUMMARY),
        ("[test] nightly-backup: Job failed after 3 retries: Connection timeout", NotificationKind.TEST),
    ],
)
def test_a_title_says_what_it_is_first(title: str, kind: NotificationKind) -> None:
    """A phone that shows forty characters shows whether to get up."""
    assert title == plain_title(a_notification(kind))


def test_a_text_holds_what_is_needed_at_night() -> None:
    """Error, output, last success, failures in a row, runbook, and where to acknowledge: nothing has to be looked up."""
    text = plain_text(a_notification())

    assert (
        """Job failed after 3 retries: Connection timeout

Task (name):       nightly-backup
Job (run):         job-17
Queue:             backups
Severity:          critical
Rule:              job_failed
Since:             2026-09-21 14:03:20 UTC
Last success:      2026-09-20 14:13:20 UTC
Failures in a row: 3
Failures in all:   4
Owner:             ana
Runbook:           https://wiki.example.org/backups
env:               prod

Error:
    Connection timeout

First error:
    Connection refused

Output:
    opening db1
    Connection timeout

Open:              https://jobs.example.org/alerts/42
Acknowledge:       https://jobs.example.org/ack/42?sig=a&at=1
Silence:           https://jobs.example.org/silence/42?sig=b

jobsight:0123456789abcdef:42"""
        == text
    )


def test_a_summary_lists_its_largest_members_and_counts_the_rest() -> None:
    """Ten thousand failures are one text that fits on a screen."""
    members = tuple(Member(title=f"error {number}", task="billing", count=100 - number) for number in range(30))
    text = plain_text(replace(a_notification(NotificationKind.SUMMARY), members=members, members_count=9_999))

    assert "    100 × billing: error 0" in text
    assert "error 20" not in text
    assert "and 9,979 more" in text


def test_a_text_that_was_written_is_taken() -> None:
    """Whoever makes a notification may word it."""
    assert "As I say:\\x1b" == plain_text(replace(a_notification(), text="As I say:\x1b"))


def test_nothing_known_is_still_a_text() -> None:
    """The barest notification reads well."""
    bare = Notification(kind=NotificationKind.TRIGGER, dedup_key="jobsight:f:1", title="It broke", at_ms=0)

    assert "It broke\n\nSeverity:          critical\n\njobsight:f:1" == plain_text(bare)


@given(ANY_TEXT)
@settings(max_examples=30)
def test_words_never_fail(text: str) -> None:
    """Plain words are the last resort: no text and no time makes them raise or grow without bound."""
    notification = replace(a_hostile_notification(text), opened_ms=10**30, downtime_ms=-(10**30), resolved_ms=-(10**30))

    assert len(plain_title(notification)) <= TITLE_CHARACTERS_MAX
    assert len(plain_text(notification)) <= TEXT_CHARACTERS_MAX


@given(ANY_TEXT)
@settings(max_examples=30)
def test_a_cleaned_notification_is_harmless_everywhere(text: str) -> None:
    """A channel that forgets to clean a field cannot do harm with it."""
    one = cleaned(replace(a_hostile_notification(text), dedup_key=text))

    assert [] == STEERING.findall(repr(one))
    assert re.fullmatch(r"[A-Za-z0-9:._-]*", one.dedup_key)
    assert one == cleaned(one)


def test_cleaning_leaves_an_honest_notification_alone() -> None:
    """What arrives is what was reported."""
    assert [a_notification(kind) for kind in NotificationKind] == [
        cleaned(a_notification(kind)) for kind in NotificationKind
    ]


def test_keys_of_different_notifications_differ() -> None:
    """Two repeats of one alert are two notifications; two tries of one are not."""
    repeat = a_notification(NotificationKind.REPEAT)
    keys = [delivery_key(one) for one in (repeat, replace(repeat, sequence=1), a_notification(), a_notification())]

    assert 3 == len(set(keys))
    assert keys[2] == keys[3]


@pytest.mark.parametrize(
    ("words", "duration_ms"),
    [
        ("0 s", 0),
        ("0 s", -5),
        ("59 s", 59_999),
        ("1 min", 60_000),
        ("2 min 5 s", 125_000),
        ("1 h 1 min", 3_661_000),
        ("3 d 2 h", 266_400_000),
        (None, None),
    ],
)
def test_a_duration_is_told_in_two_units(words: str | None, duration_ms: int | None) -> None:
    """Nobody counts milliseconds at night."""
    assert words == duration(duration_ms)


def test_times_that_no_calendar_holds_are_told_as_they_are() -> None:
    """A wrong clock somewhere costs a nice date, not the alert."""
    assert "1970-01-01 00:00:00 UTC" == moment(0)
    assert f"{10**30} ms" == moment(10**30)
    assert "1970-01-01T00:00:00.000Z" == rfc3339(10**30)
    assert "2026-09-21T14:13:20.123Z" == rfc3339(1_790_000_000_123)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://a.example/ b",
        "https://a.example/\n",
        "https://a.example/<b>",
        "/relative",
        "",
        None,
    ],
)
def test_only_a_web_link_is_a_link(url: str | None) -> None:
    """A link that came from a job cannot run anything where it is clicked."""
    assert web_url(url) is None


def test_a_resolve_offers_no_silence() -> None:
    """What is over needs no acknowledging."""
    links = Links(open="https://a.example/1", acknowledge="https://a.example/2", silence="https://a.example/3")
    text = plain_text(replace(a_notification(NotificationKind.RESOLVE), links=links))

    assert "https://a.example/1" in text
    assert "https://a.example/2" not in text
    assert "https://a.example/3" not in text
