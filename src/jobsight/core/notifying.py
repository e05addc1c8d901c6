"""
From a change of an alert to what the outbox holds: routed, suppressed, grouped, bounded.

Whether a channel is told is the decision of `core.decision`; here is what it is asked about, and what comes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jobsight.core.alert import (
    DECISIONS_KEPT,
    FIRING,
    PENDING,
    RESOLVED,
    Alert,
    Decided,
    Told,
)
from jobsight.core.decision import (
    STORM_WINDOW_MS,
    Change,
    Decision,
    Reason,
    Situation,
    Verdict,
    decide,
    group_due_ms,
)
from jobsight.core.flapping import is_kept_quiet
from jobsight.core.groups import STORM, ChannelPace, Group, group_key_of, has_room, note_sent, plan
from jobsight.core.inhibition import inhibitor_of, place_of
from jobsight.core.notices import elsewhere, notice_of, summary_of
from jobsight.core.outbox import Delivery, Notice, NoticeKind
from jobsight.core.routing import Target, escalations, targets
from jobsight.core.silences import silence_of
from jobsight.core.state import State, touch_alert

ESCALATION_PAUSE_MS: Final = 60_000
"""An alert that is held back when its next step is due is looked at again after this."""

ELSEWHERE_ALERTS_MAX: Final = 1_000
"""With more open alerts than this nobody is told where else an error was seen: there is a storm."""


def announce(state: State, alert: Alert, change: Change, at_ms: int) -> None:
    """
    Tell what has happened to an alert to whom it concerns, now or with its group.

    Args:
        state: Its outbox and groups are changed; nothing happens where there is no channel.
        alert: After the change.
        change: What has happened.
        at_ms: Accept time, ms UTC.
    """
    if not state.routing.channels:
        return
    if alert.state == RESOLVED:
        _announce_recovery(state, alert, at_ms)
        return
    if change is Change.RAISED and _waits_everywhere(state, alert, at_ms):
        return
    silence = silence_of(state.silences.values(), alert, at_ms) if state.silences else None
    is_inhibited = inhibitor_of(state, alert) is not None
    _note_suppressed(state, alert, "silence" if silence else "inhibition" if is_inhibited else None)
    for target in targets(state.routing, alert, at_ms):
        group = _group_for(state, target, alert)
        situation = _situation(state, alert, group, change, at_ms, bool(silence), is_inhibited)
        decision = decide(situation)
        _note_decision(state, alert, target.channel, decision.reason, at_ms)
        if decision.verdict == Verdict.TELL:
            kind = NoticeKind.ACKNOWLEDGE if decision.reason == Reason.ACKNOWLEDGEMENT else NoticeKind.TRIGGER
            _tell_one(state, group, alert, kind, decision.reason, at_ms)
        elif decision.reason == Reason.FOLLOWER_WAITS and alert.alert_id not in group.waiting:
            group.waiting[alert.alert_id] = group.name
            _replan(state, group, at_ms)


def _waits_everywhere(state: State, alert: Alert, at_ms: int) -> bool:
    """Whether every channel knows of an alert without a task, and waits for its group's time to hear more: most of a storm."""
    if alert.task is not None or alert.suppressed is not None or state.silences or alert.state != FIRING:
        return False
    if len(alert.told) != len(state.routing.channels):
        return False
    for told in alert.told.values():
        group = state.groups.get(told.group)
        if group is None or alert.alert_id not in group.waiting or group.due_ms is None or at_ms >= group.due_ms:
            return False
    return True


def pass_group_timer(state: State, key: str, deadline_ms: int, at_ms: int) -> None:
    """A group's time has come: tell what has gathered, repeat what still fires. Ignored unless it is the current deadline."""
    group = state.groups.get(key)
    if group is None or group.due_ms != deadline_ms:
        return
    if group.name == STORM:
        _tell_storm(state, group, at_ms)
    else:
        news, repeats = _due_members(state, group, at_ms)
        group.waiting.clear()
        if news:
            _tell_several(state, group, news, Reason.GROUP_WINDOW_PASSED, at_ms)
        elif repeats:
            _tell_several(state, group, repeats, Reason.REPEAT_INTERVAL_PASSED, at_ms)
        elif group.repeat_ms is not None and group.repeat_ms <= at_ms:
            group.repeat_ms = None
    group.due_ms = None
    _replan(state, group, at_ms)


