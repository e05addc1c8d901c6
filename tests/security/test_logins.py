"""Operators sign in, and nobody else does."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from http_service import DEADLINE_S, EVENTS, JOBSIGHT, Service, environment, jobsight, service

from jobsight.core.state import State
from jobsight.core.users import User
from jobsight.engine.users import Users
from jobsight.logs.passwords import PasswordFiles
from jobsight.transports.http.local_paths import local_path
from jobsight.transports.http.login import TRIES_PER_MINUTE
from jobsight.transports.http.sessions import SESSION_MS, Sessions, cookie_of, set_cookie

PASSWORD = "correct horse battery"
HTML = {"accept": "text/html,application/xhtml+xml"}


def user(running: Service, *words: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    """`jobsight user`, with a password on stdin."""
    return subprocess.run(
        [JOBSIGHT, "user", *words, "--data", str(running.data)],
        input=f"{password}\n",
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env=environment(),
    )


def sign_in(client: httpx.Client, **fields: str) -> httpx.Response:
    """What a browser posts from the form."""
    headers = {**HTML, "origin": str(client.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    return client.post("/login", data=fields, headers=headers)


@contextmanager
def guarded(tmp_path: Path, scope: str = "read") -> Iterator[Service]:
    """A service with one operator."""
    with service(tmp_path) as running:
        assert user(running, "add", "anna", "--scope", scope).returncode == 0
        yield running


def test_a_browser_is_led_to_the_login_and_back(tmp_path: Path) -> None:
    """Signing in sets a cookie that no script and no other site can use, and goes on where the person wanted to go."""
    with guarded(tmp_path) as running, running.client() as client:
        led = client.get("/api/v1/jobs?task=a%26b", headers=HTML)
        page = client.get(led.headers["location"], headers=HTML)
        done = sign_in(client, name="anna", password=PASSWORD, next="/api/v1/jobs?task=a%26b")
        shown = client.get(done.headers["location"])
        program = client.get("/api/v1/jobs", headers={"cookie": ""})

    assert (303, "/login?next=/api/v1/jobs%3Ftask%3Da%2526b") == (led.status_code, led.headers["location"])
    assert 'name="next" value="/api/v1/jobs?task=a%26b"' in page.text
    assert (303, "/api/v1/jobs?task=a%26b") == (done.status_code, done.headers["location"])
    assert re.fullmatch(
        r"jobsight_session=[\w-]{43}; Path=/; HttpOnly; SameSite=Lax; Max-Age=604800", done.headers["set-cookie"]
    )
    assert [200, 401] == [shown.status_code, program.status_code]


def test_a_form_that_comes_after_the_session_is_not_lost_in_silence(tmp_path: Path) -> None:
    """The login says that what was sent was not done, and leads back to the page of the form."""
    with guarded(tmp_path) as running, running.client() as client:
        origin = str(client.base_url).rstrip("/")
        came = {
            **HTML,
            "origin": origin,
            "sec-fetch-site": "same-origin",
            "referer": f"{origin}/alerts/a?b=c&did=saved&n=1",
        }
        led = client.post("/alerts/a/acknowledge", headers=came)
        page = client.get(led.headers["location"], headers=HTML)

    assert 303 == led.status_code
    assert "what you have just sent was not done" in page.text
    assert 'name="next" value="/alerts/a?b=c"' in page.text


def test_a_session_allows_what_its_operator_may(tmp_path: Path) -> None:
    """The inventory's scopes hold for sessions as they do for tokens."""
    with guarded(tmp_path, "read") as running, running.client() as client:
        sign_in(client, name="anna", password=PASSWORD)
        read = client.get("/api/v1/stats")
        manage = client.get("/api/v1/users")

    assert [200, 403] == [read.status_code, manage.status_code]
    assert "the scope of anna is read; this needs admin" == manage.json()["text"]


def test_a_session_changes_nothing_through_the_api(tmp_path: Path) -> None:
    """The API is for tokens, which no browser adds by itself; pages change things through routes of their own."""
    with guarded(tmp_path, "admin") as running, running.client() as client:
        sign_in(client, name="anna", password=PASSWORD)
        report = client.post(EVENTS, json={"type": "heartbeat", "job_id": "a"})
        token = client.post("/api/v1/tokens", json={"scope": "admin"})

    assert [403, 403] == [report.status_code, token.status_code]
    assert "a session changes things through pages alone" in token.text


