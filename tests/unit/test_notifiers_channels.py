"""What each channel says to its far side, judged without one."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from jobsight.errors import ConfigError, DeliveryError
from jobsight.notifiers import alertmanager, ntfy, pagerduty, slack, smtp, webhook
from jobsight.notifiers.base import Making, Notification, NotificationKind, cleaned
from jobsight.notifiers.command import variables_of
from jobsight.notifiers.mail import checked_address, mail_of, message_id
from jobsight.notifiers.masking import Secret
from jobsight.notifiers.registry import KINDS, channel_from_table, channel_from_url
from jobsight.notifiers.settings import settings_from
from jobsight.notifiers.templates import Templates, Texts
from jobsight.testing.notifiers import HOSTILE, NOW_MS, a_hostile_notification, a_notification

TEXTS = Templates(where="channels.ops")


def words(notification: Notification, *, with_html: bool = False) -> Texts:
    return TEXTS.texts(notification, with_html=with_html)


# ------------------------------------------------------------------------------------------------------------- webhook


def test_the_signature_is_the_one_of_standard_webhooks() -> None:
    """Any library for Standard Webhooks verifies ours. Source: the test vector of that specification."""
    headers = webhook.signature(
        b'{"test": 2432232314}',
        secret=Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at_s=1614265330,
    )

    assert {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    } == headers


def test_a_body_stays_the_same_over_its_tries() -> None:
    """A receiver that compares bodies sees one event; only the time of the try is signed anew."""
    settings = settings_from(
        webhook.WebhookSettings, {"url": "https://a.example/", "secret": "x"}, where="channels.ops"
    )
    first, second = (
        webhook.signed_event(settings, a_notification(), words(a_notification()), source="s", now_ms=now_ms)
        for now_ms in (NOW_MS, NOW_MS + 60_000)
    )

    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_an_event_has_what_cloudevents_asks_for() -> None:
    """Source: CloudEvents 1.0.2, required attributes; the type tells a trigger from a resolve."""
    event = webhook.event_of(a_notification(), words(a_notification()), source="https://jobs.example.org")

    assert ("1.0", "https://jobs.example.org", "jobsight.alert.trigger") == (
        event["specversion"],
        event["source"],
        event["type"],
    )
    assert "jobsight:0123456789abcdef:42:trigger:0" == event["id"]
    assert "2026-09-21T14:13:20.000Z" == event["time"]
    assert ("nightly-backup", "Connection timeout", 3) == (
        event["subject"],
        event["data"]["error"],
        event["data"]["failures_in_row"],
    )


# ---------------------------------------------------------------------------------------------------------------- mail


def a_mail(notification: Notification) -> Any:
    texts = words(notification, with_html=True)
    return mail_of(notification, texts, sender="jobs@example.org", recipients=["ana@example.org", "ben@example.org"])


def test_what_follows_a_trigger_stands_in_its_thread() -> None:
    """A night of repeats and the recovery are one conversation in the reader's mailbox."""
    trigger = a_mail(a_notification())["Message-ID"]

    assert trigger == message_id("jobsight:0123456789abcdef:42:trigger:0", domain="example.org")
    assert a_mail(a_notification())["In-Reply-To"] is None
    for kind in (NotificationKind.REPEAT, NotificationKind.ACKNOWLEDGE, NotificationKind.RESOLVE):
        mail = a_mail(a_notification(kind))

        assert (trigger, trigger) == (mail["In-Reply-To"], mail["References"])
        assert trigger != mail["Message-ID"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_mail_holds_only_the_headers_that_we_wrote(text: str) -> None:
    """A job cannot add a recipient, end the headers early, or run a script in a mailbox."""
    mail = a_mail(cleaned(a_hostile_notification(text)))
    html = str(mail.get_body(("html",)).get_content())

    assert {
        "From", "To", "Subject", "Date", "Message-ID", "X-Jobsight-Alert", "X-Jobsight-Kind", "Auto-Submitted",
        "X-Auto-Response-Suppress", "MIME-Version", "Content-Type",
    } == set(mail.keys())  # fmt: skip
    assert "ana@example.org, ben@example.org" == mail["To"]
    assert "<script" not in html
    assert "onerror=alert(1)>" not in html
    assert "javascript:" not in html
    assert max(len(line) for line in mail.as_bytes().split(b"\r\n")) <= 998


def test_a_mail_answers_no_holiday_notes() -> None:
    """Source: RFC 3834."""
    assert "auto-generated" == a_mail(a_notification())["Auto-Submitted"]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ana",
        "ana@",
        "@example.org",
        "ana@example.org\r\nBcc: eve@example.org",
        "Ana <ana@example.org>",
        "a b@c.example",
    ],
)
def test_what_is_no_mail_address_is_refused(address: str) -> None:
    """An address that cannot stand in an envelope is found when the configuration is read, not at night."""
    with pytest.raises(ConfigError, match=r"channels\.ops\.to"):
        checked_address(address, where="channels.ops.to")


