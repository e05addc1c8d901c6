"""What operators do, as the core sees it: drills, retries, the audit, windows that are ended, checks that stand above others."""

from __future__ import annotations

import re

import pytest
from watched_state import HOUR_MS, MINUTE_MS, WatchedState

from jobsight.core.check import Expectation, Origin, Severity
from jobsight.core.decision import Reason
from jobsight.core.events import (
    AlertAcknowledged,
    CheckSet,
    DeliveryResult,
    DrillStarted,
    JobCompleted,
    JobFailed,
    MaintenanceSet,
    SilenceEnded,
    SilenceSet,
    TokenCreated,
)
from jobsight.core.outbox import NoticeKind
from jobsight.core.routing import Matcher, Route, Step
from jobsight.core.spans import span_ms, span_written
from jobsight.engine.declaring import plan
from jobsight.engine.operating import delivery_retried, hand_at, silence_set
from jobsight.errors import ConflictError, UsageError
from jobsight.protocol.declared import (
    Declared,
    fault_text,
    read_declared,
    read_window,
    written_routes,
    written_window,
)
from jobsight.protocol.expectations import read_check, written_check
from jobsight.protocol.matching import read_matchers, read_time, written_matchers, written_time
from jobsight.view.store import View


def failed(task: str, job_id: str = "j") -> JobFailed:
    """A job of a task failed for good."""
    return JobFailed(job_id=f"{job_id} of {task}", task=task, error="no disk", retries=0)


def told(watch: WatchedState) -> list[tuple[str, str]]:
    """What was decided: kind and title."""
    return [(str(one.kind), one.notice.title) for one in watch.state.outbox.values()]


def test_a_drill_takes_every_road_once_and_opens_nothing() -> None:
    """Each pair of route and channel is tried, also those of routes within others; a channel that is gone is not."""
    inner = Route(name="inner", matchers=(Matcher(name="severity", pattern="warning"),), channels=("chat",))
    watch = WatchedState()
    watch.route("mail", "chat", routes=[Route(name="all", channels=("mail", "gone"), routes=(inner,))])
    watch.tell(DrillStarted(drill_id="d1", author="ana"))
    found = list(watch.state.outbox.values())

    assert [("mail", "all"), ("chat", "all > inner")] == [(one.channel, one.notice.labels["route"]) for one in found]
    assert {NoticeKind.TEST} == {one.kind for one in found}
    assert 2 == len({one.dedup_key for one in found})
    assert {} == watch.state.open_by_id


def test_what_was_given_up_goes_out_again_under_the_same_key() -> None:
    """The far side sees the same problem; the record says in whose place it went out."""
    watch = WatchedState()
    watch.route("mail", "chat")
    watch.report(failed("backup"))
    old = watch.state.outbox["d1"]
    watch.tell(DeliveryResult(delivery_id="d1", outcome="dead", tries=3, detail="404"))
    event = delivery_retried(watch.state, old, "ana")
    watch.flush()
    watch.tell(event)
    new = list(watch.state.outbox.values())[-1]

    assert (old.channel, old.kind, old.dedup_key, old.notice) == (new.channel, new.kind, new.dedup_key, new.notice)
    assert ("d1", Reason.RETRIED_BY_HAND) == (new.retry_of, new.reason)
    assert old.delivery_id != new.delivery_id


def test_the_view_marks_what_another_one_has_replaced() -> None:
    """A delivery that was sent again is not found among those that were given up any more."""
    watch = WatchedState()
    watch.route("mail")
    watch.report(failed("backup"))
    old = watch.state.outbox["d1"]
    view = View.open(None)
    watch.tell(DeliveryResult(delivery_id="d1", outcome="dead", tries=3, detail="404"))
    event = delivery_retried(watch.state, old, "ana")
    view.flush(watch.state, b"")
    before = view.connection.execute("SELECT delivery_id FROM deliveries WHERE state = 'dead'").fetchall()
    watch.tell(event)
    view.flush(watch.state, b"")
    states = view.connection.execute("SELECT delivery_id, state, content ->> '$.state' FROM deliveries").fetchall()
    view.close()

    assert [("d1",)] == before
    assert ("d1", "retried", "retried") in states
    assert [] == [one for one in states if one[1] == "dead"]


