"""The story of a job as it is told from its events, and how long it will still run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobsight.core.histogram import Histogram, bucket_of
from jobsight.view.estimate import Sureness, estimate
from jobsight.view.story import Attempt, Moment, Stretch, Told, story_of

AT_MS = 1_790_000_000_000


def told(*events: tuple[int, str, dict[str, Any]], is_enveloped: bool = False) -> list[Told]:
    """Events, so many seconds after the first one."""
    found = []
    for place, (second, kind, fields) in enumerate(events):
        body: dict[str, Any] = {"type": kind, "msg_id": place, "job_id": "j", **fields}
        message = {"src": "w", "dest": "n", "body": body} if is_enveloped else body
        line = json.dumps(message).encode()
        found.append(Told(seq=place + 1, index=0, accept_ms=AT_MS + second * 1000, line=line))
    return found


def at(second: int) -> int:
    """So many seconds after the first event."""
    return AT_MS + second * 1000


RETRIED = told(
    (0, "update_status", {"status": "queued"}),
    (10, "update_status", {"status": "running", "progress": 0, "host": "w1"}),
    (20, "update_status", {"status": "running", "progress": 40}),
    (25, "heartbeat", {}),
    (30, "job_failed", {"error": "no route", "retries": 0, "max_retries": 1}),
    (40, "update_status", {"status": "running", "progress": 5, "host": "w2"}),
    (50, "job_failed", {"error": "no route again", "retries": 1}),
)


@pytest.mark.parametrize("is_enveloped", [False, True])
def test_a_job_that_failed_twice_is_told_try_by_try(is_enveloped: bool) -> None:
    """Each try with where it ran, when, and its own error; between them the job stood retrying."""
    events = [
        Told(seq=e.seq, index=0, accept_ms=e.accept_ms, line=(b'{"body": %b}' % e.line) if is_enveloped else e.line)
        for e in RETRIED
    ]
    story = story_of(events, status="failed", now_ms=at(99))

    assert [
        Attempt(
            number=1, begin_ms=at(10), end_ms=at(30), outcome="failed", error="no route", host="w1", took_ms=20_000
        ),
        Attempt(
            number=2,
            begin_ms=at(40),
            end_ms=at(50),
            outcome="failed",
            error="no route again",
            host="w2",
            took_ms=10_000,
        ),
    ] == story.attempts
    assert ["queued", "running", "retrying", "running", "failed"] == [moment.kind for moment in story.moments]
    assert (3, 40, at(10), at(25)) == (
        story.moments[1].count,
        story.moments[1].progress,
        story.moments[1].at_ms,
        story.moments[1].until_ms,
    )
    assert [("queued", 20), ("running", 40), ("retrying", 20), ("running", 20)] == [
        (stretch.status, stretch.share) for stretch in story.stretches
    ]


def test_a_running_job_runs_until_now() -> None:
    """The last stretch of an active job reaches to this moment, and its try goes on."""
    story = story_of(told((0, "update_status", {"status": "running"})), status="running", now_ms=at(60))

    assert [Stretch(status="running", begin_ms=at(0), end_ms=at(60), share=100)] == story.stretches
    assert [Attempt(number=1, begin_ms=at(0))] == story.attempts


def test_a_completion_alone_is_a_story_too() -> None:
    """A job of which only the end was told."""
    story = story_of(told((0, "job_completed", {"duration_ms": 40})), status="completed", now_ms=at(9))

    assert [Moment(kind="completed", at_ms=at(0), until_ms=at(0), duration_ms=40)] == story.moments
    assert ["completed"] == [attempt.outcome for attempt in story.attempts]
    assert [] == story.stretches


def test_a_try_took_what_its_end_says() -> None:
    """As the job's own duration does; what is not known is not called nothing, and no try begins before the one before it ended."""
    failed = {"error": "no route", "retries": 0, "max_retries": 2}
    events = told(
        (0, "job_failed", failed),
        (60, "job_failed", {**failed, "retries": 1}),
        (90, "job_completed", {"duration_ms": 25_000}),
    )
    longer = told((0, "job_failed", failed), (90, "job_completed", {"duration_ms": 100_000}))
    started = told((0, "update_status", {"status": "running"}), (30, "job_completed", {"duration_ms": 28_500}))

    assert [(at(0), None), (at(60), None), (at(65), 25_000)] == [
        (one.begin_ms, one.took_ms) for one in story_of(events, status="completed", now_ms=at(99)).attempts
    ]
    assert (at(0), 100_000) == (
        (last := story_of(longer, status="completed", now_ms=at(99)).attempts[-1]).begin_ms,
        last.took_ms,
    )
    assert [(at(0), at(30), 28_500)] == [
        (one.begin_ms, one.end_ms, one.took_ms) for one in story_of(started, status="completed", now_ms=at(99)).attempts
    ]


