"""From failures to the outbox: grouped, bounded, silenced, acknowledged, recovered."""

from __future__ import annotations

from itertools import pairwise

from watched_state import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WatchedState

from jobsight.core.alert import Alert
from jobsight.core.decision import Reason
from jobsight.core.events import (
    AlertAcknowledged,
    AlertResolved,
    DeliveryResult,
    JobCompleted,
    JobFailed,
    MaintenanceSet,
    SilenceEnded,
    SilenceSet,
)
from jobsight.core.explanations import FactName, explain, why_not
from jobsight.core.outbox import Delivery, DeliveryState, NoticeKind
from jobsight.core.routing import Matcher, Route


def failed(job_id: str, task: str | None = None, queue: str | None = None, error: str = "disk full") -> JobFailed:
    """A job failed for good."""
    return JobFailed(job_id=job_id, task=task, queue=queue, error=error, retries=3)


def sent(watch: WatchedState, channel: str = "mail") -> list[tuple[int, str, str]]:
    """What was decided for a channel: seconds since the start, kind, reason."""
    return [(one.created_ms // 1000 % 1_000_000, str(one.kind), str(one.reason)) for one in told(watch, channel)]


def told(watch: WatchedState, channel: str = "mail") -> list[Delivery]:
    """The notifications for a channel, in their order."""
    return [one for one in watch.state.outbox.values() if one.channel == channel]


def kinds(watch: WatchedState, channel: str = "mail") -> list[str]:
    """Their kinds."""
    return [str(one.kind) for one in told(watch, channel)]


def alert_of(watch: WatchedState) -> Alert:
    """The only open alert."""
    (alert,) = watch.state.open_by_id.values()
    return alert


def a_watch(*channels: str, routes: list[Route] | None = None) -> WatchedState:
    """A monitor with channels."""
    watch = WatchedState()
    watch.route(*(channels or ("mail",)), routes=routes)
    return watch


def test_the_first_failure_is_told_at_once() -> None:
    """The notification stands in the outbox with the report's own batch, with all that is needed at 3 a.m."""
    watch = a_watch()
    watch.report(failed("a", "backup"))
    (delivery,) = told(watch)

    assert (NoticeKind.TRIGGER, Reason.FIRST_OF_GROUP) == (delivery.kind, delivery.reason)
    assert "Job failed after 3 retries: disk full" == delivery.notice.title
    assert ("backup", "a", "disk full", 1) == (
        delivery.notice.task,
        delivery.notice.job_id,
        delivery.notice.error,
        delivery.notice.count,
    )
    assert alert_of(watch).dedup_key == delivery.dedup_key


def test_without_a_channel_nothing_is_decided() -> None:
    """A monitor that has nobody to tell keeps its alerts and no outbox."""
    watch = WatchedState()
    watch.report(failed("a", "backup"))
    watch.step(HOUR_MS)

    assert ([("job_failed", "backup", "firing")], {}, {}) == (watch.open(), watch.state.outbox, watch.state.groups)


def test_ten_thousand_failures_of_one_queue_are_few_notifications() -> None:
    """1 at once, 1 summary at 30 s, at most 1 in 5 minutes, 1 recovery."""
    watch = a_watch()
    for start in range(0, 10_000, 100):
        watch.report(*[failed(f"j-{start + index}", queue="mails") for index in range(100)])
        watch.step(10)
    watch.step(10 * MINUTE_MS)
    for start in range(0, 10_000, 500):
        watch.report(*[JobCompleted(job_id=f"j-{start + index}", duration_ms=1) for index in range(500)])

    assert ["trigger", "summary", "resolve"] == kinds(watch)
    assert 30_000 == told(watch)[1].created_ms - told(watch)[0].created_ms
    assert 10_000 == told(watch)[1].notice.count
    assert 1 == len({one.dedup_key for one in told(watch)})


def test_ten_thousand_kinds_of_error_of_one_queue_are_few_notifications_too() -> None:
    """Where each failure is an alert of its own, the group is told: the first at once, the others together."""
    watch = a_watch()
    words = [chr(97 + index // 26 % 26) + chr(97 + index % 26) + chr(97 + index // 676) for index in range(2_000)]
    watch.report(*[failed(f"j-{word}", queue="mails", error=f"no {word}") for word in words])
    watch.step(10 * MINUTE_MS)
    watch.report(*[JobCompleted(job_id=f"j-{word}", duration_ms=1) for word in words])

    assert ["trigger", "summary", "resolve", "resolve"] == kinds(watch)
    trigger, summary, first_over, all_over = told(watch)
    assert (1_999, 10) == (summary.notice.members_count, len(summary.notice.members))
    assert [trigger.dedup_key, summary.dedup_key] == [first_over.dedup_key, all_over.dedup_key]


def test_further_failures_of_a_task_page_nobody_before_the_repeat() -> None:
    """They raise the count; after 4 hours what is critical is told again, and again."""
    watch = a_watch()
    for index in range(60):
        watch.report(failed(f"a-{index}", "backup"))
        watch.step(MINUTE_MS)
    before = kinds(watch)
    watch.step(8 * HOUR_MS)

    assert ["trigger"] == before
    assert ["trigger", "repeat", "repeat"] == kinds(watch)
    assert [4 * HOUR_MS, 4 * HOUR_MS] == [
        later.created_ms - sooner.created_ms for sooner, later in pairwise(told(watch))
    ]
    assert 60 == told(watch)[1].notice.count


def test_a_warning_is_told_once() -> None:
    """What wakes nobody is not repeated."""
    watch = a_watch()
    watch.expect("backup", severity="warning")
    watch.report(failed("a", "backup"))
    watch.step(DAY_MS)

    assert ["trigger"] == kinds(watch)


def test_a_storm_is_at_most_twenty_in_a_minute() -> None:
    """However many groups there are: 19 are told by themselves, the rest in one summary with counts."""
    watch = a_watch()
    for index in range(500):
        watch.report(failed(f"j-{index}", f"task-{index}"))
        watch.step(20)
    watch.step(3 * MINUTE_MS)
    times = [one.created_ms for one in told(watch)]
    summary = told(watch)[-1]

    assert 20 == len(times)
    assert (NoticeKind.SUMMARY, Reason.STORM_SUMMARY) == (summary.kind, summary.reason)
    assert (481, 10) == (summary.notice.count, len(summary.notice.members))
    for index in range(500):
        watch.report(JobCompleted(job_id=f"j-{index}", duration_ms=1))
    assert {one.dedup_key for one in told(watch)} == {
        one.dedup_key for one in told(watch) if one.kind == NoticeKind.RESOLVE
    }


def test_the_channels_that_were_told_hear_that_it_is_over() -> None:
    """Exactly they, with the downtime, and never before they heard that something was wrong."""
    routes = [
        Route(matchers=(Matcher(name="task", pattern="b*"),), channels=("mail", "pager")),
        Route(channels=("chat",)),
    ]
    watch = a_watch("mail", "pager", "chat", routes=routes)
    watch.report(failed("a", "backup"))
    watch.step(90 * SECOND_MS)
    watch.report(JobCompleted(job_id="b", task="backup", duration_ms=1))

    assert [["trigger", "resolve"]] * 2 == [kinds(watch, "mail"), kinds(watch, "pager")]
    assert [] == kinds(watch, "chat")
    assert 90_000 == told(watch)[1].notice.downtime_ms


def test_an_acknowledged_alert_is_quiet_for_a_day() -> None:
    """Whoever was told hears who takes care; then nothing until the acknowledgement lapses."""
    watch = a_watch()
    watch.report(failed("a", "backup"))
    watch.step(MINUTE_MS)
    watch.tell(AlertAcknowledged(alert_id=alert_of(watch).alert_id, by="ana", comment="on it"))
    watch.step(DAY_MS - 1)
    quiet = kinds(watch)
    watch.step(2)

    assert ["trigger", "acknowledge"] == quiet
    assert ["trigger", "acknowledge", "repeat"] == kinds(watch)


def test_an_alert_without_a_task_is_closed_when_somebody_cares() -> None:
    """Nobody can say of it that it is over; by hand it is, and so is any other that somebody resolves."""
    watch = a_watch()
    watch.report(failed("a", queue="q"))
    watch.tell(AlertAcknowledged(alert_id=alert_of(watch).alert_id, by="ana"))
    watch.report(failed("b", "t"))
    watch.tell(AlertResolved(alert_id=alert_of(watch).alert_id, by="ben"))

    assert [] == watch.open()
    assert ["trigger", "resolve", "trigger", "resolve"] == kinds(watch)


def test_an_alert_that_nobody_hears_of_again_is_closed() -> None:
    """Without a task after a day, with one after a week."""
    watch = a_watch()
    watch.report(failed("a", queue="q"), failed("b", "t"))
    watch.step(DAY_MS - 1)
    first_day = len(watch.open())
    watch.step(2 * SECOND_MS)
    second_day = watch.open()
    watch.step(6 * DAY_MS + SECOND_MS)

    assert (2, [("job_failed", "t", "firing")], []) == (first_day, second_day, watch.open())


def test_below_its_threshold_an_alert_is_told_to_nobody() -> None:
    """Two failures in a row, then two successes, where a check wants it so."""
    watch = a_watch()
    watch.expect("t", failure_threshold=2, recovery_threshold=2)
    watch.report(failed("a", "t"))
    one = (watch.open(), kinds(watch), [fact.text for fact in why_not(watch.state, "t", watch.now_ms)][1])
    watch.report(failed("b", "t"))
    two = (watch.open(), kinds(watch))
    watch.report(JobCompleted(job_id="c", task="t", duration_ms=1))
    watch.report(failed("b", "t"))
    watch.report(JobCompleted(job_id="c", task="t", duration_ms=2))
    three = watch.open()
    watch.report(JobCompleted(job_id="d", task="t", duration_ms=1))

    assert ([("job_failed", "t", "pending")], [], "failure 1 of 2") == one
    assert ([("job_failed", "t", "firing")], ["trigger"]) == two
    assert [("job_failed", "t", "firing")] == three
    assert ([], ["trigger", "resolve"]) == (watch.open(), kinds(watch))


def silence(watch: WatchedState, length_ms: int, *matchers: Matcher) -> SilenceSet:
    """A silence from now on."""
    return SilenceSet(
        silence_id="s1",
        matchers=list(matchers),
        starts_ms=watch.now_ms,
        ends_ms=watch.now_ms + length_ms,
        author="ana",
        comment="moving house",
    )


def test_a_silenced_alert_is_recorded_and_told_when_the_silence_ends() -> None:
    """Nobody hears of it meanwhile; whoever asks reads why; if it still fires at the end, it is told once."""
    watch = a_watch()
    watch.tell(silence(watch, HOUR_MS, Matcher(name="task", pattern="back*")))
    watch.report(failed("a", "backup"), failed("b", "other"))
    names = {fact.name for fact in why_not(watch.state, "backup", watch.now_ms)}
    watch.step(HOUR_MS - 1)
    meanwhile = [one.notice.task for one in told(watch)]
    watch.step(3 * SECOND_MS)

    assert FactName.SILENCED in names
    assert (["other"], ["other", "backup"]) == (meanwhile, [one.notice.task for one in told(watch)])
    assert {} == watch.state.silences


def test_a_silence_ends_by_hand() -> None:
    """What it held back is told then."""
    watch = a_watch()
    watch.tell(silence(watch, HOUR_MS, Matcher(name="severity", pattern="critical")))
    watch.report(failed("a", "backup"))
    watch.tell(SilenceEnded(silence_id="s1", author="ana"))

    assert ["trigger"] == kinds(watch)


def test_a_maintenance_window_silences_by_its_schedule() -> None:
    """Each night from 3 to 4 what matches is told to nobody; before and after it is."""
    watch = a_watch()
    watch.tell(
        MaintenanceSet(
            maintenance_id="night",
            matchers=[Matcher(name="task", pattern="*")],
            schedule="0 3 * * *",
            duration_ms=HOUR_MS,
            author="ana",
        )
    )
    seen = []
    for hour in range(48):
        watch.step(HOUR_MS)
        watch.report(failed(f"j-{hour}", f"t-{hour}"))
        seen.append(len(told(watch)) > sum(seen))
        watch.report(JobCompleted(job_id=f"k-{hour}", task=f"t-{hour}", duration_ms=1))
        watch.state.outbox = {key: one for key, one in watch.state.outbox.items() if one.kind == NoticeKind.TRIGGER}

    assert [3, 27] == [hour + 1 for hour, is_told in enumerate(seen) if not is_told]


def test_what_depends_on_a_broken_task_is_held_back() -> None:
    """One page for the cause; when that is mended and the other still fires, it is told."""
    watch = a_watch()
    watch.expect("report", depends_on=("export",))
    watch.report(failed("a", "export"), failed("b", "report"))
    held = [one.notice.task for one in told(watch)]
    watch.report(JobCompleted(job_id="c", task="export", duration_ms=1))

    assert ["export"] == held
    assert [("export", "trigger"), ("export", "resolve"), ("report", "trigger")] == [
        (one.notice.task, str(one.kind)) for one in told(watch)
    ]


def test_a_delivery_leaves_the_outbox_when_it_is_done() -> None:
    """A failed try leaves it there with its words; a yes takes it out, once."""
    watch = a_watch()
    watch.report(failed("a", "backup"))
    (delivery,) = told(watch)
    watch.tell(DeliveryResult(delivery_id=delivery.delivery_id, outcome="failed", tries=1, detail="503"))
    tried = (delivery.state, delivery.tries, delivery.detail)
    watch.tell(DeliveryResult(delivery_id=delivery.delivery_id, outcome="delivered", tries=2, detail="202"))
    watch.flush()

    assert (DeliveryState.WAITING, 1, "503") == tried
    assert (DeliveryState.DELIVERED, 2, {}) == (delivery.state, delivery.tries, watch.state.outbox)


def test_an_alert_is_explained() -> None:
    """Rule, what was found, how it stands, and every delivery with its reason."""
    watch = a_watch()
    watch.report(failed("a", "backup"))
    facts = explain(watch.state, alert_of(watch), told(watch), watch.now_ms)

    assert [
        "job_failed (critical)",
        "job a",
        "3 retries were told; the node has no retry limit",
        "Job failed after 3 retries: disk full",
        "found once in this episode",
        "it is firing",
        "mail: told at once: the first of its group",
        "mail: not told again yet: it was told, and is repeated after 4 hours",
        "trigger to mail: waiting after 0 tries (told at once: the first of its group)",
    ] == [fact.text for fact in facts]


def test_what_was_found_keeps_its_time_whatever_is_done_about_it() -> None:
    """The last time while that is known; once somebody has seen to it, no time rather than that of his doing."""
    watch = a_watch()
    times: list[int | None] = []

    def look() -> None:
        (alert,) = {one.alert_id: one for one in watch.raised}.values()
        facts = explain(watch.state, alert, [], watch.now_ms)
        times.extend(fact.at_ms for fact in facts if fact.name is FactName.FOUND)
        watch.step(MINUTE_MS)

    watch.report(failed("a", "backup"))
    first_ms, alert_id = watch.now_ms, alert_of(watch).alert_id
    look()
    watch.tell(AlertAcknowledged(alert_id=alert_id, by="me"))
    look()
    watch.report(failed("b", "backup"))
    look()
    watch.tell(AlertResolved(alert_id=alert_id, by="me"))
    look()

    assert [first_ms, first_ms, None, None] == times