def test_only_what_is_of_use_is_sent_again() -> None:
    """A trigger of an alert that is over would open it again at the far side; its resolve would not."""
    watch = WatchedState()
    watch.route("mail")
    watch.report(failed("backup"))
    trigger = watch.state.outbox["d1"]
    with pytest.raises(ConflictError, match="only what was given up"):
        delivery_retried(watch.state, trigger, "ana")
    watch.tell(DeliveryResult(delivery_id="d1", outcome="dead", tries=3, detail="404"))
    watch.report(JobCompleted(job_id="k", task="backup"))
    with pytest.raises(ConflictError, match="is over"):
        delivery_retried(watch.state, trigger, "ana")
    resolve = next(one for one in watch.state.outbox.values() if one.kind == NoticeKind.RESOLVE)
    watch.tell(DeliveryResult(delivery_id=resolve.delivery_id, outcome="dead", tries=3, detail="404"))

    assert "ana" == delivery_retried(watch.state, resolve, "ana").author


def test_the_audit_names_whoever_has_done_it_and_no_secret() -> None:
    """Each action of somebody is an entry; what the clock does is none; digests and secrets are left out."""
    watch = WatchedState()
    silence = {"matchers": [Matcher(name="task", pattern="*")], "starts_ms": 0, "ends_ms": 1}
    watch.tell(
        CheckSet(task="a", expected=Expectation(max_runtime_ms=5), origin=Origin.API, author="token:x"),
        TokenCreated(token_id="t", scope="read", sha256="abcdef", author="local:ana"),
        SilenceSet(silence_id="s", author="ana", **silence),  # type: ignore[arg-type]
        SilenceSet(silence_id="w@1", author="ana", maintenance_id="w", **silence),  # type: ignore[arg-type]
        SilenceEnded(silence_id="s", author="clock"),
        AlertAcknowledged(alert_id="none", by="ana", author="token:x"),
        AlertAcknowledged(alert_id="none", by="somebody"),
    )
    entries = watch.state.changes.audit

    assert [
        ("token:x", "check_set", "a"),
        ("local:ana", "token_created", "t"),
        ("ana", "silence_set", "s"),
        ("ana (token:x)", "alert_acknowledged", "none"),
        ("somebody", "alert_acknowledged", "none"),
    ] == [(one.author, one.action, one.subject) for one in entries]
    assert {"expected": {"max_runtime_ms": 5}, "origin": "api"} == entries[0].detail
    assert "abcdef" not in str(entries)


def test_the_api_changes_nothing_where_the_file_has_spoken() -> None:
    """Also where the event has come into the log all the same; the file takes over what the API has set."""
    watch = WatchedState()
    watch.expect("t", max_runtime_ms=1)
    watch.tell(CheckSet(task="t", expected=Expectation(max_runtime_ms=2), origin=Origin.CONFIG, author="config"))
    watch.tell(CheckSet(task="t", expected=Expectation(max_runtime_ms=3), origin=Origin.API, author="ana"))

    assert (2, Origin.CONFIG) == (watch.state.checks["t"].expected.max_runtime_ms, watch.state.checks["t"].origin)


def test_failures_that_do_not_come_one_after_the_other_open_nothing() -> None:
    """A success between them begins the count anew, whatever is needed to close an alert."""
    watch = WatchedState()
    watch.route("mail")
    watch.expect("t", failure_threshold=3, recovery_threshold=2)
    for number in range(2):
        watch.report(failed("t", f"a{number}"))
    watch.report(JobCompleted(job_id="ok", task="t"))
    for number in range(2):
        watch.report(failed("t", f"b{number}"))

    assert [] == told(watch)
    watch.report(failed("t", "b3"))
    assert ["trigger"] == [kind for kind, _ in told(watch)]