@pytest.mark.parametrize(
    ("table", "url"),
    [
        ({"to": ["ana@example.org"]}, "mailto:ana@example.org"),
        ({"to": ["ana@example.org", "b+c@example.org"]}, "mailto:ana@example.org,b%2Bc@example.org"),
        (
            {
                "to": ["a@b.example"],
                "from": "j@b.example",
                "host": "m.example",
                "port": 587,
                "username": "u",
                "password": "p/w",
            },
            "smtp://u:p%2Fw@m.example:587?to=a@b.example&from=j@b.example",
        ),
        ({"to": ["a@b.example"], "tls": "implicit", "host": "m.example"}, "smtps://m.example?to=a@b.example"),
    ],
)
def test_a_mail_channel_fits_into_one_url(table: dict[str, Any], url: str) -> None:
    """The shortest configuration is one line."""
    assert table == smtp.settings_from_url(url)


@pytest.mark.parametrize(
    ("tls", "port", "table"),
    [
        ("none", 25, {}),
        ("starttls", 587, {"host": "m.example"}),
        ("implicit", 465, {"host": "m.example", "port": 465}),
        ("starttls", 25, {"host": "m.example", "port": 25}),
        ("starttls", 587, {"port": 587}),
        ("none", 2525, {"host": "m.example", "port": 2525, "tls": "none"}),
    ],
)
def test_mail_is_encrypted_unless_it_stays_on_this_host(tls: str, port: int, table: dict[str, Any]) -> None:
    """Nobody sends alerts in the clear by leaving a setting out."""
    settings = settings_from(smtp.SmtpSettings, {"to": ["a@b.example"], **table}, where="channels.ops")
    server = smtp._Server(settings, where="channels.ops")

    assert (tls, port) == (server.tls, server.port)


def test_mailto_uses_the_mail_server_that_is_set() -> None:
    """`mailto:` alone is enough where the host has a mail server, or one is set for all."""
    channel = channel_from_url(
        "mailto:ana@example.org",
        Making(name="mail", environment={"PW": "x"}),
        mail_server={
            "host": "m.example",
            "from": "j@b.example",
            "username": "u",
            "password": "${PW}",
            "to": ["x@y.example"],
        },
    )

    assert isinstance(channel, smtp.Smtp)
    assert ("m.example", 587) == (channel._server.host, channel._server.port)
    assert (["ana@example.org"], "j@b.example") == (channel._recipients, channel._sender)


# --------------------------------------------------------------------------------------------------------------- slack


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_message_mentions_nobody_and_keeps_its_limits(text: str) -> None:
    """A job cannot wake a whole company with `@channel`, nor make Slack refuse the alert by its length."""
    notification = cleaned(a_hostile_notification(text))
    fallback = slack.fallback(words(notification))
    blocks = list(slack.blocks(notification, words(notification), is_templated=False))

    assert "<" not in fallback.replace("&lt;", "")
    assert "@here" not in fallback
    assert 2 == fallback.count("```")
    assert len(fallback) < 4_000
    assert len(blocks) <= 50
    for block in blocks:
        assert len(str(block.get("text", {}).get("text", ""))) <= 3_000
        assert "mrkdwn" not in str(block)


def test_a_message_has_buttons_for_its_links() -> None:
    """Acknowledging is one tap away."""
    blocks = list(slack.blocks(a_notification(), words(a_notification()), is_templated=False))
    buttons = next(block["elements"] for block in blocks if block["type"] == "actions")

    assert ["Open", "Acknowledge", "Silence"] == [button["text"]["text"] for button in buttons]
    assert "https://jobs.example.org/ack/42?sig=a&at=1" == buttons[1]["url"]


