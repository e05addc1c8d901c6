"""A monitor that others can reach lets nobody in by accident."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from http_service import jobsight, service

BEAT = {"type": "heartbeat", "job_id": "a"}
INSECURE = "--insecure-no-auth"


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", ":0"])
@pytest.mark.parametrize("has_token", [False, True])
@pytest.mark.parametrize("is_insecure", [False, True])
def test_an_address_that_others_reach_needs_a_token(
    tmp_path: Path, address: str, has_token: bool, is_insecure: bool
) -> None:
    """Nobody is let in by accident: with neither a token nor the flag it does not start, and says what to do."""
    if has_token:
        assert 0 == jobsight("token", "create", "--scope", "admin", "--data", tmp_path / "data").returncode
    arguments = ["--listen", address, *([INSECURE] if is_insecure else [])]
    if not address.startswith(":") and not has_token and not is_insecure:
        code, said = refusal(tmp_path, *arguments)

        assert 78 == code
        assert f"jobsight token create --scope admin --data {tmp_path / 'data'}" in said
        assert INSECURE in said
        return
    with service(tmp_path, *arguments) as running:
        said = running.said()
        statuses = [running.post(BEAT).status_code, httpx.get(f"{running.url}/healthz", trust_env=False).status_code]

    assert [401 if has_token else 200, 200] == statuses
    assert (is_insecure and not has_token) == ("WARNING: --insecure-no-auth" in said)


def refusal(folder: Path, *arguments: object) -> tuple[int, str]:
    """Exit code and stderr of a service that should not start."""
    done = jobsight("serve", "--data", folder / "data", *arguments)
    return done.returncode, done.stderr
