"""Operators' commands do the same to a folder that nobody holds as to a running service, and write down who has asked."""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from http_service import JOBSIGHT, Service, environment, jobsight, service, until
from sinks_beside import beside

from jobsight.app.writing import open_state
from jobsight.cli.commands import run as command_line
from jobsight.core.events import RoutingSet
from jobsight.testing.sinks import http_sink

pytestmark = pytest.mark.slow

FAILED = {"type": "job_failed", "job_id": "b1", "task": "billing", "error": "Disk \x1b[31mfull \u202e!", "retries": 0}

Run = Callable[..., subprocess.CompletedProcess[str]]
Place = tuple[Run, Callable[[dict[str, Any]], None]]


def here(**variables: str) -> Run:
    """Commands of this very process, under these variables: they start faster."""

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name in [name for name in os.environ if name.startswith("JOBSIGHT_")]:
                patch.delenv(name)
            for name, value in variables.items():
                patch.setenv(name, value)
            code = command_line([str(word) for word in words])
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    return run


@contextmanager
def in_folder(folder: Path) -> Iterator[Place]:
    """Commands on a folder that nobody holds; reports come from a node between them."""
    data = folder / "data"

    def report(message: dict[str, Any]) -> None:
        words = [JOBSIGHT, "node", "--data", str(data)]
        subprocess.run(words, input=json.dumps(message), capture_output=True, text=True, check=True, env=environment())

    yield here(JOBSIGHT_DATA=str(data)), report


@contextmanager
def at_service(folder: Path) -> Iterator[Place]:
    """Commands that ask a service by its URL."""
    with service(folder) as one:

        def report(message: dict[str, Any]) -> None:
            one.post(message)
            until(lambda: rows(run("alerts", "--json")), "the alert")

        run = here(JOBSIGHT_SERVER=one.url)
        yield run, report


