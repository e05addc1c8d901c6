"""What hostile workers report is shown as text on every page: no dialog, nothing that the content security policy has to stop."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from browser_scene import Monitor, in_time, is_complaint, monitor

pytest.importorskip("playwright")
from playwright.sync_api import expect

PAYLOADS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "'-alert(1)-'",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "javascript:alert(1)//",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'>",
    "<a href=javascript:alert(1)>x</a>",
    "<details open ontoggle=alert(1)>",
    "<style>*{display:none}</style><base href=//evil.example>",
    'x" autofocus onfocus=alert(1) y="',
    "\u202e<b>\x1b[31m</b>\u2028",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitor]:
    """A monitor to which every field of every kind of report was a payload."""
    with monitor(tmp_path_factory.mktemp("hostile")) as one:
        bodies = []
        for number, payload in enumerate(PAYLOADS):
            plain = payload.replace("\x1b", "").replace("\u2028", "")
            fields = {
                "task": f"{plain}{number}",
                "queue": plain,
                "host": plain,
                "labels": {plain[:60]: plain, "env": plain},
                "message": payload,
            }
            job_id = f"{plain}-{number}"
            bodies += [
                {"type": "update_status", "job_id": job_id, "status": plain[:60], "progress": 5, **fields},
                {"type": "job_failed", "job_id": job_id, "error": payload, "retries": 1},
                {
                    "type": "job_completed",
                    "job_id": f"ok {plain}",
                    "task": "fine",
                    "resource_usage": {plain[:60]: 5},
                    "duration_ms": 9,
                },
                {"type": "job_failed", "job_id": f"no task {plain}", "error": payload, "queue": plain},
                {"type": "update_status", "job_id": f"runs {plain}", "status": "running", **fields},
                {"type": "job_cancelled", "job_id": f"stopped {plain}", "reason": payload},
            ]
        one.tell(*bodies, {"type": "update_status", "job_id": "last", "status": "running"})
        yield one


def paths(hostile: Monitor) -> list[str]:
    """Every page on which something of a worker's stands."""
    with hostile.client() as client:
        alerts = [one["alert_id"] for one in client.get("/api/v1/alerts?limit=100").json()["alerts"]]
        jobs = [one["job_id"] for one in client.get("/api/v1/jobs?limit=100").json()["jobs"]]
        tasks = [one["task"] for one in client.get("/api/v1/tasks?limit=100").json()["tasks"]]
    shown = [f"/jobs/{quote(job, safe='')}?events=500" for job in jobs]
    shown += [f"/tasks/{quote(task, safe='')}" for task in tasks[:10]]
    shown += [f"/alerts/{alert}" for alert in alerts]
    shown += [f"/jobs?q={quote(payload)}" for payload in PAYLOADS]
    return [
        "/",
        "/tasks",
        "/jobs",
        "/alerts",
        "/schedule",
        "/settings",
        "/bulk/alerts/acknowledge?show=firing",
        "/bulk/jobs/silence?q=status:failed",
        *shown,
    ]


@pytest.mark.timeout(300)
def test_no_page_runs_what_a_worker_has_reported(visit, hostile: Monitor) -> None:
    """Every field of every message, on every page where it stands: shown, and nothing else."""
    page = visit("/", of=hostile)
    strangers = []
    for path in paths(hostile):
        answer = page.goto(path)
        assert answer is not None
        assert 200 == answer.status, path
        strangers += page.evaluate(
            """() => [...document.querySelectorAll('main script, main img, main iframe, main base, main style, main [onload],'
            + 'main [onerror], main [onfocus], main [ontoggle], main a[href^="javascript:" i]')].map(it => it.outerHTML)"""
        )
        assert "data:" not in page.url

    assert [] == strangers
    assert page.evaluate("document.querySelectorAll('main').length") == 1


def test_live_updates_bring_text_only(visit, hostile: Monitor) -> None:
    """What comes while the page is open is text as well."""
    page = visit("/jobs", of=hostile)
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    payload = "<img src=x onerror=alert(2)>"
    hostile.tell({"type": "job_failed", "job_id": payload, "error": payload, "task": payload})

    expect(page.locator("#jobs [data-open]").first).to_have_text(payload)
    assert 0 == page.locator("main img").count()


def test_the_policy_would_be_seen_at_work(browser, hostile: Monitor) -> None:
    """The check can fail: a script that gets into a page is stopped by the policy, and that is heard."""
    context = browser.new_context(base_url=hostile.url)
    page = context.new_page()
    heard: list[str] = []
    page.on("console", lambda said: heard.append(said.text))
    page.goto("/jobs")
    page.evaluate("""() => { const one = document.createElement('div'); one.innerHTML = '<img src=x onerror=alert(1)>';
        document.body.append(one); }""")
    in_time(lambda: bool(page.evaluate("1")) and any(is_complaint(one) for one in heard), "the policy to be heard")
    context.close()

    assert any("onerror" in one or "inline" in one for one in heard)
