"""A channel that gave a notification up: an alert about it goes through every other channel, until it delivers again."""

from __future__ import annotations

from collections.abc import Sequence

from jobsight.core.alert import Alert, AlertKind, fingerprint_of
from jobsight.core.alerting import resolve
from jobsight.core.outbox import Delivery, DeliveryState
from jobsight.core.rules import CHANNEL_BROKEN
from jobsight.core.self_alerts import count_trouble
from jobsight.core.state import State


def judge_channel(state: State, delivery: Delivery, place: int, at_ms: int) -> list[Alert]:
    """
    What the end of a delivery says of its channel.

    Args:
        delivery: As it stands now, with the detail of its last try.
        place: In the log, of the event that tells of it.
        at_ms: Accept time, ms UTC.

    Returns:
        The alert of the channel, where it was opened, counted up or resolved.
    """
    alert = state.open_by_fingerprint.get(_fingerprint(delivery.channel))
    if delivery.state == DeliveryState.DELIVERED:
        return forgive_channels(state, [delivery.channel], at_ms)
    # That no channel could be told of a broken one is no news: two broken ones would tell of each other for ever.
    is_about_a_channel = delivery.notice.rule == CHANNEL_BROKEN
    if delivery.channel not in state.routing.channels or (alert is not None and is_about_a_channel):
        return []
    text = f"channel {delivery.channel} gave up a notification: {delivery.detail}"
    return [count_trouble(state, CHANNEL_BROKEN, delivery.channel, text, delivery.detail, place, at_ms)]


def forgive_channels(state: State, channels: Sequence[str], at_ms: int) -> list[Alert]:
    """These channels work again, or are no more: their alerts are resolved, and returned."""
    found = [state.open_by_fingerprint.get(_fingerprint(channel)) for channel in channels]
    alerts = [alert for alert in found if alert is not None]
    for alert in alerts:
        resolve(state, alert, AlertKind.ENDED, at_ms)
    return alerts


def _fingerprint(channel: str) -> str:
    return fingerprint_of(CHANNEL_BROKEN, None, channel, "")