@pytest.fixture(params=[in_folder, at_service], ids=["folder", "service"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Both places, one after the other."""
    with request.param(tmp_path) as found:
        yield found


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """What a command prints for programs."""
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def good(done: subprocess.CompletedProcess[str]) -> str:
    """What a command prints for people."""
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    return done.stdout


def test_checks(place: Place) -> None:
    """A check is set field by field, shown, listed, changed and removed; what is wrong is said with exit code 2."""
    run, _ = place
    words = [
        "--schedule",
        "0 2 * * *",
        "--tz",
        "Europe/Berlin",
        "--max-runtime",
        "2h",
        "--measure",
        "rows=1..",
        "--owner",
        "ana",
    ]
    shown = good(run("check", "set", "nightly backup/1", *words, "--label", "team=ops", "--depends-on", "db"))
    changed = rows(run("check", "set", "nightly backup/1", "--unset", "owner", "--severity", "warning", "--json"))[0]
    listed = rows(run("check", "list", "--json"))
    bad = run("check", "set", "nightly backup/1", "--heartbeat", "often")
    removed = good(run("check", "rm", "nightly backup/1"))

    assert "Europe/Berlin" in shown
    assert "rows=1.." in shown
    assert {
        "schedule": "0 2 * * *",
        "tz": "Europe/Berlin",
        "max_runtime": "2h",
        "measures": {"rows": {"min": 1}},
        "severity": "warning",
        "labels": {"team": "ops"},
        "depends_on": ["db"],
    } == changed["check"]
    assert changed["next_slot_ms"] is not None
    assert ["nightly backup/1"] == [one["task"] for one in listed]
    assert 2 == bad.returncode
    assert "heartbeat: expected a length of time" in bad.stderr
    assert "nothing is expected" in removed
    assert [] == rows(run("check", "list", "--json"))
    assert 66 == run("check", "show", "nightly backup/1").returncode


def test_alerts_are_listed_and_taken_care_of(place: Place) -> None:
    """They are found by filters, acknowledged by id or by what they have in common, and resolved once; nothing escapes."""
    run, report = place
    report(FAILED)
    table = good(run("alerts"))
    alert = rows(run("alerts", "--json", "--task", "billing", "--rule", "job_failed", "--severity", "critical"))[0]
    taken = good(run("ack", alert["alert_id"], "--by", "ana", "--comment", "on it"))
    tried = good(run("resolve", "--match", "task=bill*", "--dry-run"))
    still = rows(run("alerts", "--json"))
    over = good(run("resolve", "--match", "task=bill*"))
    again = run("resolve", alert["alert_id"])
    audit = rows(run("audit", "--subject", alert["alert_id"], "--json"))

    assert "Disk \\x1b[31mfull \\u202e!" in table
    assert taken.startswith(f"acknowledged {alert['alert_id']}")
    assert "1 alert would be resolved\n" == tried
    assert [("acknowledged", "ana", "on it")] == [(one["state"], one["by"], one["comment"]) for one in still]
    assert "resolved 1 alert\n" == over
    assert 1 == again.returncode
    assert "resolved already (by_hand)" in again.stderr
    assert "no alerts" in good(run("alerts"))
    assert ["alert_resolved", "alert_acknowledged"] == [one["action"] for one in audit]
    assert audit[1]["author"].startswith("ana (")
    assert 2 == run("ack").returncode
    assert 66 == run("ack", "nothing").returncode


def test_silences_and_maintenance(place: Place) -> None:
    """Both are made, listed with what they match, and ended."""
    run, report = place
    report(FAILED)
    tried = good(run("silence", "add", "task=bill*", "--for", "2h", "--dry-run"))
    made = rows(run("silence", "add", "task=bill*", "rule!=missed", "--for", "2h", "--comment", "deploy", "--json"))[0]
    listed = rows(run("silence", "list", "--json"))
    table = good(run("silence", "list"))
    good(run("maintenance", "add", "patching", "--match", "queue=db*", "--schedule", "0 2 * * 0", "--for", "2h"))
    windows = rows(run("maintenance", "list", "--json"))

    assert "nothing was done; 1 open alert matches\n" == tried
    assert [(made["silence_id"], ["task=bill*", "rule!=missed"], 1)] == [
        (one["silence_id"], one["match"], one["alerts"]) for one in listed
    ]
    assert "deploy" in table
    assert [("patching", "planned", "2h")] == [
        (one["name"], one["state"], one["window"]["duration"]) for one in windows
    ]
    assert 7_200_000 == windows[0]["ends_ms"] - windows[0]["starts_ms"]
    assert "patching" in good(run("maintenance", "list"))
    assert "ended" in good(run("silence", "end", made["silence_id"]))
    assert "removed" in good(run("maintenance", "rm", "patching"))
    assert "no silences" in good(run("silence", "list"))
    assert "no maintenance" in good(run("maintenance", "list"))
    assert 2 == run("silence", "add", "task=a").returncode
    assert 66 == run("silence", "end", "nothing").returncode


def test_what_a_file_declares_is_shown_first_and_then_made(place: Place, tmp_path: Path) -> None:
    """The diff names each field; applied twice, nothing is left to do; removed from the file is removed."""
    run, _ = place
    file = tmp_path / "declared.toml"
    file.write_text(
        '[checks."billing.export"]\nmax_runtime = "1h"\n'
        '[maintenance.patching]\nmatch = ["queue=db*"]\nschedule = "0 2 * * 0"\nduration = "2h"\n'
    )
    tried = good(run("config", "apply", file, "--dry-run"))
    nothing = rows(run("check", "list", "--json"))
    done = good(run("config", "apply", file))
    again = good(run("config", "apply", file))
    refused = run("check", "rm", "billing.export")
    file.write_text('[checks."billing.export"]\nmax_runtime = "2h"\n')
    less = good(run("config", "apply", file))

    assert '+ check billing.export\n    + max_runtime = "1h"\n+ maintenance patching\n' in tried
    assert tried.endswith("2 changes to make\n")
    assert [] == nothing
    assert done.endswith("2 changes made\n")
    assert "all is as it is declared\n" == again
    assert 1 == refused.returncode
    assert "stands in the configuration file" in refused.stderr
    assert '~ check billing.export\n    ~ max_runtime = "1h" -> "2h"\n- maintenance patching\n' in less
    assert [("billing.export", "config")] == [
        (one["task"], one["origin"]) for one in rows(run("check", "list", "--json"))
    ]


def test_routes_are_shown_as_they_stand_in_the_file(tmp_path: Path) -> None:
    """What is printed below the ways through them can be copied into a file, and declares the same."""
    written = """
[routes.night]
match = ["severity=critical"]
times = ["22:00-06:00 Europe/Berlin"]
channels = ["mail"]
escalate = ["15m pager boss"]
continue = true

[routes.night.routes."a b"]
match = ["queue=db*"]
"""
    file, run = tmp_path / "routes.toml", here(JOBSIGHT_DATA=str(tmp_path / "data"))
    file.write_text(written)
    with open_state(tmp_path / "data", lambda _: None) as (_, record):
        record([RoutingSet(channels=["mail", "pager", "boss"], author="test")])
    good(run("config", "apply", file))
    shown = good(run("routes"))

    assert shown.endswith(written)
    assert shown.startswith("ROUTE        CHANNEL\nnight        mail\nnight        pager\nnight        boss\n")


def test_everything_that_is_wrong_with_a_file_is_said_at_once(tmp_path: Path) -> None:
    """Each fault has its line and the nearest name; nothing is touched."""
    file = tmp_path / "jobsight.toml"
    file.write_text(
        """[channels.mail]
type = "smtp"
to = ["ana@example.org"]

[checks.nightly]
scedule = "0 2 * * *"
heartbeat = "often"

[checks.billing.export]
max_runtime = "1h"

[routes.night]
match = ["severity"]
times = ["22-6"]
channels = ["mial"]

[routes.silent]
match = ["task=a"]

[maintenance.patching]
match = ["queue=db*"]
schedule = "0 2 * * 8"
"""
    )
    done = jobsight("config", "validate", file)
    lines = done.stderr.splitlines()

    assert 78 == done.returncode
    for expected in (
        "line 6: checks.nightly.scedule: there is no such field; did you mean schedule?",
        "line 7: checks.nightly.heartbeat: expected a length of time",
        'line 9: checks.billing: expected a check; a name with a dot needs quotes: [checks."billing.export"]',
        "line 13: routes.night.match: expected NAME=GLOB",
        "line 14: routes.night.times: expected [DAYS] HH:MM-HH:MM [ZONE]",
        'line 15: routes.night.channels: route "night" sends to channel "mial", which is not defined; defined channels: mail',
        "line 17: routes.silent: expected channels",
        "line 20: maintenance.patching.duration: expected a value",
        "line 22: maintenance.patching.schedule: ",
    ):
        assert any(expected in line for line in lines), (expected, lines)
    assert 9 == len(lines)


def test_the_file_of_the_service_becomes_events_at_its_start(tmp_path: Path) -> None:
    """What stands in the file holds from the start on, with `config` as its author; what is taken out of it is gone."""
    with service(tmp_path, config='[checks.nightly]\nmax_runtime = "2h"\n') as one:
        first = rows(jobsight("check", "list", "--json", "--server", one.url))
        by = rows(jobsight("audit", "--subject", "nightly", "--json", "--server", one.url))
        jobsight("check", "set", "by-hand", "--max-runtime", "1h", "--server", one.url)
    with service(tmp_path, config="") as one:
        second = rows(jobsight("check", "list", "--json", "--server", one.url))

    assert [("nightly", "config", "config")] == [(it["task"], it["origin"], it["author"]) for it in first]
    assert ["config"] == [it["author"] for it in by]
    assert ["by-hand"] == [it["task"] for it in second]


def test_channels_are_tested_and_drilled_and_what_was_given_up_is_sent_again(tmp_path: Path) -> None:
    """A test and a drill arrive or say why not, by the exit code too; a channel that is mended is told after all."""
    with beside(http_sink) as (hook,):
        hook.status = 404
        with service(tmp_path, "--notify", hook.url("/secret-path")) as one:
            run = command_at(one)
            listed = good(run("channels", "list"))
            bad = run("channels", "test", "notify-1")
            hook.status = 200
            well = good(run("channels", "test", "notify-1"))
            drill = good(run("drill"))
            routes = good(run("routes"))
            whom = rows(run("routes", "--task", "billing", "--json"))
            deliveries = rows(run("deliveries", "list", "--json", "--state", "delivered"))
            nothing = good(run("deliveries", "retry", "--channel", "notify-1", "--dry-run"))
            refused = run("deliveries", "retry", deliveries[0]["delivery_id"])

    assert "notify-1  webhook  http://127.0.0.1:" in listed
    assert "secret" not in listed
    assert 1 == bad.returncode
    assert "notify-1 did NOT take it: it answered 404" in bad.stdout
    assert "notify-1 took it: 200\n" == well
    assert "1 of 1 arrived\n" in drill
    assert "everything  notify-1" in routes
    assert ["notify-1"] == list(whom[0]["channels"])
    assert ["test"] == [it["kind"] for it in deliveries]
    assert "0 would be sent again\n" == nothing
    assert 1 == refused.returncode
    assert "only what was given up (dead) is tried again" in refused.stderr


def test_without_a_service_nothing_can_be_sent(tmp_path: Path) -> None:
    """A drill and a test need a service, and say so; exit code 69."""
    (tmp_path / "data").mkdir()
    for words in (["drill"], ["channels", "test", "a"]):
        done = jobsight(*words, "--data", tmp_path / "data")

        assert 69 == done.returncode
        assert "no service runs on" in done.stderr


def command_at(one: Service) -> Run:
    """Commands on the folder of a service, which they reach by its control socket."""
    return here(JOBSIGHT_DATA=str(one.data))
