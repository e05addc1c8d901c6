"""What the monitor's own events, and its operators', do to the state."""

from __future__ import annotations

from typing import assert_never, cast

from jobsight.core.alerting import acknowledge, end_condition, note, resolve_by_hand
from jobsight.core.applied import Applied
from jobsight.core.audit import audit_of
from jobsight.core.broken_channels import forgive_channels, judge_channel
from jobsight.core.check import Origin
from jobsight.core.checks import adopt_active, hear, judge_runs, remove_check, set_check
from jobsight.core.deadlines import pass_deadline
from jobsight.core.drill import retry_delivery, start_drill
from jobsight.core.events import (
    AlertAcknowledged,
    AlertResolved,
    Batch,
    ChannelTested,
    CheckRemoved,
    CheckSet,
    ConditionEnded,
    DeadlinePassed,
    DeliveryResult,
    DeliveryRetried,
    DrillStarted,
    InternalEvent,
    LogCheckpointed,
    MaintenanceSet,
    MonitorBlind,
    MonitorTrouble,
    PingUrlCreated,
    PingUrlRevoked,
    RetentionPassed,
    RoutingSet,
    RunsJudged,
    SettingsChanged,
    SilenceEnded,
    SilenceSet,
    SlotPlanned,
    TokenCreated,
    TokenRevoked,
    UserRemoved,
    UserSet,
)
from jobsight.core.gaps import GAPS_KEPT, Gap
from jobsight.core.notifying import announce_again, forget_channels
from jobsight.core.outbox import TRIES_KEPT, DeliveryState, Try
from jobsight.core.pings import create_ping_url, revoke_ping_url
from jobsight.core.retention import pass_retention
from jobsight.core.routing import Routing
from jobsight.core.rules import BLIND, CLOCK_STEPPED, OVERDUE
from jobsight.core.self_alerts import note_trouble
from jobsight.core.set_back import lies_ahead, set_back
from jobsight.core.silences import SILENCE_MS_MAX, SILENCES_MAX, Maintenance, Silence
from jobsight.core.spans import span_text
from jobsight.core.state import State, touch_check
from jobsight.core.tokens import Token
from jobsight.core.users import User


def apply_internal(state: State, batch: Batch) -> Applied:
    """Bring the state forward by a batch of the monitor's own events. The arguments are those of `apply`."""
    applied = Applied()
    at_ms = batch.accept_ms
    for index, event in enumerate(cast("list[InternalEvent]", batch.events)):
        place = batch.seq << 20 | index
        entry = audit_of(event, place, at_ms)
        if entry is not None:
            state.changes.audit.append(entry)
        match event:
            case DeadlinePassed():
                pass_deadline(state, event, place, applied, at_ms)
            case TokenCreated():
                _create_token(state, event, at_ms)
            case TokenRevoked():
                _revoke_token(state, event, at_ms)
            case UserSet() | UserRemoved():
                _change_user(state, event, at_ms)
            case PingUrlCreated():
                create_ping_url(state, event, at_ms)
            case PingUrlRevoked():
                revoke_ping_url(state, event, at_ms)
            case SettingsChanged():
                state.retries_max = event.max_retries
                state.silence_ms = event.silence_ms
                state.tasks_max = event.tasks_max
                state.changes.is_bound_dirty = True
            case RetentionPassed():
                pass_retention(state, event, at_ms)
            case LogCheckpointed() | ChannelTested():
                pass  # on record; the state does not depend on it
            case DrillStarted():
                start_drill(state, event, place, at_ms)
            case DeliveryRetried():
                retry_delivery(state, event, at_ms)
            case AlertAcknowledged() | AlertResolved():
                _lend_a_hand(state, event, applied, at_ms)
            case DeliveryResult():
                _note_delivery(state, event, place, applied, at_ms)
            case SilenceSet() | SilenceEnded() | MaintenanceSet() | RoutingSet():
                state.changes.is_watch_dirty = True
                _set_telling(state, event, at_ms)
            case _:
                _watch(state, event, place, applied, at_ms)
    tasks = {event.task for event in batch.events if isinstance(event, CheckSet)}
    if tasks:
        adopt_active(state, tasks)
    state.changes.events += len(batch.events)
    state.applied_seq = batch.seq
    return applied


