"""Numbers, times, schedules and small pictures, as pages show them."""

from __future__ import annotations

import pytest

from jobsight.core.check import Expectation
from jobsight.core.health import Health, health_of
from jobsight.transports.http.pages import words
from jobsight.transports.http.pages.assets import accepted
from jobsight.transports.http.pages.lanes import HOUR_MS, SLOTS_MAX, lane_of, slots_of
from jobsight.transports.http.pages.schedule_words import schedule_words
from jobsight.transports.http.pages.strips import STRIP_JOBS, line_of, strip_of, wide_bars
from jobsight.view.latest import LatestJob, Run

NOON_MS = 1_795_608_000_000


def job(
    number: int = 1, status: str = "completed", started_ms: int | None = None, took_ms: int | None = 60_000
) -> LatestJob:
    """A job of a task."""
    ended_ms = None if started_ms is None or took_ms is None else started_ms + took_ms
    return LatestJob(
        job_id=f"job-{number}",
        status=status,
        queue=None,
        duration_ms=took_ms,
        created_ms=started_ms or NOON_MS,
        started_ms=started_ms,
        ended_ms=ended_ms,
        error=None,
    )


def run(number: int, start_ms: int, took_ms: int | None = 60_000) -> Run:
    """A run of a task."""
    return Run(f"job-{number}", start_ms, None if took_ms is None else start_ms + took_ms)


@pytest.mark.parametrize(
    ("text", "length_ms"),
    [
        ("–", None),
        ("0 ms", 0),
        ("0.3 ms", 0.26),
        ("40 ms", 40),
        ("999 ms", 999),
        ("1 s", 1_000),
        ("7.5 s", 7_500),
        ("59 s", 59_400),
        ("1 m", 60_000),
        ("4 h 12 m", 15_120_000),
        ("1 d", 86_400_000),
        ("400 d", 400 * 86_400_000),
    ],
)
def test_a_length_of_time_says_its_units(text: str, length_ms: float | None) -> None:
    """Two units at most, and no unit that is nothing."""
    assert text == words.span(length_ms)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("–", None),
        ("0", 0),
        ("4,837", 4_837),
        ("9,999", 9_999),
        ("15.2k", 15_210),
        ("1.52M", 1_523_000),
        ("1M", 999_600),
    ],
)
def test_a_count_can_be_read_at_a_glance(text: str, number: int | None) -> None:
    """Small ones are exact, large ones have three digits."""
    assert text == words.count(number)


@pytest.mark.parametrize(
    ("text", "share"), [("–", None), ("0%", 0.0), ("0.31%", 0.0031), ("3.2%", 0.032), ("100%", 1.0)]
)
def test_a_small_share_is_not_rounded_to_nothing(text: str, share: float | None) -> None:
    """Three failures in a thousand are not 0 %."""
    assert text == words.percent(share)


@pytest.mark.parametrize(
    ("text", "moment_ms"),
    [
        ("–", None),
        ("now", NOON_MS),
        ("6 m ago", NOON_MS - 400_000),
        ("in 12 m", NOON_MS + 725_000),
        ("2 d ago", NOON_MS - 200_000_000),
    ],
)
def test_a_moment_is_said_as_its_age(text: str, moment_ms: int | None) -> None:
    """One unit, before or ahead."""
    assert text == words.ago(moment_ms, NOON_MS)


def test_moments_that_no_calendar_knows_are_shown_all_the_same() -> None:
    """A worker may report any number; a page never breaks on it."""
    assert ["1970-01-01 00:00:00 UTC", "9999-12-31 23:59:59 UTC"] == [words.utc(-5), words.utc(1 << 62)]


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("every 15 m", "every 15m"),
        ("every 5 min", "*/5 * * * *"),
        ("every 1 min", "* * * * *"),
        ("hourly at :05 Europe/Berlin", "5 * * * *"),
        ("daily at 02:00 Europe/Berlin", "0 2 * * *"),
        ("daily at 00:00 Europe/Berlin", "@daily"),
        ("daily at 06:30 and 18:30 Europe/Berlin", "30 6,18 * * *"),
        ("Mon to Fri at 06:00 Europe/Berlin", "0 6 * * 1-5"),
        ("Sun at 00:00 Europe/Berlin", "@weekly"),
        ("monthly on day 1 at 00:00 Europe/Berlin", "@monthly"),
        ("every 4 h at :15 Europe/Berlin", "15 */4 * * *"),
        ("0 2 * 3 * (Europe/Berlin)", "0 2 * 3 *"),
        ("7-9 2 * * * (Europe/Berlin)", "7-9 2 * * *"),
        ("0 2 1 * 1 (Europe/Berlin)", "0 2 1 * 1"),
    ],
)
def test_a_schedule_is_said_in_words(text: str, schedule: str) -> None:
    """The common forms; others stay what they are, which is never wrong."""
    assert text == schedule_words(schedule, "Europe/Berlin")


