"""Routes, matchers, globs, times of day, and silences that match."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from jobsight.core.alert import Alert
from jobsight.core.check import Severity
from jobsight.core.globs import GLOB_CHARACTERS_MAX, glob_fault, is_match
from jobsight.core.routing import Matcher, Route, Routing, Target, TimeOfDay, is_in_time, matches, targets
from jobsight.core.silences import Silence, silence_of

NOW = round(datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()) * 1000  # a Wednesday
CHANNELS = ["mail", "pager", "chat"]


def an_alert(**fields: Any) -> Alert:
    """An open alert."""
    return Alert(
        **{
            "alert_id": "f-1",
            "fingerprint": "f",
            "rule": "job_failed",
            "task": "billing.export",
            "queue": "default",
            "labels": {"team": "money"},
            **fields,
        }
    )


def match(name: str, pattern: str, *, is_not: bool = False) -> Matcher:
    """One condition."""
    return Matcher(name=name, pattern=pattern, is_not=is_not)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("billing.*", "billing.export", True),
        ("*.export", "billing.export", True),
        ("*ing*ex*t", "billing.export", True),
        ("billing.expor?", "billing.export", True),
        ("billing", "billing.export", False),
        ("Billing.*", "billing.export", False),
        ("*", "", True),
        ("?", "", False),
        ("", "", True),
        ("", "a", False),
        ("a*b*c", "abcab", False),
        ("[a-z]", "a", False),
    ],
)
def test_a_glob_matches_the_whole_text(pattern: str, text: str, fits: bool) -> None:
    """Stars and question marks, nothing else; cases differ."""
    assert fits is is_match(pattern, text)


def test_no_pattern_takes_long() -> None:
    """What would take others ages is a matter of pattern times text; what is too long is refused, and matches nothing."""
    assert not is_match("*a" * 60 + "b", "a" * 5_000)
    assert not is_match("*" * (GLOB_CHARACTERS_MAX + 1), "a")
    assert glob_fault("*" * (GLOB_CHARACTERS_MAX + 1)) is not None
    assert glob_fault("billing.*") is None


@pytest.mark.parametrize(
    ("matchers", "fits"),
    [
        ([], True),
        ([match("task", "billing.*")], True),
        ([match("task", "billing.*", is_not=True)], False),
        ([match("team", "money"), match("severity", "critical")], True),
        ([match("team", "money"), match("rule", "missed")], False),
        ([match("region", "*")], True),
        ([match("region", "eu", is_not=True)], True),
        ([match("region", "eu")], False),
        ([match("queue", "def*"), match("alert_id", "f-1")], True),
    ],
)
def test_all_matchers_must_match(matchers: list[Matcher], fits: bool) -> None:
    """A value that is not there is like an empty one."""
    assert fits is matches(an_alert(), matchers)


def channels(routes: list[Route], **fields: Any) -> list[str]:
    """Who is told."""
    return [one.channel for one in targets(Routing(channels=CHANNELS, routes=routes), an_alert(**fields), NOW)]


def test_without_routes_everybody_is_told() -> None:
    """Until somebody says otherwise."""
    assert CHANNELS == channels([])


def test_the_first_route_that_matches_decides() -> None:
    """Its children are asked first; a route that continues lets the next one speak as well; no match is nobody."""
    money = Route(
        matchers=(match("team", "money"),),
        channels=("mail",),
        routes=(Route(matchers=(match("severity", "critical"),), channels=("pager",)),),
    )
    everything = Route(channels=("chat",))
    also = Route(matchers=(match("team", "money"),), channels=("mail",), is_continued=True)

    assert ["pager"] == channels([money, everything])
    assert ["mail"] == channels([money, everything], severity=Severity.WARNING)
    assert ["chat"] == channels([money, everything], labels={})
    assert ["mail", "chat"] == channels([also, everything])
    assert [] == channels([money], labels={})


def test_a_child_without_channels_has_those_of_its_parent() -> None:
    """It may only differ in how it groups; and a channel that is gone is told nothing."""
    child = Route(matchers=(match("task", "*"),), group_by=("task",))
    parent = Route(channels=("mail", "gone"), routes=(child,))

    assert [Target("mail", "task=billing.export")] == targets(
        Routing(channels=CHANNELS, routes=[parent]), an_alert(), NOW
    )


@pytest.mark.parametrize(
    ("stretch", "at", "is_in"),
    [
        (TimeOfDay(from_minute=9 * 60, to_minute=17 * 60), (2026, 7, 1, 9, 0), True),
        (TimeOfDay(from_minute=9 * 60, to_minute=17 * 60), (2026, 7, 1, 17, 0), False),
        (TimeOfDay(from_minute=22 * 60, to_minute=6 * 60), (2026, 7, 1, 23, 0), True),
        (TimeOfDay(from_minute=22 * 60, to_minute=6 * 60), (2026, 7, 1, 5, 59), True),
        (TimeOfDay(from_minute=22 * 60, to_minute=6 * 60), (2026, 7, 1, 6, 0), False),
        # from Friday evening to Saturday morning, and not from Saturday evening
        (TimeOfDay(from_minute=22 * 60, to_minute=6 * 60, weekdays=(4,)), (2026, 7, 4, 5, 0), True),
        (TimeOfDay(from_minute=22 * 60, to_minute=6 * 60, weekdays=(4,)), (2026, 7, 4, 23, 0), False),
        (TimeOfDay(from_minute=9 * 60, to_minute=17 * 60, tz="Europe/Berlin"), (2026, 7, 1, 7, 30), True),
    ],
)
def test_a_route_may_hold_at_some_times_of_day(stretch: TimeOfDay, at: tuple[int, ...], is_in: bool) -> None:
    """In its zone, also over midnight, on the days on which the stretch begins."""
    at_ms = round(datetime(*at, tzinfo=UTC).timestamp()) * 1000  # type: ignore[misc, arg-type]

    assert is_in is is_in_time((stretch,), at_ms)
    assert is_in_time((), at_ms)


def test_a_silence_holds_from_its_start_to_its_end() -> None:
    """Of several the one that ends last is named; one without matchers silences nothing."""

    def silence(name: str, starts_ms: int, ends_ms: int, *matchers: Matcher) -> Silence:
        return Silence(silence_id=name, matchers=list(matchers), starts_ms=starts_ms, ends_ms=ends_ms, author="ana")

    all_of_them = [
        silence("short", NOW, NOW + 1, match("task", "*")),
        silence("long", NOW, NOW + 5, match("task", "*")),
        silence("other", NOW, NOW + 9, match("task", "x")),
        silence("empty", NOW, NOW + 9),
    ]
    found = [silence_of(all_of_them, an_alert(), at_ms) for at_ms in (NOW - 1, NOW, NOW + 4, NOW + 5)]

    assert [None, "long", "long", None] == [one and one.silence_id for one in found]