def _watch(
    state: State,
    event: CheckSet | CheckRemoved | SlotPlanned | ConditionEnded | RunsJudged | MonitorBlind | MonitorTrouble,
    place: int,
    applied: Applied,
    at_ms: int,
) -> None:
    match event:
        case CheckSet():
            origin = Origin.API if event.origin == Origin.REPORT else event.origin
            set_check(state, event.task, event.expected, origin, event.author, place, at_ms)
        case CheckRemoved():
            applied.alerts += remove_check(state, event.task, at_ms)
        case SlotPlanned():
            check = state.checks.get(event.task)
            if check is not None and check.revision == event.revision and check.slot_ms is None:
                check.slot_ms = event.slot_ms
                touch_check(state, check)
        case ConditionEnded():
            _end_condition(state, event, applied, at_ms)
        case RunsJudged():
            applied.alerts += judge_runs(state, event, place, at_ms)
        case MonitorBlind():
            _note_blind(state, event, place, applied, at_ms)
        case MonitorTrouble():
            applied.alerts += note_trouble(state, event, place, at_ms)
        case _:
            assert_never(event)


def _end_condition(state: State, event: ConditionEnded, applied: Applied, at_ms: int) -> None:
    if event.subject_kind == "check":
        ended = end_condition(state, event.rule, event.subject, at_ms)
        applied.alerts += [] if ended is None else [ended]
        return
    job = state.jobs.get(event.subject)
    check = state.checks.get(job.task) if job is not None and job.task is not None else None
    if job is None or check is None:
        return
    run = check.runs.get(job.job_id)
    if event.rule == OVERDUE:
        applied.alerts += hear(state, check, job, at_ms)
    elif run is not None:
        run.fired.pop(event.rule, None)
        touch_check(state, check)
        ended = end_condition(state, event.rule, check.task, at_ms, job_id=job.job_id)
        applied.alerts += [] if ended is None else [ended]


def _note_blind(state: State, event: MonitorBlind, place: int, applied: Applied, at_ms: int) -> None:
    state.changes.is_watch_dirty = True
    state.alive_ms = event.to_ms
    length, rule = span_text(event.to_ms - event.from_ms), CLOCK_STEPPED
    if event.to_ms <= event.from_ms:
        set_back(state, event.from_ms - event.to_ms, place, at_ms)
        text = f"the clock was set back by {length}"
    else:
        state.gaps = [*state.gaps, Gap(event.from_ms, event.to_ms)][-GAPS_KEPT:]
        text = f"the clock was set forward by {length}, {event.slots} slots unverified"
        if not event.is_clock:
            rule, text = BLIND, f"monitor was blind for {length}, {event.slots} slots unverified"
        if lies_ahead(state, at_ms):
            set_back(state, 0, place, at_ms)
    applied.alerts.append(note(state, rule, text, place, at_ms))


def _lend_a_hand(state: State, event: AlertAcknowledged | AlertResolved, applied: Applied, at_ms: int) -> None:
    alert = state.open_by_id.get(event.alert_id)
    if alert is None:
        return
    if isinstance(event, AlertAcknowledged):
        acknowledge(state, alert, event.by, event.comment, at_ms)
    else:
        resolve_by_hand(state, alert, event.by, event.comment, at_ms)
    applied.alerts.append(alert)