@pytest.mark.parametrize("circle", [("a", "b"), ("a", "b", "c")])
def test_tasks_that_depend_on_each_other_in_a_circle_are_not_all_quiet(circle: tuple[str, ...]) -> None:
    """The one that failed first is told, also when it was silenced then: nobody waits for those that wait for it."""
    watch = WatchedState()
    watch.route("mail")
    for task, on in zip(circle, (circle[-1], *circle[:-1]), strict=True):
        watch.expect(task, depends_on=(on,))
    matchers = [Matcher(name="task", pattern=circle[0])]
    until_ms = watch.now_ms + HOUR_MS
    watch.tell(SilenceSet(silence_id="s", matchers=matchers, starts_ms=watch.now_ms, ends_ms=until_ms, author="ana"))
    for task in circle:
        watch.report(failed(task))
    watch.flush()
    before = told(watch)
    watch.step(HOUR_MS + MINUTE_MS)

    assert [] == before
    assert [circle[0]] == [one.notice.task for one in watch.state.outbox.values()]


def test_a_window_that_was_ended_by_hand_begins_with_its_next_slot() -> None:
    """The silence that it has made does not come back at once."""
    watch = WatchedState()
    watch.tell(
        MaintenanceSet(
            maintenance_id="w",
            matchers=[Matcher(name="task", pattern="*")],
            schedule="every 1h",
            duration_ms=30 * MINUTE_MS,
            author="ana",
        )
    )
    watch.step(5 * MINUTE_MS)
    (silence,) = watch.state.silences.values()
    watch.tell(SilenceEnded(silence_id=silence.silence_id, author="ana"))
    watch.step(10 * MINUTE_MS)
    after = dict(watch.state.silences)
    watch.step(HOUR_MS - 14 * MINUTE_MS)

    assert {} == after
    assert [silence.starts_ms + HOUR_MS] == [one.starts_ms for one in watch.state.silences.values()]


def test_nobody_acknowledges_what_nobody_was_told() -> None:
    """Below its threshold there is nothing to take care of; it can be resolved."""
    watch = WatchedState()
    watch.expect("t", failure_threshold=2)
    watch.report(failed("t"))
    (alert,) = watch.state.open_by_id.values()

    with pytest.raises(ConflictError, match="pending"):
        hand_at(alert, "acknowledge", None, "", "ana")
    assert "ana" == hand_at(alert, "resolve", None, "", "ana").by  # type: ignore[union-attr]


@pytest.mark.parametrize(("starts_ms", "ends_ms"), [(10, 10), (10, 5), (0, 7), (100, 100 + 91 * 24 * HOUR_MS)])
def test_a_silence_has_an_end_that_is_to_come(starts_ms: int, ends_ms: int) -> None:
    """Not before its beginning, not in the past, and not in more than 90 days."""
    with pytest.raises(UsageError, match="ends: expected"):
        silence_set(WatchedState().state, [], starts_ms, ends_ms, "", "ana", now_ms=8)


FILE = {
    "checks": {"a.b": {"schedule": "0 2 * * *", "tz": "Europe/Berlin", "heartbeat": "1m30s", "severity": "warning"}},
    "routes": {
        "night": {
            "match": ["severity=critical", "team!=ops"],
            "times": ["mon,tue 22:00-06:00 Europe/Berlin", "00:00-24:00"],
            "channels": ["mail"],
            "escalate": ["15m mail", "1h30m mail"],
            "group_by": ["task"],
            "continue": True,
            "routes": {"db": {"match": ["queue=db*"]}},
        }
    },
    "maintenance": {"patch": {"match": ["queue=db*"], "schedule": "0 2 * * 0", "duration": "1h30m", "comment": "x"}},
}