# ----------------------------------------------------------------------------------------------------------- pagerduty


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("trigger", NotificationKind.TRIGGER),
        ("trigger", NotificationKind.REPEAT),
        ("acknowledge", NotificationKind.ACKNOWLEDGE),
        ("resolve", NotificationKind.RESOLVE),
        ("trigger", NotificationKind.SUMMARY),
        ("trigger", NotificationKind.TEST),
    ],
)
def test_an_incident_follows_its_alert(action: str, kind: NotificationKind) -> None:
    """One dedup key from trigger to resolve; only a trigger carries a payload."""
    event = pagerduty.event_of(a_notification(kind), words(a_notification(kind)), routing_key="r", source="s")

    assert (action, "jobsight:0123456789abcdef:42") == (event["event_action"], event["dedup_key"])
    assert (action == "trigger") == ("payload" in event)


@pytest.mark.parametrize(
    ("severity", "ours"),
    [
        ("critical", "critical"),
        ("error", "error"),
        ("warning", "warning"),
        ("info", "info"),
        ("error", "page"),
        ("error", ""),
    ],
)
def test_a_severity_is_one_that_pagerduty_knows(severity: str, ours: str) -> None:
    """An unknown one would be refused with 400, and nobody woken."""
    event = pagerduty.event_of(
        replace(a_notification(), severity=ours), words(a_notification()), routing_key="r", source="s"
    )

    assert severity == event["payload"]["severity"]


def test_a_test_wakes_nobody() -> None:
    """A trial of the channel arrives as `info`."""
    test = a_notification(NotificationKind.TEST)

    assert "info" == pagerduty.event_of(test, words(test), routing_key="r", source="s")["payload"]["severity"]


def test_an_event_stays_below_what_pagerduty_takes() -> None:
    """Source: an event may have 512 KB, its summary 1,024 characters."""
    for text in HOSTILE:
        hostile = cleaned(a_hostile_notification(text))
        event = pagerduty.event_of(hostile, words(hostile), routing_key="r", source="s")

        assert len(msgspec.json.encode(event)) < 512_000
        assert 0 < len(event["payload"]["summary"]) <= 1_024


# -------------------------------------------------------------------------------------------------------- alertmanager


def test_an_alert_keeps_its_labels_from_trigger_to_resolve() -> None:
    """Alertmanager knows an alert by its labels: one that changed would never resolve."""
    alerts = [
        alertmanager.alert_of(a_notification(kind), words(a_notification(kind)), now_ms=NOW_MS)
        for kind in NotificationKind
    ]

    assert 1 == len({msgspec.json.encode(alert["labels"]) for alert in alerts})
    assert ("job_failed", "nightly-backup", "prod") == tuple(
        alerts[0]["labels"][name] for name in ("alertname", "task", "env")
    )


def test_an_alert_ends_by_itself_unless_told_again() -> None:
    """If Jobsight goes away, Alertmanager says so by letting the alert end after five minutes, not before."""
    firing = alertmanager.alert_of(a_notification(), words(a_notification()), now_ms=NOW_MS)
    resolve = a_notification(NotificationKind.RESOLVE)
    resolved = alertmanager.alert_of(resolve, words(resolve), now_ms=NOW_MS + 5_000)

    assert ("2026-09-21T14:03:20.000Z", "2026-09-21T14:18:20.000Z") == (firing["startsAt"], firing["endsAt"])
    assert "2026-09-21T14:13:20.000Z" == resolved["endsAt"]


def test_a_resolve_is_over_even_when_clocks_disagree() -> None:
    """An end before the start, or after now, would be refused or taken as firing."""
    odd = replace(a_notification(NotificationKind.RESOLVE), opened_ms=NOW_MS + 9_000, resolved_ms=NOW_MS + 5_000)
    alert = alertmanager.alert_of(odd, words(odd), now_ms=NOW_MS)

    assert "2026-09-21T14:13:20.000Z" == alert["startsAt"] == alert["endsAt"]


def test_a_label_of_a_job_takes_no_name_of_ours() -> None:
    """A job that calls a label `severity` or `dedup_key` cannot mislead the routing; odd names become valid ones."""
    odd = replace(
        a_notification(), labels={"severity": "info", "dedup_key": "x", "a-b": "1", "9": "2", "": "3", "ü": "4"}
    )
    labels = alertmanager.alert_of(odd, words(odd), now_ms=NOW_MS)["labels"]

    assert ("critical", "jobsight:0123456789abcdef:42") == (labels["severity"], labels["dedup_key"])
    assert ("info", "1", "2", "3") == tuple(labels[name] for name in ("label_severity", "a_b", "label_9", "label_"))


