"""A token that was stolen from somewhere was not stolen from here."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest
from http_service import EVENTS, NDJSON, jobsight, service

from jobsight.core.masking import mask
from jobsight.core.state import State
from jobsight.core.tokens import Token, TokenScope
from jobsight.engine.tokens import Denial, TokenRegistry, new_token


def test_no_secret_is_ever_in_the_data_folder_or_on_stderr(tmp_path: Path) -> None:
    """With every request logged, after good and bad use, a revocation and a restart; only the SHA-256 is there."""
    with service(tmp_path, "--log-requests") as running:
        tokens = [running.create_token(scope) for scope in ("admin", "ingest")]
        tokens.append(jobsight("token", "create", "--scope", "read", "--data", running.data).stdout.strip())
        wrong = tokens[0][:-1] + ("0" if tokens[0][-1] != "0" else "1")
        for token in (*tokens, wrong):
            with running.client(token) as client:
                client.post(EVENTS, json={"type": "heartbeat", "job_id": "a"})
                client.post(EVENTS, content=b"bad\n", headers=NDJSON)
                client.get(f"/nothing/{token}", params={"token": token})
        with running.client(tokens[0]) as client:
            client.delete(f"/api/v1/tokens/{tokens[1].split('_')[2]}")
        listed = jobsight("token", "list", "--data", running.data, "--json").stdout
        files = {path: path.read_bytes() for path in running.data.rglob("*") if path.is_file()}
    first = running.said()
    with service(tmp_path) as running:
        said = first + running.said()
    files |= {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    log = jobsight("log", "cat", "--data", tmp_path / "data").stdout
    everything = b"".join(files.values()) + said.encode() + log.encode() + listed.encode()

    assert "/nothing/js_admin_" in first
    for token in (*tokens, wrong):
        assert token.rpartition("_")[2].encode() not in everything
    for token in tokens:
        assert sha256(bytes.fromhex(token.rpartition("_")[2])).hexdigest() in log


def test_a_token_holds_256_random_bits() -> None:
    """No two are alike in any part, and the form is the one that secret scanners can be taught."""
    made = [new_token(TokenScope.INGEST, note="", expires_ms=None, author="a") for _ in range(200)]

    assert 200 == len({one.event.token_id for one in made}) == len({one.text[-64:] for one in made})
    assert all(re.fullmatch(r"js_ingest_[a-z2-9]{10}_[0-9a-f]{64}", one.text) for one in made)
    assert all(one.text[-64:] not in repr(one.event) for one in made)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "js",
        "js_read",
        "js_read_abc",
        "js_read_abc_",
        "js_read_abc_" + "g" * 64,
        "js_read_abc_" + "0" * 63,
        "\0" * 80,
        "js_read_abc_" + "0" * 64 + "\n",
    ],
)
def test_what_has_not_the_form_of_a_token_is_refused_before_anything_is_looked_up(text: str) -> None:
    """Nor does it raise."""
    assert Denial.MALFORMED is TokenRegistry(State()).find(text, 0)


def test_only_the_right_secret_of_the_right_scope_opens() -> None:
    """Id, scope and secret belong together."""
    made = new_token(TokenScope.READ, note="", expires_ms=2_000, author="a")
    event = made.event
    token = Token(
        token_id=event.token_id,
        scope=event.scope,
        sha256=event.sha256,
        note="",
        created_ms=1,
        expires_ms=2_000,
        author="a",
    )
    tokens = TokenRegistry(State(tokens={token.token_id: token}))

    assert token is tokens.find(made.text, 1_999)
    assert {event.token_id: 1_999} == tokens.last_used_ms
    assert Denial.EXPIRED is tokens.find(made.text, 2_000)
    assert Denial.UNKNOWN is tokens.find(made.text.replace("js_read", "js_admin"), 1)
    assert Denial.UNKNOWN is tokens.find(made.text.replace(event.token_id, "another"), 1)
    token.revoked_ms = 5
    assert Denial.REVOKED is tokens.find(made.text, 1)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Bearer js_admin_abc_" + "0f" * 32, "Bearer js_admin_abc_***"),
        ("GET /x?token=js_read_q2_" + "a" * 64 + "&y=1", "GET /x?token=js_read_q2_***&y=1"),
        ("https://user:pass@hooks.example.org:8443/services/T0/B0?key=1", "https://***@hooks.example.org:8443/***"),
        ("see https://example.org for more", "see https://example.org for more"),
        ("a plain text with_underscores", "a plain text with_underscores"),
    ],
)
def test_the_mask_takes_secrets_and_leaves_the_rest(text: str, masked: str) -> None:
    """One function for every outlet."""
    assert masked == mask(text)
