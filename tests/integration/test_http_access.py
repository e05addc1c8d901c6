"""Who comes in, and who does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from http_service import EVENTS, NDJSON, Service, jobsight, lines_of, service

BEAT = {"type": "heartbeat", "job_id": "a"}
TOKENS = "/api/v1/tokens"
ROUTES = [("POST", EVENTS, True), ("POST", TOKENS, True), ("GET", TOKENS, False), ("DELETE", f"{TOKENS}/x", True)]
"""Some of what needs a scope: method, path, whether it changes something. `security/test_routes.py` walks all routes."""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without any token."""
    with service(tmp_path_factory.mktemp("fresh")) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, dict[str, str]]]:
    """A service with a token of each scope."""
    with service(tmp_path_factory.mktemp("guarded")) as running:
        yield running, {scope: running.create_token(scope) for scope in ("ingest", "read", "operate", "admin")}


def raw_request(running: Service, method: str, path: str, *headers: str, body: str = "") -> int:
    """The status of a request with exactly these headers."""
    raw = running.connect()
    lines = [f"{method} {path} HTTP/1.1", *headers, f"Content-Length: {len(body)}", "Connection: close", "", body]
    raw.send("\r\n".join(lines).encode())
    status = int(raw.receive_until(b"\r\n").split()[1])
    raw.close()
    return status


# --------------------------------------------------------------------------------------------------------- no token yet


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:8787", "[::1]:8787", "127.8.8.8"])
def test_a_fresh_monitor_is_open_on_loopback(fresh: Service, host: str) -> None:
    """The first report needs no set-up."""
    status = raw_request(
        fresh, "POST", EVENTS, f"Host: {host}", "Content-Type: application/json", body=json.dumps(BEAT)
    )

    assert 200 == status


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "jobs.example.org:8787", "8.8.8.8", ""])
def test_a_page_that_points_its_own_name_at_this_machine_stays_outside(fresh: Service, host: str) -> None:
    """DNS rebinding, and a proxy that was set up before the tokens were."""
    kind = "Content-Type: application/json"

    assert 401 == raw_request(fresh, "POST", EVENTS, f"Host: {host}", kind, body=json.dumps(BEAT))
    assert 401 == raw_request(fresh, "GET", TOKENS, f"Host: {host}")


@pytest.mark.parametrize(("method", "path", "is_changing"), ROUTES)
@pytest.mark.parametrize(
    "header",
    [
        "Origin: https://evil.example",
        "Origin: null",
        "Origin: http://127.0.0.1:1",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ],
)
def test_no_page_of_somebody_else_changes_anything(
    fresh: Service, method: str, path: str, is_changing: bool, header: str
) -> None:
    """A browser on this machine visits many sites; none of them may report, or make a token."""
    host = f"Host: 127.0.0.1:{fresh.port}"
    status = raw_request(fresh, method, path, host, "Content-Type: application/json", header, body=json.dumps(BEAT))

    assert (403 if is_changing else 200) == status


def test_a_page_of_the_monitor_itself_may_change_things(fresh: Service) -> None:
    """The same origin, as a browser tells it."""
    here = f"127.0.0.1:{fresh.port}"
    headers = (
        f"Host: {here}",
        f"Origin: http://{here}",
        "Sec-Fetch-Site: same-origin",
        "Content-Type: application/json",
    )

    assert 200 == raw_request(fresh, "POST", EVENTS, *headers, body=json.dumps(BEAT))


# ------------------------------------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize(("method", "path", "is_changing"), [*ROUTES, ("GET", "/nothing/here", False)])
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Bearer",
        "Bearer nonsense",
        "Bearer js_admin_unknown_" + "0" * 64,
        "Basic amFuZTpkb2U=",
        "Bearer js_admin_" + "x" * 5000,
        "Bearer js_\xff_a_" + "0" * 64,
    ],
)
def test_nothing_opens_without_a_good_token_once_one_exists(
    guarded: tuple[Service, dict[str, str]], method: str, path: str, is_changing: bool, authorization: str | None
) -> None:
    """Every route but the health checks, also one that is not there."""
    headers = [f"Host: 127.0.0.1:{guarded[0].port}", "Content-Type: application/json"]
    if authorization is not None:
        headers.append(f"Authorization: {authorization}")
    raw = guarded[0].connect()
    body = json.dumps(BEAT)
    lines = [f"{method} {path} HTTP/1.1", *headers, f"Content-Length: {len(body)}", "Connection: close", "", body]
    raw.send("\r\n".join(lines).encode("latin-1"))
    answer = raw.receive_rest()
    raw.close()

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"www-authenticate: Bearer" in answer