def test_what_is_declared_comes_back_as_it_was_written() -> None:
    """Read and written again it is the same, so that what is shown can be declared."""
    declared, faults = read_declared(FILE, ["mail"])

    assert [] == faults
    assert FILE["checks"]["a.b"] == written_check(declared.checks["a.b"])  # type: ignore[index]
    assert FILE["routes"] == written_routes(declared.routes)
    assert FILE["maintenance"]["patch"] == written_window(declared.maintenance["patch"])  # type: ignore[index]


def test_a_plan_carried_out_leaves_nothing_to_plan() -> None:
    """From any state to the declared one and back again: the second plan of the same is empty."""
    watch = WatchedState()
    watch.expect("by hand", max_runtime_ms=5)
    watch.expect("a.b", max_runtime_ms=5)
    declared, _ = read_declared(FILE, None)
    for wanted in (declared, Declared(), declared):
        steps = plan(watch.state, wanted, "ana", channels=["mail"])
        watch.tell(*(event for step in steps for event in step.events))

        assert [] == plan(watch.state, wanted, "ana", channels=["mail"])
    assert {"by hand", "a.b"} == set(watch.state.checks)


def test_a_window_that_cannot_be_is_said_in_full() -> None:
    """Every fault by itself."""
    _, faults = read_window({"match": [], "schedule": "x", "durration": "2h"})

    assert [
        "durration: there is no such field; did you mean duration?",
        "duration: expected a value: a window needs match, schedule and duration",
        "match: expected a list of 1 to 16 matchers",
        "schedule: schedule 'x': expected five fields",
    ] == [re.split(r" known| \(", fault_text(fault))[0] for fault in faults]


@pytest.mark.parametrize("text", ["task=a", "severity!=warning", "team=*", "label.with-dots=x y"])
def test_a_matcher_comes_back_as_it_was_written(text: str) -> None:
    """Also with spaces in its pattern."""
    assert [text] == written_matchers(read_matchers([text]))


@pytest.mark.parametrize("text", ["task", "=a", "task=", "task=" + "x" * 129, "a b=c", 7])
def test_what_is_no_matcher_is_refused(text: object) -> None:
    """In words."""
    with pytest.raises(ValueError, match="expected"):
        read_matchers([text])


@pytest.mark.parametrize(
    ("text", "days"),
    [("22:00-06:00", ()), ("mon-wed 22:00-06:00", (0, 1, 2)), ("sat-mon 00:00-24:00 Europe/Berlin", (0, 5, 6))],
)
def test_a_part_of_the_day_is_read(text: str, days: tuple[int, ...]) -> None:
    """A week may be passed, and what is written means the same."""
    time = read_time(text)

    assert days == time.weekdays
    assert time == read_time(written_time(time))


@pytest.mark.parametrize("text", ["22-6", "25:00-06:00", "mo 22:00-06:00", "22:00-06:00 Nowhere/There", "12:60-13:00"])
def test_what_is_no_part_of_the_day_is_refused(text: str) -> None:
    """In words."""
    with pytest.raises(ValueError, match="expected"):
        read_time(text)


def test_a_check_of_an_operator_knows_more_fields_than_that_of_a_report() -> None:
    """Each fault is said, and nothing is taken over by halves."""
    expected, faults = read_check({"severity": "warning", "labels": {"a": "b"}, "depends_on": ["x"], "owner": "ana"})
    _, wrong = read_check({"severity": "bad", "runbook_url": "ftp://x", "finish_by": "1h", "depends_on": "x"})

    assert [] == faults
    assert (Severity.WARNING, ("x",)) == (expected.severity, expected.depends_on)
    assert [".severity", ".runbook_url", ".depends_on", ".finish_by"] == [fault.path for fault in wrong]


@pytest.mark.parametrize("length_ms", [0, 1, 999, 1_000, 61_001, 5_400_000, 90_061_001])
def test_a_length_of_time_is_written_exactly(length_ms: int) -> None:
    """What is written is read as the same."""
    assert length_ms == span_ms(span_written(length_ms))