def test_signing_out_ends_the_session_and_not_only_the_cookie(tmp_path: Path) -> None:
    """A copy of the cookie is good for nothing afterwards."""
    with guarded(tmp_path) as running, running.client() as client:
        sign_in(client, name="anna", password=PASSWORD)
        copy = {"cookie": f"jobsight_session={client.cookies['jobsight_session']}"}
        before = client.get("/api/v1/stats", headers=copy)
        out = client.post("/logout", headers={"origin": running.url})
        with running.client() as other:
            after = other.get("/api/v1/stats", headers=copy)

    assert [200, 303, 401] == [before.status_code, out.status_code, after.status_code]
    assert "Max-Age=0" in out.headers["set-cookie"]


def test_another_password_and_removal_end_sessions(tmp_path: Path) -> None:
    """Whoever has the old password is out at once."""
    with guarded(tmp_path) as running, running.client() as client:
        sign_in(client, name="anna", password=PASSWORD)
        changed = user(running, "password", "anna", password="another long one")
        after_change = client.get("/api/v1/stats")
        old = sign_in(client, name="anna", password=PASSWORD)
        new = sign_in(client, name="anna", password="another long one")
        running.create_token("read")
        removed = user(running, "remove", "anna")
        after_removal = client.get("/api/v1/stats")
        hashes = list((running.data / "secrets").glob("password-*"))

    assert [0, 0] == [changed.returncode, removed.returncode]
    assert [401, 403, 303, 401] == [one.status_code for one in (after_change, old, new, after_removal)]
    assert [] == hashes


def test_a_token_opens_a_session_that_ends_with_it(tmp_path: Path) -> None:
    """One that may read, that is: a worker's token shows no pages."""
    with service(tmp_path) as running, running.client() as client:
        admin = running.create_token("admin")
        worker = sign_in(client, token=running.create_token("ingest"))
        wrong = sign_in(client, token="js_read_abc_" + "0" * 64)
        opened = sign_in(client, token=f" {admin}\n")
        before = client.get("/api/v1/tokens")
        revoked = jobsight("token", "revoke", admin.split("_")[2], "--data", running.data)
        after = client.get("/api/v1/tokens")

    assert [403, 403, 303] == [worker.status_code, wrong.status_code, opened.status_code]
    assert [200, 401] == [before.status_code, after.status_code]
    assert 0 == revoked.returncode


def test_the_log_holds_references_and_the_folder_holds_argon2id_for_its_owner_alone(tmp_path: Path) -> None:
    """Neither the password nor its hash is in the log, the view, or on stderr."""
    with guarded(tmp_path, "operate") as running, running.client() as client:
        sign_in(client, name="anna", password=PASSWORD)
        sign_in(client, name="anna", password="wrong " + PASSWORD)
    files = {path: path.read_bytes() for path in running.data.rglob("*") if path.is_file()}
    hashes = [path for path in files if path.name.startswith("password-")]
    log = jobsight("log", "cat", "--data", running.data).stdout

    assert 1 == len(hashes)
    assert files[hashes[0]].startswith(b"$argon2id$v=19$m=19456,t=2,p=1$")
    assert 0o600 == hashes[0].stat().st_mode & 0o777
    assert 0o700 == hashes[0].parent.stat().st_mode & 0o777
    assert '"type":"user_set"' in log.replace('": "', '":"')
    assert hashes[0].name.removeprefix("password-") in log
    everything = b"".join(content for path, content in files.items() if path not in hashes) + log.encode()
    everything += running.said().encode()
    assert PASSWORD.encode() not in everything
    assert files[hashes[0]].rpartition(b"$")[2] not in everything