@pytest.mark.parametrize(
    ("health", "rules", "statuses"),
    [
        (Health.IDLE, [], []),
        (Health.IDLE, [], ["running", "queued"]),
        (Health.HEALTHY, [], ["running", "completed"]),
        (Health.SHAKY, [], ["completed", "failed", "completed"]),
        (Health.FAILING, [], ["running", "failed", "completed"]),
        (Health.FAILING, [], ["lost", "completed"]),
        (Health.FAILING, ["job_failed"], ["completed"]),
        (Health.FAILING, ["missed", "failure_rate"], ["completed"]),
        (Health.LATE, ["missed"], ["completed"]),
        (Health.LATE, ["too_long"], ["running"]),
        (Health.IDLE, [], ["cancelled"]),
    ],
)
def test_the_latest_jobs_tell_the_health_of_a_task(health: Health, rules: list[str], statuses: list[str]) -> None:
    """What failed long ago is over once a later job ended well; what is running says nothing yet."""
    assert health == health_of(rules, statuses)


def test_a_strip_shows_at_most_thirty_jobs_and_says_what_they_are() -> None:
    """The newest is on the right, and the words tell what the colours do."""
    strip = strip_of([job(0, "failed"), job(1, "running", took_ms=None), *[job(number) for number in range(50)]])

    assert f"last {STRIP_JOBS} jobs: 28 completed, 1 failed, 1 running; the latest failed" == strip.label
    assert ["active", "completed", "failed"] == [kind for kind, _ in strip.paths]
    assert dict(strip.paths)["failed"].startswith("M203 ")
    assert 28 == dict(strip.paths)["completed"].count("M")


def test_a_strip_of_nothing_says_so() -> None:
    """A task whose jobs are all gone has a row still."""
    assert ("no jobs yet", []) == (strip_of([]).label, strip_of([]).paths)


def test_the_bars_of_a_task_lead_from_the_oldest_to_the_newest() -> None:
    """As one reads; a failed one has the whole height, whatever it took."""
    bars = wide_bars([job(2, "failed", took_ms=1), job(1, took_ms=3_600_000), job(0, took_ms=1)])

    assert ["job-0", "job-1", "job-2"] == [bar.job_id for bar in bars]
    assert bars[0].height < bars[1].height < bars[2].height


def test_a_line_leaves_gaps_where_nothing_is_known() -> None:
    """An hour without ends is no hour of zero seconds."""
    line = line_of([1.0, None, 2.0, 4.0], "p95")

    assert line is not None
    assert 2 == line.path.count("M")
    assert line_of([None, 5.0], "p95") is None


def test_slots_are_judged_by_the_runs_that_took_them() -> None:
    """On time, late, missed, still due, ahead."""
    expected = Expectation(schedule="0 * * * *", start_grace_ms=10 * 60_000)
    at_ms = NOON_MS + 5 * 60_000
    runs = [run(3, NOON_MS - 2 * HOUR_MS + 30 * 60_000), run(2, NOON_MS - 3 * HOUR_MS - 5_000)]

    slots = {
        (slot.at_ms - NOON_MS) // HOUR_MS: slot for slot in slots_of(expected, runs, at_ms, NOON_MS - 4 * HOUR_MS, 0)
    }

    assert ["missed", "ran", "late", "missed", "due", "next"] == [slots[hour].fate for hour in range(-4, 2)]
    assert ("job-2", "job-3") == (slots[-3].job_id, slots[-2].job_id)
    assert 24 == sum(slot.fate == "next" for slot in slots.values())


def test_a_lane_says_what_it_shows() -> None:
    """Counts of each fate, and runs that overlap."""
    expected = Expectation(schedule="0 */6 * * *")
    runs = [run(2, NOON_MS - 20_000, None), run(1, NOON_MS - 50_000, 40_000)]
    lane = lane_of(slots_of(expected, runs, NOON_MS, NOON_MS - 7 * HOUR_MS, 0), runs, NOON_MS)

    assert ("1 ran, 1 missed, 4 next, 1 overlapping", 1) == (lane.label, lane.overlaps)
    assert not lane.is_band


def test_a_task_that_runs_every_minute_is_a_band() -> None:
    """Three thousand strokes would tell nothing, and cost much."""
    slots = slots_of(Expectation(schedule="* * * * *"), [], NOON_MS, 0, 0)
    lane = lane_of(slots, [], NOON_MS)

    assert ([], True) == (slots, lane.is_band)
    assert SLOTS_MAX < 48 * 60


@pytest.mark.parametrize(
    ("encoding", "header"),
    [("br", "gzip, deflate, br, zstd"), ("gzip", "gzip;q=0.8"), ("", ""), ("", "identity"), ("gzip", "br;q=0, GZIP")],
)
def test_a_built_file_comes_in_the_best_form_that_is_taken(encoding: str, header: str) -> None:
    """Brotli, else gzip, else plain; what is refused by weight is not sent."""
    assert encoding == accepted(header)
