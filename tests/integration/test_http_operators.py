"""What operators do over HTTP: each change is an event with its author, shows in the next answer, and is found in the audit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_service import Service, service, until
from sinks_beside import beside

from jobsight.testing.sinks import HttpSink, http_sink

pytestmark = pytest.mark.slow

API = "/api/v1/"


@pytest.fixture(scope="module")
def hook() -> Iterator[HttpSink]:
    """A far side."""
    with beside(http_sink) as (sink,):
        yield sink


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, hook: HttpSink) -> Iterator[Service]:
    """A service with one channel that works, and one that nobody answers."""
    config = f"""
[channels.hook]
type = "webhook"
url = "{hook.url("/secret-path")}"

[channels.broken]
type = "webhook"
url = "http://127.0.0.1:9/other-secret"

[checks.from-file]
max_runtime = "1h"

[maintenance.patching]
match = ["queue=db*"]
schedule = "0 2 * * 0"
duration = "2h"

[routes.all]
channels = ["hook"]

[routes.all.routes.broken]
match = ["task=only-broken"]
channels = ["broken"]
"""
    with service(tmp_path_factory.mktemp("operators"), config=config) as one:
        yield one


def call(one: Service, method: str, path: str, body: object = None, *, token: str | None = None) -> httpx.Response:
    """One request as an operator makes it."""
    with one.client(token) if token is not None else one.control() as client:
        return client.request(method, API + path, json=body)


def ask(one: Service, path: str) -> dict[str, Any]:
    """One query."""
    answer = call(one, "GET", path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def fail(one: Service, task: str, **further: Any) -> str:
    """An alert of a task; its id, once it is in the list."""
    one.post({"type": "job_failed", "job_id": f"job of {task}", "task": task, "error": "no disk", **further})
    found = until(lambda: ask(one, f"alerts?task={task}&state=open")["alerts"], "the alert")
    return str(found[0]["alert_id"])


def test_a_check_is_set_shown_changed_and_removed(running: Service) -> None:
    """What was set comes back as it was written, and can be set again; the next answer knows it."""
    wanted = {"schedule": "0 2 * * *", "tz": "Europe/Berlin", "start_grace": "1h30m", "severity": "warning"}
    made = call(running, "PUT", "checks/billing/export", {**wanted, "measures": {"rows": {"min": 1}}})
    again = call(running, "PUT", "checks/billing/export", {**made.json()["check"], "owner": "ana"})
    shown = ask(running, "checks/billing/export")
    listed = ask(running, "checks?origin=api")
    removed = call(running, "DELETE", "checks/billing/export")

    assert (201, 200, 200) == (made.status_code, again.status_code, removed.status_code)
    assert {**wanted, "measures": {"rows": {"min": 1}}, "owner": "ana"} == shown["check"]
    assert ("new", "api") == (shown["state"], shown["origin"])
    assert shown["next_slot_ms"] + 90 * 60_000 == shown["deadline_ms"]
    assert "billing/export" in [one["task"] for one in listed["checks"]]
    assert 404 == call(running, "GET", "checks/billing/export").status_code
    assert 404 == call(running, "DELETE", "checks/billing/export").status_code


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"heartbeat": "often"}, "heartbeat: expected a length of time like 90s, 15m, 1h30m or 2d"),
        ({"schedule": "61 * * * *"}, "schedule: schedule '61 * * * *': the minute, '61', cannot be read"),
        ({"tz": "Europe/Berlin"}, "tz: expected a schedule beside it"),
        ({"heartbeet": "5m"}, "heartbeet"),
        ({"start_grace": "soon", "labels": {"": "x"}}, "start_grace: expected a length of time"),
    ],
)
def test_a_check_that_cannot_be_read_is_refused_in_words(running: Service, body: object, text: str) -> None:
    """The refusal names the field and what was expected there, and nothing was changed."""
    answer = call(running, "PUT", "checks/nonsense", body)

    assert 400 == answer.status_code
    assert text in answer.json()["text"]
    assert 404 == call(running, "GET", "checks/nonsense").status_code


def test_the_configuration_file_stands_above_the_api_and_the_api_above_reports(running: Service) -> None:
    """A check of the file cannot be changed elsewhere; one of the API is not changed by a report."""
    call(running, "PUT", "checks/mine", {"max_runtime": "2h"})
    running.post({"type": "heartbeat", "job_id": "m1", "task": "mine", "check": {"max_runtime": "1m"}})
    running.post({"type": "heartbeat", "job_id": "f1", "task": "from-file", "check": {"max_runtime": "1m"}})

    assert 409 == call(running, "PUT", "checks/from-file", {"max_runtime": "2h"}).status_code
    assert 409 == call(running, "DELETE", "checks/from-file").status_code
    assert 409 == call(running, "DELETE", "maintenance/patching").status_code
    assert {"max_runtime": "1h"} == ask(running, "checks/from-file")["check"]
    assert {"max_runtime": "2h"} == ask(running, "checks/mine")["check"]


def test_an_alert_is_found_by_each_of_its_sides_and_followed_to_its_end(running: Service) -> None:
    """Filters find it, an acknowledgement and a resolve show at once, and a second resolve is refused."""
    alert_id = fail(running, "sides", queue="q7")
    for query in ("rule=job_failed", "severity=critical", "queue=q7", "since=1h", "state=firing"):
        assert alert_id in [one["alert_id"] for one in ask(running, f"alerts?task=sides&{query}")["alerts"]], query
    for query in ("rule=missed", "severity=warning", "queue=other", "state=resolved"):
        assert [] == ask(running, f"alerts?task=sides&{query}")["alerts"], query
    taken = call(running, "POST", f"alerts/{alert_id}/acknowledge", {"by": "ana", "comment": "on it"}).json()["alert"]
    listed = ask(running, "alerts?task=sides&state=acknowledged")["alerts"]
    over = call(running, "POST", f"alerts/{alert_id}/resolve", {}).json()["alert"]
    shown = ask(running, f"alerts/{alert_id}")

    assert ("acknowledged", "ana", "on it") == (taken["state"], taken["by"], taken["comment"])
    assert [alert_id] == [one["alert_id"] for one in listed]
    assert ("resolved", "by_hand") == (over["state"], over["reason"])
    assert ["trigger", "acknowledge", "resolve"] == [one["kind"] for one in shown["deliveries"]]
    assert 409 == call(running, "POST", f"alerts/{alert_id}/acknowledge", {}).status_code
    assert 404 == call(running, "POST", "alerts/nothing-7/acknowledge", {}).status_code


def test_a_bulk_action_says_its_count_first_and_then_does_just_that(running: Service) -> None:
    """`dry_run` changes nothing; the same request without it acts on as many."""
    ids = {fail(running, f"bulk.{place}") for place in (1, 2, 3)}
    wish = {"match": ["task=bulk.*", "rule=job_failed"], "comment": "known"}
    tried = call(running, "POST", "alerts/acknowledge", {**wish, "dry_run": True}).json()
    before = ask(running, "alerts?state=acknowledged")["alerts"]
    done = call(running, "POST", "alerts/acknowledge", wish).json()
    over = call(running, "POST", "alerts/resolve", wish).json()

    assert (3, ids, False) == (tried["count"], set(tried["ids"]), tried["is_done"])
    assert [] == [one for one in before if one["alert_id"] in ids]
    assert (3, True) == (done["count"], done["is_done"])
    assert 3 == over["count"]
    assert 400 == call(running, "POST", "alerts/resolve", {"match": []}).status_code


def test_a_silence_holds_back_what_matches_until_it_is_ended(running: Service, hook: HttpSink) -> None:
    """It is tried, made, holds, and is ended: then what still fires is told once."""
    wish = {"match": ["task=quiet*"], "duration": "2h", "comment": "deploy"}
    tried = call(running, "POST", "silences", {**wish, "dry_run": True})
    made = call(running, "POST", "silences", wish).json()
    alert_id = fail(running, "quiet.one")
    held = ask(running, f"alerts/{alert_id}")
    listed = [one for one in ask(running, "silences")["silences"] if one["silence_id"] == made["silence_id"]]
    ended = call(running, "DELETE", f"silences/{made['silence_id']}")
    told = until(lambda: ask(running, f"alerts/{alert_id}")["deliveries"], "the notification after the silence")

    assert (200, None) == (tried.status_code, tried.json()["silence_id"])
    assert "silence" == held["alert"]["suppressed"]
    assert [] == held["deliveries"]
    assert [("active", ["task=quiet*"], "deploy", 1)] == [
        (one["state"], one["match"], one["comment"], one["alerts"]) for one in listed
    ]
    assert 200 == ended.status_code
    assert ["trigger"] == [one["kind"] for one in told]
    assert 404 == call(running, "DELETE", f"silences/{made['silence_id']}").status_code


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ({"match": ["task=a"]}, "expected either ends or duration; a silence has an end"),
        ({"match": ["task=a"], "duration": "100d"}, "at most 90d"),
        ({"match": ["task=a"], "ends": "2020-01-01T00:00:00Z"}, "in the future"),
        ({"match": ["task"], "duration": "1h"}, "match: expected NAME=GLOB or NAME!=GLOB"),
        ({"match": ["task=a"], "ends": "tomorrow"}, "ends: expected"),
    ],
)
def test_a_silence_without_an_end_is_refused(running: Service, wish: object, text: str) -> None:
    """Whatever cannot be, is said in words."""
    answer = call(running, "POST", "silences", wish)

    assert 400 == answer.status_code
    assert text in answer.json()["text"]


def test_maintenance_is_planned_and_taken_back(running: Service) -> None:
    """A window that is open at once silences at once; taken back, it does no more, and ended by hand it does not begin anew."""
    made = call(running, "PUT", "maintenance/now", {"match": ["task=m*"], "schedule": "* * * * *", "duration": "10m"})
    found = until(lambda: [s for s in ask(running, "silences")["silences"] if s["maintenance"] == "now"], "the silence")
    shown = [one for one in ask(running, "maintenance")["maintenance"] if one["name"] == "now"]
    gone = call(running, "DELETE", "maintenance/now")

    assert 201 == made.status_code
    assert ["task=m*"] == found[0]["match"]
    assert ["active"] == [one["state"] for one in shown]
    assert 200 == gone.status_code
    assert [] == [one for one in ask(running, "silences")["silences"] if one["maintenance"] == "now"]


def test_channels_show_no_secret_and_answer_a_test(running: Service, hook: HttpSink) -> None:
    """The list says kind and host; a test says whether it was taken, and is on record with who has sent it."""
    channels = {one["name"]: one for one in ask(running, "channels")["channels"]}
    good = call(running, "POST", "channels/hook/test").json()
    bad = call(running, "POST", "channels/broken/test").json()
    tested = ask(running, "audit?action=channel_tested")["entries"]

    assert {"hook", "broken"} == set(channels)
    assert "webhook" == channels["hook"]["type"]
    assert "secret" not in str(channels)
    assert (True, "200") == (good["is_delivered"], good["detail"][:3])
    assert "test" == hook.received[-1].json()["data"]["kind"]
    assert not bad["is_delivered"]
    assert {"hook", "broken"} == {one["subject"] for one in tested}
    assert 404 == call(running, "POST", "channels/nobody/test").status_code


def test_a_drill_goes_through_every_route_to_the_real_channel(running: Service, hook: HttpSink) -> None:
    """Each road is named, and it is on record what has arrived."""
    begun = call(running, "POST", "drills")
    drill = f"drills/{begun.json()['drill_id']}"
    arrived = until(
        lambda: [one for one in ask(running, drill)["roads"] if one["state"] == "delivered"], "the drill to arrive"
    )
    roads = ask(running, drill)["roads"]

    assert 201 == begun.status_code
    assert [("all", "hook"), ("all > broken", "broken")] == [(one["route"], one["channel"]) for one in roads]
    assert ["hook"] == [one["channel"] for one in arrived]
    assert [] == ask(running, "alerts?rule=drill")["alerts"]
    assert any(one.json()["data"]["rule"] == "drill" for one in hook.received)
    assert 404 == call(running, "GET", "drills/nothing").status_code


def test_routes_are_shown_and_asked_whom_they_tell(running: Service) -> None:
    """The tree comes back as it is written; a question is answered by the very function that routes alerts."""
    routes = ask(running, "routes")

    assert {
        "all": {"channels": ["hook"], "routes": {"broken": {"match": ["task=only-broken"], "channels": ["broken"]}}}
    } == (routes["routes"])
    assert ["broken"] == list(ask(running, "routes/whom?task=only-broken")["channels"])
    assert ["hook"] == list(ask(running, "routes/whom?task=another")["channels"])


def test_every_change_stands_in_the_audit_with_its_author(running: Service) -> None:
    """Who was let in is written down, also where another name was given; secrets are not."""
    call(running, "PUT", "checks/audited", {"max_runtime": "2h"})
    call(running, "DELETE", "checks/audited")
    alert_id = fail(running, "audited")
    call(running, "POST", f"alerts/{alert_id}/acknowledge", {"by": "ana"})
    entries = ask(running, "audit?subject=audited")["entries"]
    hands = ask(running, f"audit?subject={alert_id}")["entries"]
    page = ask(running, "audit?limit=1")

    assert ["check_removed", "check_set"] == [one["action"] for one in entries]
    assert all(one["author"].startswith("local:") for one in entries)
    assert {"max_runtime_ms": 7_200_000} == entries[1]["detail"]["expected"]
    assert hands[0]["author"].startswith("ana (local:")
    assert page["cursor"] is not None
    assert page["entries"] != ask(running, f"audit?limit=1&cursor={page['cursor']}")["entries"]
    assert "config" == ask(running, "audit?action=routing_set")["entries"][-1]["author"]


def test_what_is_declared_is_planned_first_and_then_done(running: Service) -> None:
    """`dry_run` says what differs; without it, just that is done; all faults are said at once."""
    before = ask(running, "config")
    wanted = {
        **before,
        "checks": {"from-file": {"max_runtime": "2h"}, "further": {"heartbeat": "5m"}},
        "maintenance": {},
    }
    tried = call(running, "PUT", "config?dry_run=1", wanted).json()
    same = ask(running, "config")
    done = call(running, "PUT", "config", wanted).json()
    after = ask(running, "config")
    back = call(running, "PUT", "config", before).json()
    bad = call(running, "PUT", "config", {"checks": {"a": {"x": 1}}, "routes": {"r": {"channels": ["pager"]}}})

    steps = [(one["verb"], one["kind"], one["name"], one["lines"]) for one in tried["steps"]]
    assert ("change", "check", "from-file", ['~ max_runtime = "1h" -> "2h"']) in steps
    assert ("add", "check", "further", ['+ heartbeat = "5m"']) in steps
    assert {("remove", "maintenance")} == {step[:2] for step in steps} - {("change", "check"), ("add", "check")}
    assert before == same
    assert tried["steps"] == done["steps"]
    assert wanted == after
    assert 3 == len(back["steps"])
    assert 400 == bad.status_code
    assert "checks.a.x" in bad.json()["text"]
    assert (
        'route "r" sends to channel "pager", which is not defined; defined channels: hook, broken' in bad.json()["text"]
    )


def test_each_scope_may_do_its_part_and_no_more(tmp_path: Path) -> None:
    """Reading to see, operating to act, admin for channels and what is declared."""
    with service(tmp_path) as one:
        tokens = {scope: one.create_token(scope) for scope in ("ingest", "read", "operate", "admin")}
        asked = {
            ("GET", "alerts"): "read",
            ("GET", "audit"): "read",
            ("PUT", "checks/a"): "operate",
            ("POST", "silences"): "operate",
            ("POST", "alerts/acknowledge"): "operate",
            ("POST", "channels/a/test"): "admin",
            ("POST", "drills"): "admin",
            ("PUT", "config"): "admin",
        }
        order = list(tokens)
        for (method, path), needed in asked.items():
            refused = [scope for scope in order if call(one, method, path, {}, token=tokens[scope]).status_code == 403]

            assert order[: order.index(needed)] == refused, path