def test_guessing_is_slowed_down_by_name_and_by_address(tmp_path: Path) -> None:
    """The right password does not help who has tried too often; nobody learns which names there are."""
    with guarded(tmp_path) as running, running.client() as client:
        began = time.monotonic()
        tries = [sign_in(client, name="anna", password="guess")]
        while tries[-1].status_code == 403:
            tries.append(sign_in(client, name="anna", password="guess"))
        refused = time.monotonic()
        late = sign_in(client, name="anna", password=PASSWORD)
        ended = time.monotonic()

    turns_max = TRIES_PER_MINUTE * (1 + (refused - began) / 60)
    assert TRIES_PER_MINUTE <= len(tries) - 1 <= turns_max
    assert 429 == tries[-1].status_code
    assert 1 <= int(tries[-1].headers["retry-after"]) <= 60
    # On a machine so busy that a turn has come meanwhile, the right password is right.
    assert 429 == late.status_code or ended - began > 60 / TRIES_PER_MINUTE


def test_an_unknown_name_costs_as_much_as_a_wrong_password(tmp_path: Path) -> None:
    """Else the time would tell which names there are. The best of several counts: other work only adds."""
    users = Users(State(), PasswordFiles(tmp_path / "secrets"))
    event = users.keep("anna", "read", PASSWORD, "a")
    anna = User(
        name="anna", scope="read", password_ref=event.password_ref, created_ms=1, changed_ms=1, author=event.author
    )

    def best(who: User | None) -> float:
        times = []
        for _ in range(5):
            begins = time.thread_time()
            assert not users.is_password(who, "wrong")
            times.append(time.thread_time() - begins)
        return min(times)

    known, unknown = best(anna), best(None)

    assert users.is_password(anna, PASSWORD)
    assert 0.5 < unknown / known < 2


def test_a_hash_that_is_gone_opens_nothing(tmp_path: Path) -> None:
    """As after a restore without secrets: nobody comes in, whatever is typed, and nothing breaks."""
    users = Users(State(), PasswordFiles(tmp_path / "secrets"))
    lost = User(name="anna", scope="read", password_ref="gone", created_ms=1, changed_ms=1, author="a")

    assert not users.is_password(lost, "")
    assert not users.is_password(lost, PASSWORD)


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\tx",
        "/a\r\nset-cookie: a=b",
        "evil",
        "",
        "http:///evil.example",
        "/" + "a" * 3000,
        "/login",
        "/é",
    ],
)
def test_nobody_is_led_elsewhere_after_signing_in(target: str) -> None:
    """Only a path of this very service is gone to."""
    assert "/" == local_path(target)


def test_a_page_from_elsewhere_can_sign_nobody_in_or_out(tmp_path: Path) -> None:
    """Neither by its origin nor by what the browser says about the site."""
    with guarded(tmp_path) as running, running.client() as client:
        form = {"name": "anna", "password": PASSWORD}
        answers = [
            client.post(path, data=form, headers=headers)
            for path in ("/login", "/logout")
            for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"})
        ]

    assert [403] * 6 == [one.status_code for one in answers]


def test_a_session_outlives_the_service_and_its_end_does_too(tmp_path: Path) -> None:
    """Nobody signs in again after a restart; who has signed out stays out; what is kept opens nothing."""
    with guarded(tmp_path) as running, running.client() as client, running.client() as gone:
        sign_in(client, name="anna", password=PASSWORD)
        sign_in(gone, name="anna", password=PASSWORD)
        cookie, ended = client.cookies["jobsight_session"], gone.cookies["jobsight_session"]
        gone.post("/logout")
    kept = (tmp_path / "data" / "secrets" / "sessions").read_text()
    assert 0 == jobsight("backup", tmp_path / "copy", "--data", tmp_path / "data", "--secrets").returncode
    with service(tmp_path) as running, running.client() as client:
        answers = [
            client.get("/api/v1/stats", headers={"cookie": f"jobsight_session={text}"}).status_code
            for text in (cookie, ended, next(iter(json.loads(kept))))
        ]
        user(running, "password", "anna", password="another long one")
        after = client.get("/api/v1/stats", headers={"cookie": f"jobsight_session={cookie}"}).status_code

    assert cookie not in kept
    assert sha256(cookie.encode()).hexdigest() in kept
    assert [200, 401, 401] == answers
    assert 401 == after
    assert 0o600 == stat.S_IMODE((tmp_path / "data" / "secrets" / "sessions").stat().st_mode)
    assert not (tmp_path / "copy" / "secrets" / "sessions").exists()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"zz": {"name": "anna", "password_ref": "r1", "expires_ms": 1}}']
)
def test_damaged_sessions_are_none(content: bytes) -> None:
    """The service starts all the same; everybody signs in again."""

    class Damaged:
        def read(self) -> bytes:
            return content

        def write(self, content: bytes) -> None:
            raise AssertionError("nothing was opened")

    assert Sessions(State(), lambda: 0, Damaged()).find({b"cookie": b"jobsight_session=x"}) is None