def _set_telling(state: State, event: SilenceSet | SilenceEnded | MaintenanceSet | RoutingSet, at_ms: int) -> None:
    match event:
        case SilenceSet():
            _set_silence(state, event, at_ms)
        case SilenceEnded():
            _end_silence(state, event, at_ms)
        case MaintenanceSet():
            if event.duration_ms is None:
                state.maintenance.pop(event.maintenance_id, None)
                return
            state.maintenance[event.maintenance_id] = Maintenance(
                maintenance_id=event.maintenance_id,
                matchers=event.matchers,
                schedule=event.schedule,
                tz=event.tz,
                duration_ms=event.duration_ms,
                author=event.author,
                comment=event.comment,
                origin=event.origin,
            )
        case RoutingSet():
            gone = [channel for channel in state.routing.channels if channel not in event.channels]
            is_new = any(channel not in state.routing.channels for channel in event.channels)
            state.routing = Routing(channels=list(event.channels), routes=list(event.routes))
            forget_channels(state, gone)
            forgive_channels(state, gone, at_ms)
            if is_new:  # who comes later, or under another name, is told of what fires
                announce_again(state, list(state.open_by_id.values()), at_ms)
        case _:
            assert_never(event)


def _end_silence(state: State, event: SilenceEnded, at_ms: int) -> None:
    silence = state.silences.pop(event.silence_id, None)
    if silence is None:
        return
    window = state.maintenance.get(silence.maintenance_id or "")
    if window is not None:
        window.done_ms = max(window.done_ms, silence.starts_ms)
    announce_again(state, list(state.open_by_id.values()), at_ms)


def _set_silence(state: State, event: SilenceSet, at_ms: int) -> None:
    if event.silence_id not in state.silences and len(state.silences) >= SILENCES_MAX:
        return
    state.silences[event.silence_id] = Silence(
        silence_id=event.silence_id,
        matchers=event.matchers,
        starts_ms=event.starts_ms,
        ends_ms=min(event.ends_ms, event.starts_ms + SILENCE_MS_MAX),
        author=event.author,
        comment=event.comment,
        maintenance_id=event.maintenance_id,
        created_ms=at_ms,
    )


def _note_delivery(state: State, event: DeliveryResult, place: int, applied: Applied, at_ms: int) -> None:
    delivery = state.outbox.get(event.delivery_id)
    if delivery is None or delivery.state != DeliveryState.WAITING:
        return
    delivery.tries, delivery.detail = event.tries, event.detail
    delivery.history = [*delivery.history, Try(at_ms, event.outcome, event.detail)][-TRIES_KEPT:]
    if not delivery.is_dirty:
        delivery.is_dirty = True
        state.changes.deliveries.append(delivery)
    if event.outcome in (DeliveryState.DELIVERED, DeliveryState.DEAD):
        delivery.state, delivery.done_ms = DeliveryState(event.outcome), at_ms
        applied.alerts += judge_channel(state, delivery, place, at_ms)


def _create_token(state: State, event: TokenCreated, at_ms: int) -> None:
    token = Token(
        token_id=event.token_id,
        scope=event.scope,
        sha256=event.sha256,
        note=event.note,
        created_ms=at_ms,
        expires_ms=event.expires_ms,
        author=event.author,
        is_dirty=True,
    )
    state.tokens[event.token_id] = token
    state.changes.tokens.append(token)


def _revoke_token(state: State, event: TokenRevoked, at_ms: int) -> None:
    token = state.tokens.get(event.token_id)
    if token is None or token.revoked_ms is not None:
        return
    token.revoked_ms = at_ms
    if not token.is_dirty:
        token.is_dirty = True
        state.changes.tokens.append(token)


def _change_user(state: State, event: UserSet | UserRemoved, at_ms: int) -> None:
    state.changes.users[event.name] = None
    if isinstance(event, UserRemoved):
        state.users.pop(event.name, None)
        return
    known = state.users.get(event.name)
    state.users[event.name] = User(
        name=event.name,
        scope=event.scope,
        password_ref=event.password_ref,
        created_ms=at_ms if known is None else known.created_ms,
        changed_ms=at_ms,
        author=event.author,
    )
