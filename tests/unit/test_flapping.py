"""A problem that comes and goes is told as such, once, and then kept quiet until it is stable."""

from __future__ import annotations

from watched_state import DAY_MS, HOUR_MS, MINUTE_MS, WatchedState, watching_of

from jobsight.core.events import JobCompleted, JobFailed
from jobsight.core.flapping import CHANGES_MIN, FLAPS_MAX, QUIET_MS, Flap, note_change, stable_ms


def come_and_go(watch: WatchedState, times: int, *, pause_ms: int = 4 * MINUTE_MS) -> None:
    """A task fails and succeeds, again and again."""
    for _ in range(times):
        watch.report(JobFailed(job_id="f", task="t", error="no route", retries=0))
        watch.step(pause_ms)
        watch.report(JobCompleted(job_id="s", task="t"))
        watch.step(pause_ms)


def a_watch() -> WatchedState:
    """A monitor with a channel."""
    watch = WatchedState()
    watch.route("mail")
    return watch


def kinds(watch: WatchedState) -> list[str]:
    """What was told."""
    return [str(one.kind) for one in watch.state.outbox.values()]


def test_what_comes_and_goes_is_told_once_as_such_and_then_no_more() -> None:
    """Three episodes as always, the fourth within the hour says that it flaps, and what follows is quiet."""
    watch = a_watch()
    come_and_go(watch, 10, pause_ms=2 * MINUTE_MS)
    notices = [one.notice.title for one in watch.state.outbox.values() if "comes and goes" in one.notice.title]

    assert ["trigger", "resolve"] * 4 == kinds(watch)
    assert 2 == len(notices)
    assert notices[0].startswith("Job failed after 0 retries: no route; it comes and goes")


def test_once_it_is_stable_what_is_there_is_told() -> None:
    """After 30 minutes without a change; a failure that stays is told then, and not before."""
    watch = a_watch()
    come_and_go(watch, 6, pause_ms=2 * MINUTE_MS)
    quiet = len(kinds(watch))
    watch.report(JobFailed(job_id="f", task="t", error="no route", retries=0))
    watch.step(QUIET_MS - MINUTE_MS)
    before = len(kinds(watch))
    watch.step(2 * MINUTE_MS)

    assert quiet == before
    assert ["trigger"] == kinds(watch)[before:]
    assert {} == watch.state.flaps


def test_a_clock_that_is_set_back_does_not_keep_it_quiet() -> None:
    """The 30 minutes are those of the clock as it is now: nobody waits until the old time has come again."""
    watch = a_watch()
    come_and_go(watch, 6, pause_ms=2 * MINUTE_MS)
    quiet = len(kinds(watch))
    watch.report(JobFailed(job_id="f", task="t", error="no route", retries=0))
    watch.step(MINUTE_MS)
    watch.jump(-400 * DAY_MS)
    watch.step(QUIET_MS + 2 * MINUTE_MS)

    assert 1 == kinds(watch)[quiet:].count("trigger")


def test_what_changes_now_and_then_does_not_flap() -> None:
    """A job that fails every other hour is told each time."""
    watch = a_watch()
    come_and_go(watch, 6, pause_ms=30 * MINUTE_MS)

    assert ["trigger", "resolve"] * 6 == kinds(watch)


def test_it_stays_quiet_over_a_restart_and_a_replay_says_the_same() -> None:
    """What flaps stands in the view, and follows from the log."""
    watch = a_watch()
    come_and_go(watch, 6, pause_ms=2 * MINUTE_MS)
    told = len(kinds(watch))
    replayed = watching_of(watch.replayed())
    same = watching_of(watch.state)
    watch.restart(1_000)
    come_and_go(watch, 2, pause_ms=2 * MINUTE_MS)

    assert same["outbox"] == replayed["outbox"]
    assert told == len(kinds(watch))


def test_what_is_remembered_of_changes_is_bounded() -> None:
    """The problem that has changed first is forgotten first; a change long ago counts no more."""
    flaps: dict[str, Flap] = {}
    for number in range(FLAPS_MAX + 5):
        note_change(flaps, f"f{number}", "a", number, is_opened=True)
    for place in range(CHANGES_MIN + 2):
        assert not note_change(flaps, "slow", "a", place * HOUR_MS, is_opened=True)
    starts = [
        note_change(flaps, "fast", f"a{place}", place, is_opened=place % 2 == 0) for place in range(CHANGES_MIN + 1)
    ]

    assert FLAPS_MAX == len(flaps)
    assert "f0" not in flaps
    assert [False] * CHANGES_MIN + [True] == starts
    assert CHANGES_MIN + QUIET_MS == stable_ms(flaps["fast"])
    assert stable_ms(flaps["slow"]) is None