def test_a_session_has_an_end() -> None:
    """After a week somebody signs in again; a text that was never given opens nothing."""
    now = [1_000_000_000_000]
    anna = User(name="anna", scope="operate", password_ref="r1", created_ms=1, changed_ms=1, author="a")
    sessions = Sessions(State(users={"anna": anna}), lambda: now[0])
    cookie = {b"cookie": b"theme=dark; jobsight_session=" + sessions.open(anna).encode()}
    first = sessions.find(cookie)
    now[0] += SESSION_MS

    assert first is not None
    assert "operate" == first[1].word
    assert sessions.find(cookie) is None
    assert sessions.find({b"cookie": b"jobsight_session="}) is None


def test_behind_tls_the_cookie_never_leaves_it() -> None:
    """With the prefix that keeps other hosts and plain connections from setting it."""
    assert (
        "__Host-jobsight_session=x; Path=/; HttpOnly; SameSite=Lax; Max-Age=604800; Secure"
        == set_cookie("x", is_secure=True)
    )  # fmt: skip


def test_a_cookie_that_another_host_may_have_set_gives_way() -> None:
    """A neighbour on the same domain cannot put its own session in the place of the operator's."""
    theirs, ours = "jobsight_session=theirs", "__Host-jobsight_session=ours"

    assert ["ours", "ours"] == [
        cookie_of({b"cookie": f"{a}; {b}".encode()}) for a, b in ((theirs, ours), (ours, theirs))
    ]
    assert "theirs" == cookie_of({b"cookie": theirs.encode()})


def test_every_page_carries_the_headers_that_keep_foreign_code_out(tmp_path: Path) -> None:
    """In one place, so that no page can forget them; the referrer policy lets a browser still name our own origin."""
    with service(tmp_path) as running, running.client() as client:
        answers = [client.get(path, headers=HTML) for path in ("/login", "/nothing", "/api/v1/stats", "/healthz")]

    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "same-origin" == answer.headers["referrer-policy"]
        assert "nosniff" == answer.headers["x-content-type-options"]


def test_a_part_of_a_page_asks_for_the_login_of_the_whole_page(tmp_path: Path) -> None:
    """Else the login would appear inside of a table."""
    with guarded(tmp_path) as running, running.client() as client:
        part = client.get("/x", headers={"hx-request": "true", "hx-current-url": f"{running.url}/jobs?status=failed"})

    assert (401, "/login?next=/jobs%3Fstatus%3Dfailed") == (part.status_code, part.headers["hx-redirect"])


def test_users_are_kept_over_a_restart_and_listed_without_secrets(tmp_path: Path) -> None:
    """With who added them; a name twice, a short password and an unknown name are refused in words."""
    with guarded(tmp_path, "admin") as running:
        again = user(running, "add", "anna", "--scope", "read")
        short = user(running, "add", "ben", "--scope", "read", password="short")
        nobody = user(running, "password", "carl")
    with service(tmp_path) as running, running.client() as client:
        opened = sign_in(client, name="anna", password=PASSWORD)
        listed = client.get("/api/v1/users").json()["users"]

    assert [2, 2, 66] == [again.returncode, short.returncode, nobody.returncode]
    assert 303 == opened.status_code
    assert [("anna", "admin")] == [(one["name"], one["scope"]) for one in listed]
    assert {"name", "scope", "created_ms", "changed_ms", "author"} == set(listed[0])
    assert listed[0]["author"].startswith("local:")
    assert "at least" in short.stderr or "8" in short.stderr