def escalate(state: State, alert: Alert, at_ms: int) -> None:
    """Nobody takes care of an alert: tell those whose turn it is. What is held back is looked at again later."""
    silence = silence_of(state.silences.values(), alert, at_ms) if state.silences else None
    if silence is not None or inhibitor_of(state, alert) is not None:
        alert.escalates_ms = at_ms + ESCALATION_PAUSE_MS
        touch_alert(state, alert)
        return
    since_ms = at_ms if alert.told_ms is None else alert.told_ms
    for after_ms, target in escalations(state.routing, alert, at_ms):
        if target.channel not in alert.told and since_ms + after_ms <= at_ms:
            group = _group_for(state, target, alert)
            _note_decision(state, alert, target.channel, Reason.ESCALATED, at_ms)
            _tell_one(state, group, alert, NoticeKind.TRIGGER, Reason.ESCALATED, at_ms)
    _plan_escalation(state, alert, at_ms)


def _plan_escalation(state: State, alert: Alert, at_ms: int) -> None:
    """When the next channel is told, unless somebody acknowledges before."""
    since_ms = at_ms if alert.told_ms is None else alert.told_ms
    waiting = [
        max(since_ms + after_ms, at_ms + 1)
        for after_ms, target in escalations(state.routing, alert, at_ms)
        if target.channel not in alert.told
    ]
    alert.escalates_ms = min(waiting, default=None)
    touch_alert(state, alert)


def announce_again(state: State, alerts: Sequence[Alert], at_ms: int) -> None:
    """What held these alerts back holds no more: those that still fire are told."""
    for alert in alerts:
        if alert.state == FIRING:
            announce(state, alert, Change.RAISED, at_ms)


def forget_channels(state: State, channels: Sequence[str]) -> None:
    """Channels are gone: so are their groups. What stands in the outbox for them stays for the dispatcher to say so."""
    for key in [key for key, group in state.groups.items() if group.channel in channels]:
        _drop(state, state.groups[key])


def _situation(
    state: State, alert: Alert, group: Group, change: Change, at_ms: int, is_silenced: bool, is_inhibited: bool
) -> Situation:
    told = alert.told.get(group.channel)
    return Situation(
        state=alert.state,
        change=change,
        severity=alert.severity,
        is_silenced=is_silenced,
        is_inhibited=is_inhibited,
        is_flapping=is_kept_quiet(state.flaps, alert.fingerprint, alert.alert_id),
        is_told=told is not None,
        has_news=told is not None and alert.task is None and alert.count > told.count,
        told_ms=told.at_ms if told is not None else 0,
        group_sent_ms=group.sent_ms,
        group_due_ms=group_due_ms(group.sent_ms, group.sent),
        at_ms=at_ms,
    )


def decision_for(state: State, alert: Alert, channel: str, at_ms: int) -> Decision:
    """What would be decided for a channel now, without doing anything; for explanations."""
    for target in targets(state.routing, alert, at_ms):
        if target.channel == channel:
            key = group_key_of(channel, target.group)
            group = state.groups.get(key) or Group(key=key, channel=channel, name=target.group, episode=0)
            is_silenced = silence_of(state.silences.values(), alert, at_ms) is not None
            is_inhibited = inhibitor_of(state, alert) is not None
            return decide(_situation(state, alert, group, Change.TIMER, at_ms, is_silenced, is_inhibited))
    return Decision(Verdict.LEAVE, Reason.RECOVERED_UNTOLD)


def _due_members(state: State, group: Group, at_ms: int) -> tuple[list[Alert], list[Alert]]:
    """Of a group, the alerts with something new to tell, and those that are to be told again."""
    news: list[Alert] = []
    repeats: list[Alert] = []
    ids = list(group.waiting)
    if group.repeat_ms is not None and group.repeat_ms <= at_ms:
        ids += [alert_id for alert_id in group.members if alert_id not in group.waiting]
    for alert_id in ids:
        alert = state.open_by_id.get(alert_id)
        if alert is None or alert.state == PENDING:
            continue
        silence = silence_of(state.silences.values(), alert, at_ms) if state.silences else None
        is_inhibited = inhibitor_of(state, alert) is not None
        _note_suppressed(state, alert, "silence" if silence else "inhibition" if is_inhibited else None)
        decision = decide(_situation(state, alert, group, Change.TIMER, at_ms, silence is not None, is_inhibited))
        _note_decision(state, alert, group.channel, decision.reason, at_ms)
        if decision.reason in (Reason.FIRST_OF_GROUP, Reason.GROUP_WINDOW_PASSED):
            news.append(alert)
        elif decision.reason == Reason.REPEAT_INTERVAL_PASSED:
            repeats.append(alert)
    return news, repeats