def test_only_alertmanager_wants_to_be_told_again() -> None:
    """The dispatcher learns by an attribute which far side forgets."""
    forgetful = channel_from_url("alertmanager+http://127.0.0.1:9093", Making(name="am"))
    other = channel_from_url("https://hooks.example.org/x", Making(name="ops"))

    assert (60_000, 300_000) == (forgetful.repost_every_ms, forgetful.repost_resolved_ms)
    assert (None, 0) == (other.repost_every_ms, other.repost_resolved_ms)


# ---------------------------------------------------------------------------------------------------------------- ntfy


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_push_message_stays_a_message(text: str) -> None:
    """A text above 4,096 bytes would arrive as a file that a locked phone does not show."""
    hostile = cleaned(a_hostile_notification(text))

    assert len(ntfy.message_of(hostile, words(hostile), topic="t")["message"].encode()) <= 4_096


def test_a_critical_alert_breaks_through_and_its_recovery_does_not() -> None:
    """The highest priority overrides a silent phone; good news can wait for the morning."""
    priorities = {
        kind: ntfy.message_of(a_notification(kind), words(a_notification(kind)), topic="t")["priority"]
        for kind in NotificationKind
    }

    assert (5, 5, 3, 2, 3) == tuple(
        priorities[NotificationKind(kind)] for kind in ("trigger", "repeat", "resolve", "acknowledge", "test")
    )


# ---------------------------------------------------------------------------------------------------- command, registry


def test_a_command_finds_plain_values_in_its_environment() -> None:
    """A shell script of three lines needs no JSON."""
    variables = variables_of(
        {"task": "nightly", "count": 4, "owner": None, "labels": {"a": "b"}, "error": "x" * 100_000}
    )

    assert ("nightly", "4") == (variables["JOBSIGHT_TASK"], variables["JOBSIGHT_COUNT"])
    assert {"JOBSIGHT_TASK", "JOBSIGHT_COUNT", "JOBSIGHT_ERROR"} == set(variables)
    assert len(variables["JOBSIGHT_ERROR"].encode()) <= 16_384


@pytest.mark.parametrize(
    "table", [{"command": []}, {"command": [""]}, {"command": ["a\0b"]}, {"command": ["a"], "timeout_seconds": 31}]
)
def test_a_command_that_cannot_run_is_refused_at_start(table: dict[str, Any]) -> None:
    """A mistake shows when the configuration is read."""
    with pytest.raises(ConfigError, match=r"channels\.ops"):
        channel_from_table({"type": "command", **table}, Making(name="ops"))


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("webhook", "https://hooks.example.org/x"),
        ("slack", "https://hooks.slack.com/services/T/B/X"),
        ("slack", "slack+https://mattermost.example.org/hooks/x"),
        ("pagerduty", "pagerduty://0123456789abcdef"),
        ("alertmanager", "alertmanager+http://127.0.0.1:9093"),
        ("ntfy", "ntfy://ntfy.sh/topic"),
        ("ntfy", "ntfy+http://10.0.0.5/topic"),
        ("smtp", "mailto:ana@example.org"),
        ("apprise", "tgram://bot/chat"),
        ("apprise", "apprise+mailto://ana@example.org"),
        ("apprise", "command+https://x"),
    ],
)
def test_a_url_names_its_channel(kind: str, url: str) -> None:
    """A URL pasted from the service is enough; the rest goes to Apprise; a command is never made from a URL."""
    from jobsight.notifiers.registry import _kind_of

    assert kind == _kind_of(url)[0]


def test_every_type_can_be_made_by_a_url_or_says_that_it_cannot() -> None:
    """The registry is complete."""
    assert {"command"} == {name for name, kind in KINDS.items() if not kind.has_url}


def test_apprise_shows_nothing_on_the_monitors_own_desktop() -> None:
    """A window on a server is an alert that nobody sees."""
    with pytest.raises(ConfigError, match="where nobody reads them"):
        channel_from_url("gnome://", Making(name="ops"))


def test_a_delivery_error_says_when_to_try_again() -> None:
    """The dispatcher decides by these three alone."""
    error = DeliveryError("it answered 404", 0, is_refusal=True)

    assert ("it answered 404", 0, True) == (str(error), error.retry_after_ms, error.is_refusal)
    assert DeliveryError("never", None).retry_after_ms is None


def test_a_program_that_is_missing_is_a_refusal() -> None:
    """A typing mistake in a path is told after three tries, not after a day."""
    channel = channel_from_table({"type": "command", "command": ["/nowhere/at/all"]}, Making(name="ops"))

    with pytest.raises(DeliveryError, match="cannot be started") as caught:
        asyncio.run(channel.send(a_notification(), now_ms=NOW_MS))
    assert caught.value.is_refusal
