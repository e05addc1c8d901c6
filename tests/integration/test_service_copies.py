"""The view's write-ahead file is copied beside the service: no report and no query waits for the disk meanwhile."""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path

import pytest
from http_service import EVENTS, NDJSON, Service, service, until

from jobsight.logs.folder import VIEW

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at the open files of a process, in /proc")

JOBS = 5_000
"""Reports of one request."""


def writing_connections(running: Service) -> int:
    """How often the view's file is open for writing."""
    folder = Path(f"/proc/{running.process.pid}")
    found = 0
    for link in list((folder / "fd").iterdir()):
        try:
            is_view = link.readlink() == running.data / VIEW
            flags = (folder / "fdinfo" / link.name).read_text().split("flags:")[1].split()[0]
        except FileNotFoundError:  # closed meanwhile
            continue
        found += is_view and int(flags, 8) & os.O_ACCMODE == os.O_RDWR
    return found


def test_another_thread_copies_the_write_ahead_file(tmp_path: Path) -> None:
    """It has a connection of its own, from the first time on that there is enough to be copied."""
    numbers = count()
    with service(tmp_path) as running, running.client() as client:
        before = writing_connections(running)

        def is_copied_beside() -> bool:
            lines = (b'{"type":"job_completed","job_id":"job-%d"}' % next(numbers) for _ in range(JOBS))
            client.post(EVENTS, content=b"\n".join(lines), headers=NDJSON).raise_for_status()
            return writing_connections(running) > before

        until(is_copied_beside, "a second connection that writes to the view")

        assert 1 == before
