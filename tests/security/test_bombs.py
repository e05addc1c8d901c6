"""What is small when it comes in stays small."""

from __future__ import annotations

import gzip
from pathlib import Path

from http_service import EVENTS, NDJSON, lines_of, service


def test_a_bomb_is_not_unpacked_to_its_end(tmp_path: Path) -> None:
    """A few kilobytes that unpack to a gigabyte cost what the setting allows, no more."""
    bomb = gzip.compress(b"\n" * 100_000_000)
    with service(tmp_path, config="[server.limits]\ninflated_bytes = 3_000_000\n") as running:
        with running.client() as client:
            stream = client.post(EVENTS, content=bomb, headers={**NDJSON, "content-encoding": "gzip"})
            headers = {"content-type": "application/json", "content-encoding": "gzip"}
            one = client.post(EVENTS, content=bomb, headers=headers)
            replied = client.post(
                EVENTS,
                content=gzip.compress(b'{"type":"heartbeat","job_id":"a"}\n' * 100_000),
                headers={**NDJSON, "content-encoding": "gzip"},
            )
        status = Path(f"/proc/{running.process.pid}/status").read_text()

    assert [413, 413] == [stream.status_code, one.status_code]
    assert 200 == replied.status_code
    assert "at most 3000000 bytes when unpacked" in lines_of(replied)[-1]["text"]
    assert int(status.partition("VmHWM:")[2].split()[0]) < 150_000