def test_a_token_of_another_scope_or_secret_is_none(guarded: tuple[Service, dict[str, str]]) -> None:
    """The scope in its text cannot be raised, and every digit of its secret counts."""
    running, tokens = guarded
    _, _, token_id, secret = tokens["ingest"].split("_")
    wrong = ("1" if secret[-1] == "0" else "0").join([secret[:-1], ""])
    raised, changed = f"js_admin_{token_id}_{secret}", f"js_ingest_{token_id}_{wrong}"
    with running.client(raised) as one, running.client(changed) as other:
        statuses = [one.get(TOKENS).status_code, other.post(EVENTS, json=BEAT).status_code]

    assert [401, 401] == statuses


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_health_checks_need_no_token(guarded: tuple[Service, dict[str, str]], path: str) -> None:
    """Whoever starts and watches the process has none."""
    with guarded[0].client() as client:
        assert 200 == client.get(path).status_code


@pytest.mark.parametrize(
    ("scope", "report", "query", "act", "admin"),
    [
        ("ingest", 200, 400, 400, 403),
        ("read", 200, 200, 400, 403),
        ("operate", 200, 200, 404, 403),
        ("admin", 200, 200, 404, 200),
    ],
)
def test_each_scope_allows_what_the_ones_below_it_allow(
    guarded: tuple[Service, dict[str, str]], scope: str, report: int, query: int, act: int, admin: int
) -> None:
    """A worker's token can report and can not look around; a reader's can not act on alerts."""
    running, tokens = guarded
    with running.client(tokens[scope]) as client:
        statuses = [
            client.post(EVENTS, json=BEAT).status_code,
            client.post(EVENTS, json={"type": "get_stats"}).status_code,
            client.post(EVENTS, json={"type": "acknowledge_alert", "alert_id": "none"}).status_code,
            client.get(TOKENS).status_code,
        ]

    assert [report, query, act, admin] == statuses


def test_a_query_among_reports_is_refused_by_itself(guarded: tuple[Service, dict[str, str]]) -> None:
    """The reports around it are stored."""
    running, tokens = guarded
    body = b'{"type":"heartbeat","job_id":"x"}\n{"type":"get_stats","msg_id":5}\n{"type":"heartbeat","job_id":"y"}\n'
    with running.client(tokens["ingest"]) as client:
        replies = lines_of(client.post(EVENTS, content=body, headers=NDJSON))

    assert ["heartbeat_ok", "error", "heartbeat_ok"] == [one["type"] for one in replies]
    assert (10, 5) == (replies[1]["code"], replies[1]["in_reply_to"])


def test_a_revoked_token_is_good_for_nothing_at_once_and_for_ever(tmp_path: Path) -> None:
    """Also for the next process, and the last one that goes does not open the door to others than this machine."""
    with service(tmp_path) as running:
        token, other = running.create_token("admin"), running.create_token("ingest")
        with running.client(token) as client:
            assert 200 == client.delete(f"{TOKENS}/{other.split('_')[2]}").status_code
            assert 404 == client.delete(f"{TOKENS}/nobody").status_code
        with running.client(other) as client:
            refused = client.post(EVENTS, json=BEAT)
    with service(tmp_path) as running, running.client(other) as client, running.client(token) as admin:
        later = client.post(EVENTS, json=BEAT)
        states = {one["token_id"]: one["state"] for one in admin.get(TOKENS).json()["tokens"]}

    assert [401, 401] == [refused.status_code, later.status_code]
    assert "revoked" in refused.json()["text"]
    assert {token.split("_")[2]: "active", other.split("_")[2]: "revoked"} == states