def _tell_one(state: State, group: Group, alert: Alert, kind: NoticeKind, reason: Reason, at_ms: int) -> None:
    """One alert, under its own dedup key, unless the channel has had too much."""
    told = alert.told.get(group.channel)
    key = alert.dedup_key if told is None else told.dedup_key
    if kind == NoticeKind.TRIGGER and told is not None:
        kind = NoticeKind.SUMMARY if reason == Reason.GROUP_WINDOW_PASSED else NoticeKind.REPEAT
    if kind != NoticeKind.ACKNOWLEDGE:
        if not has_room(_pace(state, group.channel), at_ms, is_last_one=False):
            _hold(state, group, [alert], at_ms)
            return
        note_sent(group, at_ms)
        _note_told(state, group, alert, key, at_ms)
    others = elsewhere(alert, state.open_by_id.values()) if len(state.open_by_id) <= ELSEWHERE_ALERTS_MAX else []
    put(state, group.channel, kind, key, alert.alert_id, reason, notice_of(alert, at_ms, others), at_ms)
    _replan(state, group, at_ms)


def _tell_several(state: State, group: Group, alerts: Sequence[Alert], reason: Reason, at_ms: int) -> None:
    """One alert by itself, several as a summary under the group's dedup key."""
    if len(alerts) == 1:
        _tell_one(state, group, alerts[0], NoticeKind.TRIGGER, reason, at_ms)
        return
    if not has_room(_pace(state, group.channel), at_ms, is_last_one=False):
        _hold(state, group, alerts, at_ms)
        return
    note_sent(group, at_ms)
    for alert in alerts:
        if group.channel not in alert.told:
            group.summarized[alert.alert_id] = None
        _note_told(state, group, alert, group.dedup_key, at_ms)
    notice = summary_of(group.name, alerts, at_ms)
    put(state, group.channel, NoticeKind.SUMMARY, group.dedup_key, None, reason, notice, at_ms)


def _tell_storm(state: State, storm: Group, at_ms: int) -> None:
    """One summary of all that a channel could not be told one by one."""
    alerts = [state.open_by_id[alert_id] for alert_id in storm.waiting if alert_id in state.open_by_id]
    alerts = [alert for alert in alerts if alert.state == FIRING]
    pace = _pace(state, storm.channel)
    if alerts and not has_room(pace, at_ms, is_last_one=True):
        storm.sent_ms = storm.sent_ms if storm.sent_ms is not None else min(pace.sent)
        return
    names = dict(storm.waiting)
    storm.waiting.clear()
    if not alerts:
        return
    note_sent(storm, at_ms)
    for alert in alerts:
        if storm.channel not in alert.told:
            storm.summarized[alert.alert_id] = None
        _note_decision(state, alert, storm.channel, Reason.STORM_SUMMARY, at_ms)
        _note_told(state, storm, alert, storm.dedup_key, at_ms)
    notice = summary_of(STORM, alerts, at_ms, names)
    put(state, storm.channel, NoticeKind.SUMMARY, storm.dedup_key, None, Reason.STORM_SUMMARY, notice, at_ms)


def _hold(state: State, group: Group, alerts: Sequence[Alert], at_ms: int) -> None:
    """The channel has had too much: these alerts go into its next summary."""
    key = group_key_of(group.channel, STORM)
    storm = state.groups.get(key)
    if storm is None:
        storm = state.groups[key] = Group(key=key, channel=group.channel, name=STORM, episode=_episode(alerts[0]))
    for alert in alerts:
        storm.waiting.setdefault(alert.alert_id, group.name)
        _note_decision(state, alert, group.channel, Reason.HELD_BY_STORM, at_ms)
    if not group.members and not group.waiting:
        _drop(state, group)
    _replan(state, storm, at_ms)


def _announce_recovery(state: State, alert: Alert, at_ms: int) -> None:
    """Exactly the channels that were told hear that it is over; what was told in a summary is over with its last alert."""
    state.inhibited.pop(alert.alert_id, None)
    if not alert.told and not alert.suppressed:
        for target in targets(state.routing, alert, at_ms):
            _note_decision(state, alert, target.channel, Reason.RECOVERED_UNTOLD, at_ms)
    for channel, told in alert.told.items():
        _note_decision(state, alert, channel, Reason.RECOVERED, at_ms)
        group = state.groups.get(told.group)
        if group is not None:
            group.members.pop(alert.alert_id, None)
            group.summarized.pop(alert.alert_id, None)
            _replan(state, group, at_ms)
        notice = notice_of(alert, at_ms)
        if told.dedup_key == alert.dedup_key:
            put(state, channel, NoticeKind.RESOLVE, told.dedup_key, alert.alert_id, Reason.RECOVERED, notice, at_ms)
        elif group is None or not group.summarized:
            put(state, channel, NoticeKind.RESOLVE, told.dedup_key, None, Reason.RECOVERED, notice, at_ms)
    for alert_id in sorted(state.inhibited, key=place_of):
        other = state.open_by_id.get(alert_id)
        if other is None:
            del state.inhibited[alert_id]
        elif inhibitor_of(state, other) is None:
            announce_again(state, [other], at_ms)