def test_a_lost_job_says_why() -> None:
    """A deadline that passed is told in words, and ends the try."""
    silence = {"subject_kind": "job", "subject": "j", "rule": "silence", "deadline_ms": 5}
    events = told((0, "heartbeat", {}), (90, "deadline_passed", silence))
    story = story_of(events, status="lost", now_ms=at(99))

    assert ["heard", "lost"] == [moment.kind for moment in story.moments]
    assert "nothing was heard" in story.moments[1].text
    assert ["lost"] == [attempt.outcome for attempt in story.attempts]


def test_what_was_told_late_says_so() -> None:
    """A report from a spool keeps its own time, and says how late it came."""
    story = story_of(told((600, "job_completed", {"at": at(0)})), status="completed", now_ms=at(999))

    assert (at(0), 600_000) == (story.moments[0].at_ms, story.moments[0].late_ms)


def test_a_repeated_end_is_no_further_try() -> None:
    """A completion that comes twice has one try behind it; a failure after a new start has two."""
    twice = told((0, "job_completed", {}), (5, "job_completed", {}))
    over = {"retries": 1, "max_retries": 1}
    again = told((0, "job_failed", over), (5, "update_status", {"status": "running"}), (9, "job_failed", {}))

    assert 1 == len(story_of(twice, status="completed", now_ms=at(9)).attempts)
    story = story_of(again, status="failed", now_ms=at(9))
    assert [1, 2] == [one.number for one in story.attempts]
    assert ["failed", "running", "failed"] == [moment.kind for moment in story.moments]


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"7", b'{"body": 3}', b'{"type": "job_failed", "at": {}}'])
def test_no_line_stops_the_telling(line: bytes) -> None:
    """Whatever stands in the log, a page can be made of it."""
    story_of([Told(seq=1, index=0, accept_ms=AT_MS, line=line)], status="running", now_ms=AT_MS)


def durations(*lengths_ms: int) -> Histogram:
    """A histogram of some durations."""
    histogram: Histogram = {}
    for length_ms in lengths_ms:
        bucket = bucket_of(length_ms * 1000)
        histogram[bucket] = histogram.get(bucket, 0) + 1
    return histogram


def test_the_rest_is_judged_by_those_that_ran_as_long() -> None:
    """A job that has outlived the quick ones is compared with the slow ones alone."""
    history = durations(*[10_000] * 60, *[100_000] * 40)
    young, old = estimate(history, 1_000, None), estimate(history, 20_000, None)

    assert young.likely_ms == pytest.approx(9_000, rel=0.02)
    assert young.latest_ms == pytest.approx(99_000, rel=0.02)
    assert old.likely_ms == pytest.approx(80_000, rel=0.02)
    assert (100, 40, Sureness.GOOD) == (old.runs, old.longer, old.sureness)
    assert Sureness.ROUGH == young.sureness


def test_little_history_is_called_little() -> None:
    """Below twenty runs nothing is promised; beyond the longest of them nothing is said at all."""
    few, beyond, none = (
        estimate(durations(*[5_000] * 19), 0, None),
        estimate(durations(*[5_000] * 30), 6_000, None),
        estimate({}, 6_000, None),
    )

    assert Sureness.LITTLE_KNOWN == few.sureness
    assert (None, True, 0) == (beyond.likely_ms, beyond.is_beyond, beyond.longer)
    assert (None, False, 0) == (none.likely_ms, none.is_beyond, none.runs)


def test_its_own_pace_counts_once_there_is_some() -> None:
    """A quarter done in a minute: three more; one percent says nothing."""
    assert 180_000 == estimate({}, 60_000, 25).pace_ms
    assert estimate({}, 60_000, 1).pace_ms is None
    assert estimate({}, 60_000, 100).pace_ms is None
