"""The real Alertmanager takes what we post."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import msgspec
import pytest
from msgspec.structs import replace

from jobsight.engine.reposts import Forgetful
from jobsight.errors import DeliveryError
from jobsight.notifiers.base import Making, Notification, NotificationKind
from jobsight.notifiers.registry import channel_from_url
from jobsight.testing.notifiers import HOSTILE, a_hostile_notification, a_notification
from jobsight.testing.sinks import closed_port

START_SECONDS_MAX = 20

CONFIG = """
route:
  receiver: nobody
receivers:
  - name: nobody
"""


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    """Its address, while the test runs; a fresh one each time."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip("prometheus-alertmanager is not installed")
    (tmp_path / "alertmanager.yml").write_text(CONFIG)
    url = f"http://127.0.0.1:{closed_port()}"
    command = [program, f"--config.file={tmp_path}/alertmanager.yml", f"--storage.path={tmp_path}"]
    command += [f"--web.listen-address={url[len('http://') :]}", "--cluster.listen-address=", "--log.level=error"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        _wait_until_ready(url, process)
        yield url
    finally:
        process.kill()
        process.communicate()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            with urlopen(f"{url}/-/ready", timeout=1):
                return
        except (URLError, OSError):
            continue
    raise AssertionError(
        f"Alertmanager did not start: {process.communicate(timeout=1) if process.poll() else 'no answer'}"
    )


def alerts_of(url: str) -> list[dict[str, Any]]:
    with urlopen(f"{url}/api/v2/alerts", timeout=10) as answer:
        found: list[dict[str, Any]] = msgspec.json.decode(answer.read())
    return found


def send(url: str, *notifications: Notification, now_ms: int) -> None:
    async def run() -> None:
        channel = channel_from_url(f"alertmanager+{url}", Making(name="am"))
        for notification in notifications:
            await channel.send(notification, now_ms=now_ms)
        await channel.close()

    asyncio.run(run())


def at(kind: NotificationKind, now_ms: int) -> Notification:
    over_ms = now_ms if kind is NotificationKind.RESOLVE else None
    return replace(a_notification(kind), at_ms=now_ms, opened_ms=now_ms - 600_000, resolved_ms=over_ms)


@pytest.mark.slow
def test_an_alert_fires_once_and_resolves(alertmanager: str) -> None:
    """However often it is told again, it is one alert to Alertmanager, until its resolve ends it."""
    now_ms = int(time.time() * 1000)
    firing = [
        at(kind, now_ms) for kind in (NotificationKind.TRIGGER, NotificationKind.REPEAT, NotificationKind.ACKNOWLEDGE)
    ]
    send(alertmanager, *firing, now_ms=now_ms)
    open_alerts = alerts_of(alertmanager)
    send(alertmanager, at(NotificationKind.RESOLVE, now_ms), now_ms=now_ms)

    assert 1 == len(open_alerts)
    assert "jobsight:0123456789abcdef:42" == open_alerts[0]["labels"]["dedup_key"]
    assert "true" == open_alerts[0]["annotations"]["acknowledged"]
    assert "https://jobs.example.org/alerts/42" == open_alerts[0]["generatorURL"]
    assert [] == alerts_of(alertmanager)


@pytest.mark.slow
def test_what_an_alertmanager_has_forgotten_it_is_told_again(alertmanager: str) -> None:
    """An empty one knows all open alerts after one more post, and that somebody watches."""
    now_ms = int(time.time() * 1000)
    told = [replace(at(NotificationKind.REPEAT, now_ms), dedup_key=f"jobsight:0:{number}") for number in range(3)]

    async def run() -> None:
        channel = channel_from_url(f"alertmanager+{alertmanager}", Making(name="am"))
        assert isinstance(channel, Forgetful)
        await channel.repost(told, is_well=True, now_ms=now_ms)
        await channel.repost(told[:1], is_well=True, now_ms=now_ms + 60_000)
        await channel.close()

    asyncio.run(run())
    found = alerts_of(alertmanager)
    keys = sorted(alert["labels"].get("dedup_key", alert["labels"]["alertname"]) for alert in found)

    assert ["Watchdog", "jobsight:0:0", "jobsight:0:1", "jobsight:0:2"] == keys


@pytest.mark.slow
def test_a_late_resolve_does_not_end_the_next_episode(alertmanager: str) -> None:
    """A resolve is posted again for five minutes; an alert that opens meanwhile stays open."""
    now_ms = int(time.time() * 1000)
    resolve = at(NotificationKind.RESOLVE, now_ms)
    next_episode = replace(at(NotificationKind.TRIGGER, now_ms), dedup_key="jobsight:0123456789abcdef:43")
    send(alertmanager, resolve, next_episode, resolve, now_ms=now_ms)

    assert ["jobsight:0123456789abcdef:43"] == [alert["labels"]["dedup_key"] for alert in alerts_of(alertmanager)]


@pytest.mark.slow
def test_alertmanager_takes_whatever_jobs_report(alertmanager: str) -> None:
    """No text of a job makes an alert invalid: a refused alert is a missed page."""
    now_ms = int(time.time() * 1000)
    hostile = [
        replace(a_hostile_notification(text), at_ms=now_ms, opened_ms=now_ms, dedup_key=f"jobsight:f:{number}")
        for number, text in enumerate(HOSTILE)
    ]
    send(alertmanager, *hostile, now_ms=now_ms)

    assert len(HOSTILE) == len(alerts_of(alertmanager))


@pytest.mark.slow
def test_a_wrong_path_is_a_refusal(alertmanager: str) -> None:
    """A mistake in the URL is told after three tries."""
    with pytest.raises(DeliveryError, match="404") as caught:
        send(f"{alertmanager}/elsewhere", a_notification(), now_ms=0)
    assert caught.value.is_refusal