def put_notice(state: State, alert: Alert, at_ms: int) -> None:
    """Tell everybody whom it concerns something that is over at once: a notice, to which nothing follows."""
    for target in targets(state.routing, alert, at_ms):
        _note_decision(state, alert, target.channel, Reason.NOTICE, at_ms)
        notice = notice_of(alert, at_ms)
        put(
            state,
            target.channel,
            NoticeKind.SUMMARY,
            alert.dedup_key,
            alert.alert_id,
            Reason.NOTICE,
            notice,
            at_ms,
        )


def put(
    state: State,
    channel: str,
    kind: NoticeKind,
    dedup_key: str,
    alert_id: str | None,
    reason: Reason,
    notice: Notice,
    at_ms: int,
    *,
    retry_of: str | None = None,
) -> None:
    """Put one notification into the outbox; the arguments are those of `Delivery`."""
    state.deliveries_total += 1
    pace = _pace(state, channel)
    pace.sent = [sent_ms for sent_ms in pace.sent if at_ms - STORM_WINDOW_MS < sent_ms <= at_ms]
    pace.sent.append(at_ms)
    delivery = Delivery(
        number=state.deliveries_total,
        delivery_id=f"d{state.deliveries_total}",
        channel=channel,
        kind=kind,
        dedup_key=dedup_key,
        sequence=state.deliveries_total,
        alert_id=alert_id,
        reason=reason,
        created_ms=at_ms,
        notice=notice,
        retry_of=retry_of,
        is_dirty=True,
    )
    state.outbox[delivery.delivery_id] = delivery
    state.changes.deliveries.append(delivery)
    state.fresh.append(delivery)


def _pace(state: State, channel: str) -> ChannelPace:
    pace = state.paces.get(channel)
    if pace is None:
        pace = state.paces[channel] = ChannelPace()
    return pace


def _group_for(state: State, target: Target, alert: Alert) -> Group:
    """
    The group in which a channel hears of an alert: the one where it has heard of it already, or that of its route.

    A new one becomes part of the state with `_replan`, once there is something in it: what is not stored must not decide
    what the group is called.
    """
    told = alert.told.get(target.channel)
    found = state.groups.get(told.group) if told is not None else None
    if found is not None and found.name != STORM:
        return found
    key = group_key_of(target.channel, target.group)
    group = state.groups.get(key)
    if group is None:
        group = Group(key=key, channel=target.channel, name=target.group, episode=_episode(alert))
    return group


def _episode(alert: Alert) -> int:
    """A group's episode is that of its first alert: the same after a replay, however the batches fell."""
    return place_of(alert.alert_id)


def _note_told(state: State, group: Group, alert: Alert, dedup_key: str, at_ms: int) -> None:
    told = alert.told.get(group.channel)
    if alert.told_ms is None:
        alert.told_ms = at_ms
        _plan_escalation(state, alert, at_ms)
    if told is None:
        alert.told[group.channel] = Told(dedup_key, group.key, at_ms, alert.count)
    else:
        told.at_ms, told.count = at_ms, alert.count
    group.waiting.pop(alert.alert_id, None)
    group.members[alert.alert_id] = None
    touch_alert(state, alert)


def _note_decision(state: State, alert: Alert, channel: str, reason: Reason, at_ms: int) -> None:
    """Remember what was decided about a channel, where that is another reason than the last time."""
    for one in reversed(alert.decisions):
        if one.channel == channel:
            if one.reason == reason:
                return
            break
    alert.decisions.append(Decided(at_ms, channel, reason.value))
    if len(alert.decisions) > DECISIONS_KEPT:
        del alert.decisions[0]
    touch_alert(state, alert)


def _note_suppressed(state: State, alert: Alert, why: str | None) -> None:
    if alert.suppressed == why:
        return
    alert.suppressed = why
    if why == "inhibition":
        state.inhibited[alert.alert_id] = None
    else:
        state.inhibited.pop(alert.alert_id, None)
    touch_alert(state, alert)


def _replan(state: State, group: Group, at_ms: int) -> None:
    """Set the group's deadline anew, and let it go when there is nothing in it any more."""
    if not group.waiting and not group.members:
        _drop(state, group)
        return
    state.groups[group.key] = group
    plan(group, at_ms)
    if not group.is_dirty:
        group.is_dirty = True
        state.changes.groups[group.key] = group


def _drop(state: State, group: Group) -> None:
    state.groups.pop(group.key, None)
    group.due_ms = None
    group.is_dirty = True
    state.changes.groups[group.key] = group
