"""Other rules over a recorded past: what would have been told, and when."""

from __future__ import annotations

import msgspec
from watched_state import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, START_MS, WatchedState

from jobsight.core.check import Expectation, Origin
from jobsight.core.events import AlertAcknowledged, CheckSet, JobCompleted, JobFailed, StatusUpdate
from jobsight.core.routing import Matcher, Route
from jobsight.engine.replay import PAGING, Page, Replay, Rules, Seed, has_fired, page_of, raised_of
from jobsight.engine.replay_report import ReplayReport, away_in, compare, replay


def recorded(watch: WatchedState, rules: Rules, seed: Seed | None = None) -> Replay:
    """What the batches of a monitor give under other rules."""
    away = away_in((batch.seq, batch.accept_ms, batch.events) for _, batch in watch.batches)
    batches = [(batch, is_internal) for is_internal, batch in watch.batches]
    found = replay(batches, away, rules, seed or Seed(), until_ms=watch.now_ms)
    assert found is not None
    return found


def moments(pages: list[Page]) -> list[tuple[int, str, str]]:
    """Minutes since the start, kind and rule."""
    return [((page.at_ms - START_MS) // MINUTE_MS, page.kind, page.rule) for page in pages]


def report(watch: WatchedState, rules: Rules, *, wanted_ms: int = START_MS) -> ReplayReport:
    """The comparison with what was told."""
    told = [page_of(one) for one in watch.state.outbox.values() if one.kind in PAGING]
    alerts = {alert.alert_id: raised_of(alert) for alert in watch.raised if has_fired(alert)}
    return compare(
        recorded(watch, rules), wanted_ms=wanted_ms, began_ms=START_MS, alerts=list(alerts.values()), pages=told
    )


def a_day(*, without_hours: tuple[int, ...] = ()) -> WatchedState:
    """A monitor that saw a task run each hour but for some, and expected nothing of it."""
    watch = WatchedState()
    watch.route("mail")
    for hour in range(24):
        watch.run_until(START_MS + hour * HOUR_MS + 20 * SECOND_MS)
        if hour not in without_hours:
            watch.report(StatusUpdate(job_id=f"r{hour}", task="etl", status="running"))
            watch.step(2 * MINUTE_MS)
            watch.report(JobCompleted(job_id=f"r{hour}", task="etl", duration_ms=2 * MINUTE_MS))
    watch.run_until(START_MS + DAY_MS)
    return watch


def test_a_schedule_that_nobody_had_set_finds_the_runs_that_were_missing() -> None:
    """Each at the end of its grace, by the recorded time; the next run resolves it; what was there is left alone."""
    watch = a_day(without_hours=(5, 6, 17))
    found = recorded(watch, Rules(checks={"etl": Expectation(schedule="0 * * * *", start_grace_ms=5 * MINUTE_MS)}))

    assert [(305, "trigger", "missed"), (1025, "trigger", "missed")] == moments(found.pages)
    assert [420, 1080] == [
        ((one.resolved_ms or 0) - START_MS) // MINUTE_MS for one in found.alerts() if one.rule == "missed"
    ]


def test_a_limit_finds_what_ran_too_long_while_it_ran() -> None:
    """After a minute, not at the end: deadlines pass between the reports."""
    found = recorded(
        a_day(without_hours=tuple(range(1, 24))), Rules(checks={"etl": Expectation(max_runtime_ms=MINUTE_MS)})
    )

    assert [(1, "trigger", "too_long")] == moments(found.pages)
    assert START_MS + 20 * SECOND_MS + MINUTE_MS == found.pages[0].at_ms


def test_a_threshold_that_was_raised_calls_less() -> None:
    """The report says what nobody would get now, rule by rule."""
    watch = WatchedState()
    watch.route("mail")
    for number in range(3):
        watch.report(JobFailed(job_id=f"f{number}", task="a", error="no", retries=0))
        watch.step(HOUR_MS)
        watch.report(JobCompleted(job_id=f"g{number}", task="a", duration_ms=1))
        watch.step(HOUR_MS)
    found = report(watch, Rules(checks={"a": Expectation(failure_threshold=2)}))
    line = found.lines[0]

    assert (3, 0, 3, 3) == (found.pages_then, found.pages_now, len(found.gone_pages), found.alerts_then)
    assert ("job_failed", "a", 3, 0) == (line.rule, line.subject, line.pages_then, line.pages_now)
    assert [] == found.new_pages


def test_what_the_file_had_set_gives_way_and_what_the_api_had_set_stays() -> None:
    """The new file is the whole of the file's checks; a check of somebody else holds as it did."""
    watch = a_day(without_hours=tuple(range(24)))
    every = Expectation(schedule="0 * * * *")
    early = WatchedState()
    early.route("mail")
    for task, origin in (("old", Origin.CONFIG), ("api", Origin.API), ("both", Origin.API)):
        early.tell(CheckSet(task=task, expected=every, origin=origin, author="x"))
    early.step(90 * MINUTE_MS)
    found = recorded(early, Rules(checks={"both": Expectation(schedule="0 0 1 1 *")}))

    assert {"api"} == {page.subject for page in found.pages}
    assert [] == recorded(watch, Rules()).pages


def test_an_acknowledgement_of_the_past_counts_though_the_alert_has_another_id() -> None:
    """The page after four hours is left out, as it was then."""
    watch = WatchedState()
    watch.route("mail")
    watch.expect("etl", schedule="0 * * * *")
    watch.step(70 * MINUTE_MS)
    (alert,) = watch.state.open_by_id.values()
    watch.tell(AlertAcknowledged(alert_id=alert.alert_id, by="ana"))
    watch.step(6 * HOUR_MS)
    rules = Rules(checks={"etl": Expectation(schedule="0 * * * *", start_grace_ms=2 * MINUTE_MS)})

    assert [(62, "trigger", "missed")] == moments(recorded(watch, rules).pages)


def test_other_routes_tell_others() -> None:
    """Routes can be tried on the past as well as checks."""
    watch = WatchedState()
    watch.route("mail", "pager")
    watch.report(JobFailed(job_id="a", task="etl", error="no", retries=0))
    night = Route(matchers=(Matcher(name="task", pattern="etl"),), channels=("pager",))

    assert ["mail", "pager"] == [page.channel for page in recorded(watch, Rules()).pages]
    assert ["pager"] == [page.channel for page in recorded(watch, Rules(routes=[night])).pages]


def test_what_was_set_before_the_log_begins_is_taken_from_what_holds_now() -> None:
    """A trimmed log: checks, channels and limits of before hold from its first batch on."""
    watch = a_day(without_hours=(5,))
    watch.batches = [one for one in watch.batches if one[1].accept_ms > START_MS]
    every = Expectation(schedule="0 * * * *", start_grace_ms=5 * MINUTE_MS)
    found = recorded(watch, Rules(), Seed(checks={"etl": (every, Origin.API)}, channels=["pager"]))

    assert [("pager", 305)] == [(page.channel, (page.at_ms - START_MS) // MINUTE_MS) for page in found.pages]


def test_the_report_says_what_is_left_out_and_counts_only_what_was_asked_for() -> None:
    """Older than the log: named. Before the moment asked for: replayed, so that the state is known, and not counted."""
    watch = a_day(without_hours=(5, 17))
    rules = Rules(checks={"etl": Expectation(schedule="0 * * * *")})
    old = report(watch, rules, wanted_ms=START_MS - DAY_MS)
    late = report(watch, rules, wanted_ms=START_MS + 12 * HOUR_MS)

    assert (DAY_MS, 2, START_MS) == (old.left_out_ms, old.pages_now, old.from_ms)
    assert (0, 1, old.events) == (late.left_out_ms, late.pages_now, late.events)
    assert msgspec.json.encode(old)


def test_what_came_in_after_a_gap_and_before_its_notice_is_no_proof_that_somebody_watched() -> None:
    """A report is accepted before the first look after a suspend; the hours before it stay unseen, and nobody is called."""
    watch = WatchedState()
    watch.route("mail")
    watch.expect("etl", heartbeat_ms=MINUTE_MS)
    watch.report(StatusUpdate(job_id="a", task="etl", status="running"))
    watch.step(SECOND_MS)
    watch.now_ms += 3 * HOUR_MS
    watch.report(StatusUpdate(job_id="a", task="etl", status="running"))
    watch.now_ms += 50
    watch.ticker.tick()
    watch.step(SECOND_MS)

    assert ["self.blind"] == [one.rule for one in recorded(watch, Rules()).alerts()]
