"""Far sides that forget are told again; the dead-man's switch and systemd hear while the monitor is well, and only then."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from core_state import Applier
from http_service import DEADLINE_S, environment, service, until
from sinks_beside import beside

from jobsight.core.events import AlertAcknowledged, DeliveryResult, JobCompleted, JobFailed, RoutingSet
from jobsight.core.outbox import Delivery
from jobsight.engine.deadman import DeadMan
from jobsight.engine.dispatcher import Dispatcher
from jobsight.engine.reposts import Forgetful, Reposts
from jobsight.notifiers.alertmanager import ALERTS_AT_ONCE, REPOST_RESOLVED_MS
from jobsight.notifiers.base import Making
from jobsight.notifiers.registry import channel_from_url
from jobsight.testing.sinks import HttpSink, http_sink


class Desk:
    """A state whose alerts were told to an Alertmanager that is a sink; time passes when a test says so."""

    def __init__(self, sink: HttpSink) -> None:
        self.sink = sink
        self.applier = Applier()
        self.faults: list[str] = []
        self.said: list[str] = []
        channel = channel_from_url(f"alertmanager+{sink.url('/')}", Making(name="am"))
        assert isinstance(channel, Forgetful)
        self.channel = channel
        self.applier.tell(RoutingSet(channels=["am"], author="test"))
        dispatcher = Dispatcher(
            self.applier.state,
            {"am": channel},
            lambda events, done: None,
            lambda: self.applier.now_ms,
            lambda: self.applier.now_ms,
            lambda: 1.0,
        )
        self.notification_of = dispatcher.notification_of
        self.reposts = Reposts(
            self.applier.state,
            {"am": channel},
            dispatcher.notification_of,
            lambda: self.faults,
            lambda: self.applier.now_ms,
            self.said.append,
        )

    def deliver(self) -> list[Delivery]:
        """All that waits is taken."""
        waiting = list(self.applier.state.outbox.values())
        for one in waiting:
            self.reposts.note_sent(one, self.notification_of(one))
        self.applier.tell(*[DeliveryResult(delivery_id=one.delivery_id, outcome="delivered") for one in waiting])
        for one in waiting:
            self.applier.state.outbox.pop(one.delivery_id, None)
        return waiting

    async def post(self) -> list[dict[str, Any]]:
        """What is told again now."""
        before = len(self.sink.received)
        await self.reposts.post(self.channel)
        return [alert for one in self.sink.received[before:] for alert in one.json()]


@asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    """A desk at work."""
    async with http_sink() as sink:
        one = Desk(sink)
        try:
            yield one
        finally:
            await one.channel.close()  # type: ignore[attr-defined]


def names(alerts: list[dict[str, Any]]) -> list[str]:
    """What each is about, and whether it is acknowledged or over."""
    found = []
    for alert in alerts:
        what = alert["labels"].get("task", alert["labels"]["alertname"])
        mark = "+" if alert["annotations"].get("acknowledged") else ""
        found.append(what + mark)
    return sorted(found)


def test_what_is_open_is_told_again_until_it_is_over_and_that_for_five_minutes() -> None:
    """Firing, acknowledged, resolved: each post has the same labels as the first; what was never told is not told here."""

    async def story() -> list[Any]:
        async with desk() as one:
            one.applier.report(JobFailed(job_id="a", task="a", error="disk full", retries=0))
            untold = names(await one.post())
            (first,) = one.deliver()
            one.applier.now_ms += 60_000
            (told,) = [alert for alert in await one.post() if "task" in alert["labels"]]
            labels = told["labels"] | {"dedup_key": first.dedup_key}
            (alert,) = one.applier.alerts()
            one.applier.tell(AlertAcknowledged(alert_id=alert.alert_id, by="ana"))
            one.deliver()
            acknowledged = names(await one.post())
            one.applier.report(JobCompleted(job_id="b", task="a", duration_ms=1))
            one.deliver()
            one.applier.now_ms += REPOST_RESOLVED_MS
            (over,) = [alert for alert in await one.post() if "task" in alert["labels"]]
            one.applier.now_ms += 1
            return [untold, labels == told["labels"], acknowledged, over["labels"] == labels, over["endsAt"] < told["endsAt"],
                    names(await one.post())]  # fmt: skip

    assert [["Watchdog"], True, ["Watchdog", "a+"], True, True, ["Watchdog"]] == asyncio.run(story())


@pytest.mark.slow
def test_what_was_over_before_a_restart_is_told_again_after_it(tmp_path: Path) -> None:
    """Alertmanager may have missed it: for five minutes it is told again, also by the next process."""
    with beside(http_sink) as (sink,):
        config = f'[channels.am]\ntype = "alertmanager"\nurl = "{sink.url("/")}"\n'

        def told() -> list[dict[str, Any]]:
            return [alert for one in list(sink.received) for alert in one.json() if "task" in alert["labels"]]

        def told_over() -> list[dict[str, Any]]:
            return [alert for alert in told() if datetime.fromisoformat(alert["endsAt"]) <= datetime.now(UTC)]

        with service(tmp_path, config=config) as running:
            running.post({"type": "job_failed", "job_id": "a", "task": "a", "error": "disk full", "retries": 0})
            until(told, "the alert")
            running.post({"type": "job_completed", "job_id": "b", "task": "a", "duration_ms": 1})
            over = until(told_over, "its end")[-1]
        before = len(told_over())
        with service(tmp_path, config=config):
            until(lambda: told_over()[before:], "its end, told again")

    assert (over["labels"], over["endsAt"]) == (told_over()[-1]["labels"], told_over()[-1]["endsAt"])


def test_an_alert_that_opens_again_is_not_ended_by_the_last_one() -> None:
    """The resolve of the first episode is told again beside the second one, each under its own key."""

    async def story() -> tuple[int, list[str]]:
        async with desk() as one:
            for number in range(2):
                one.applier.report(JobFailed(job_id=f"a{number}", task="a", error="disk full", retries=0))
                one.deliver()
                if number == 0:
                    one.applier.report(JobCompleted(job_id="b", task="a", duration_ms=1))
                    one.deliver()
            alerts = [alert for alert in await one.post() if "task" in alert["labels"]]
            return len({alert["labels"]["dedup_key"] for alert in alerts}), names(alerts)

    assert (2, ["a", "a"]) == asyncio.run(story())


def test_nobody_is_told_that_all_is_well_while_it_is_not() -> None:
    """The alert that always fires stops when the monitor is not well; the others go on."""

    async def story() -> list[list[str]]:
        async with desk() as one:
            one.applier.report(JobFailed(job_id="a", task="a", error="disk full", retries=0))
            one.deliver()
            well = names(await one.post())
            one.faults.append("disk: 3 MiB are left")
            return [well, names(await one.post())]

    assert [["Watchdog", "a"], ["a"]] == asyncio.run(story())


def test_many_alerts_go_in_few_requests_and_a_summary_as_one() -> None:
    """A storm is a handful of requests a minute, however many alerts stand in its summaries."""

    async def story() -> tuple[int, int]:
        async with desk() as one:
            for number in range(2_000):
                one.applier.report(JobFailed(job_id=f"j{number}", task=f"t{number}", queue="q", error="no", retries=0))
            one.deliver()
            state = one.applier.state
            for alert in state.open_by_id.values():  # as if each had been told by itself
                alert.told.setdefault(
                    "am", type(next(iter(state.open_by_id.values())).told["am"])(alert.dedup_key, "", 0, 1)
                )
            alerts = await one.post()
            return len(alerts), len(one.sink.received)

    alerts, requests = asyncio.run(story())

    assert 2_001 == alerts
    assert -(-2_001 // ALERTS_AT_ONCE) == requests


def test_a_channel_that_is_away_is_said_once() -> None:
    """No line a minute while Alertmanager is down; and nothing is given up for it."""

    async def story() -> list[str]:
        async with desk() as one:
            one.sink.status = 503
            for _ in range(3):
                await one.post()
            one.sink.status = 200
            await one.post()
            one.sink.status = 503
            await one.post()
            return [text.partition(":")[0] for text in one.said]

    assert ["channel am", "channel am"] == asyncio.run(story())


# ------------------------------------------------------------------------------------------------------ dead-man's switch


def test_the_switch_is_pinged_only_while_all_is_well() -> None:
    """A ping for each beat; none while something is wrong; what is wrong is said once, and so is its end."""

    async def story() -> tuple[int, list[str]]:
        pings, faults, said = 0, [], []

        async def ping() -> None:
            nonlocal pings
            pings += 1

        switch = DeadMan(ping, lambda: faults, said.append)
        await switch.beat()
        faults.append("outbox: a notification waits for 16m")
        await switch.beat()
        await switch.beat()
        faults.clear()
        await switch.beat()
        return pings, said

    pings, said = asyncio.run(story())

    assert 2 == pings
    assert [
        "the dead-man's switch is not pinged: outbox: a notification waits for 16m",
        "the dead-man's switch is pinged again",
    ] == said


@pytest.mark.slow
def test_a_service_pings_its_switch_and_keeps_the_url_to_itself(tmp_path: Path) -> None:
    """The first ping comes with the start; the URL is a secret."""
    with beside(http_sink) as (switch,):
        config = f'[deadman]\nurl = "{switch.url("/s3cr3t-key")}"\n'
        with service(tmp_path, config=config) as running:
            until(lambda: switch.received, "the ping")
            switch.status = 500
            said = running.said()
        assert ("GET", "/s3cr3t-key") == (switch.received[0].method, switch.received[0].target)
        assert "s3cr3t" not in said


@pytest.mark.slow
def test_systemd_hears_that_the_service_is_ready_lives_and_ends(tmp_path: Path) -> None:
    """READY when it can be reached, WATCHDOG in half of the time that the unit gives, STOPPING at the end."""
    path = str(tmp_path / "notify.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        listening.settimeout(DEADLINE_S)
        heard = []
        with service(tmp_path, NOTIFY_SOCKET=path, WATCHDOG_USEC="1000000"):
            while heard.count(b"WATCHDOG=1") < 2:
                heard.append(listening.recv(4096))
        while b"STOPPING=1" not in heard:
            heard.append(listening.recv(4096))

    assert b"READY=1" == heard[0]
    assert {b"READY=1", b"WATCHDOG=1", b"STOPPING=1"} == set(heard)
    assert "NOTIFY_SOCKET" not in environment()