ESCALATING = Route(
    name="all",
    channels=("mail",),
    steps=(Step(after_ms=15 * MINUTE_MS, channels=("pager",)), Step(after_ms=HOUR_MS, channels=("boss", "pager"))),
)


def escalating() -> WatchedState:
    """A monitor that tells further people of what nobody takes care of."""
    watch = WatchedState()
    watch.route("mail", "pager", "boss", routes=[ESCALATING])
    return watch


def channels_told(watch: WatchedState) -> list[tuple[str, str, int]]:
    """Channel, kind, and minutes since the first."""
    found = list(watch.state.outbox.values())
    return [(one.channel, str(one.kind), (one.created_ms - found[0].created_ms) // MINUTE_MS) for one in found]


def test_what_nobody_takes_care_of_is_told_to_further_people() -> None:
    """Each step at its time, each channel once, under the alert's own key; all of them hear that it is over."""
    watch = escalating()
    watch.report(failed("backup"))
    watch.step(3 * HOUR_MS)
    (alert,) = watch.state.open_by_id.values()
    watch.report(JobCompleted(job_id="k", task="backup"))

    assert [("mail", "trigger", 0), ("pager", "trigger", 15), ("boss", "trigger", 60)] == channels_told(watch)[:3]
    assert [("mail", "resolve"), ("pager", "resolve"), ("boss", "resolve")] == [
        one[:2] for one in channels_told(watch)[3:]
    ]
    assert {alert.dedup_key} == {one.dedup_key for one in watch.state.outbox.values()}


def test_an_acknowledgement_ends_the_escalation() -> None:
    """Whoever takes care is the last to be told, for a day."""
    watch = escalating()
    watch.report(failed("backup"))
    watch.step(10 * MINUTE_MS)
    watch.tell(AlertAcknowledged(alert_id=next(iter(watch.state.open_by_id)), by="ana"))
    watch.step(5 * HOUR_MS)

    assert {"mail"} == {channel for channel, _, _ in channels_told(watch)}


def test_a_silence_holds_an_escalation_back_until_it_ends() -> None:
    """What is silenced in between goes on afterwards."""
    watch = escalating()
    watch.report(failed("backup"))
    watch.step(10 * MINUTE_MS)
    matchers, now_ms = [Matcher(name="task", pattern="*")], watch.now_ms
    watch.tell(
        SilenceSet(silence_id="s", matchers=matchers, starts_ms=now_ms, ends_ms=now_ms + 20 * MINUTE_MS, author="ana")
    )
    watch.step(15 * MINUTE_MS)
    during = channels_told(watch)
    watch.step(10 * MINUTE_MS)

    assert ["mail"] == [channel for channel, _, _ in during]
    assert ["mail", "pager"] == [channel for channel, _, _ in channels_told(watch)]


def test_an_escalation_goes_on_after_a_restart() -> None:
    """When further people are told stands with the alert."""
    watch = escalating()
    watch.report(failed("backup"))
    watch.step(MINUTE_MS)
    watch.restart(20 * 1_000)
    watch.step(20 * MINUTE_MS)

    assert ["mail", "pager"] == [channel for channel, _, _ in channels_told(watch)]


@pytest.mark.parametrize("is_continued", [True, False])
def test_the_steps_of_a_further_route_count_only_where_it_is_asked(is_continued: bool) -> None:
    """As for the channels: `continue` decides."""
    first = Route(name="first", channels=("mail",), is_continued=is_continued)
    second = Route(name="second", channels=("mail",), steps=(Step(after_ms=MINUTE_MS, channels=("pager",)),))
    watch = WatchedState()
    watch.route("mail", "pager", routes=[first, second])
    watch.report(failed("backup"))
    watch.step(HOUR_MS)

    assert is_continued is ("pager" in {channel for channel, _, _ in channels_told(watch)})