def test_an_expired_token_is_refused_and_opens_nothing(tmp_path: Path) -> None:
    """A monitor whose tokens have all run out is closed, not open."""
    with service(tmp_path) as running:
        token = running.create_token("admin", expires_ms=1_700_000_000_000)
        with running.client(token) as client, running.client() as nobody:
            statuses = [client.post(EVENTS, json=BEAT), nobody.post(EVENTS, json=BEAT)]

    assert [401, 401] == [one.status_code for one in statuses]
    assert "expired" in statuses[0].json()["text"]


def test_the_list_says_when_a_token_was_used_and_by_whom_it_was_made(tmp_path: Path) -> None:
    """An unused token can be found and taken back; a change has an author."""
    with service(tmp_path) as running:
        admin = running.create_token("admin", note="laptop")
        with running.client(admin) as client:
            made = client.post(TOKENS, json={"scope": "ingest", "note": "worker"}).json()
            listed = {one["note"]: one for one in client.get(TOKENS).json()["tokens"]}

    assert f"token:{admin.split('_')[2]}" == listed["worker"]["author"]
    assert listed["laptop"]["author"].startswith("local:")
    assert listed["laptop"]["last_used_ms"] >= listed["laptop"]["created_ms"]
    assert listed["worker"]["last_used_ms"] is None
    assert made["token_id"] == listed["worker"]["token_id"]


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"scope": "root"},
        {"scope": 1},
        {"scope": "read", "expires_ms": 5},
        {"scope": "read", "note": "x" * 300},
        {"scope": "read", "more": 1},
        [],
    ],
)
def test_a_wish_for_a_token_is_checked(fresh: Service, wanted: Any) -> None:
    """What is wrong is said, and no token comes of it."""
    with fresh.client() as client:
        replied = client.post(TOKENS, json=wanted)

        assert (400, 12) == (replied.status_code, replied.json()["code"])
        assert [] == client.get(TOKENS).json()["tokens"]


# ----------------------------------------------------------------------------------------------------------- the command


def test_tokens_are_made_listed_and_revoked_without_a_service(tmp_path: Path) -> None:
    """Before the first start, on the folder itself; the token alone is on stdout."""
    folder = tmp_path / "data"
    made = jobsight("token", "create", "--scope", "ingest", "--note", "cron", "--expires", "90d", "--data", folder)
    token_id = made.stdout.split("_")[2]
    listed = json.loads(jobsight("token", "list", "--json", "--data", folder).stdout)
    revoked = jobsight("token", "revoke", token_id, "--data", folder)
    after = json.loads(jobsight("token", "list", "--json", "--data", folder).stdout)

    assert made.stdout.startswith("js_ingest_")
    assert 1 == made.stdout.count("\n")
    assert ("ingest", "active", "cron", 90 * 86_400_000) == (
        listed["scope"],
        listed["state"],
        listed["note"],
        round((listed["expires_ms"] - listed["created_ms"]) / 86_400_000) * 86_400_000,
    )
    assert (0, "revoked") == (revoked.returncode, after["state"])
    assert 66 == jobsight("token", "revoke", "nobody", "--data", folder).returncode
    assert 66 == jobsight("token", "list", "--data", tmp_path / "nowhere").returncode
    assert 2 == jobsight("token", "create", "--scope", "ingest", "--expires", "soon", "--data", folder).returncode


def test_the_same_commands_work_beside_a_running_service(tmp_path: Path) -> None:
    """Through its control socket, or by its URL with an admin token."""
    with service(tmp_path) as running:
        made = jobsight("token", "create", "--scope", "admin", "--data", running.data).stdout.strip()
        by_url = jobsight("token", "list", "--server", running.url, "--token", made, "--json")
        by_variable = jobsight("token", "create", "--scope", "read", JOBSIGHT_SERVER=running.url, JOBSIGHT_TOKEN=made)
        refused = jobsight("token", "list", "--server", running.url, "--token", by_variable.stdout.strip())
        in_folder = jobsight("token", "list", "--data", running.data, "--json").stdout
    gone = jobsight("token", "list", "--server", running.url, "--token", made)

    assert made.split("_")[2] == json.loads(by_url.stdout)["token_id"]
    assert by_variable.stdout.startswith("js_read_")
    assert 77 == refused.returncode
    assert 2 == in_folder.count("\n")
    assert 69 == gone.returncode
