"""What people wrote for Healthchecks, with its client libraries; called with the URL of the service, a ping path and a ping key."""

from __future__ import annotations

import asyncio
import json
import sys

from healthchecks_decorator import healthcheck
from healthchecks_io import AsyncClient, CheckNotFoundError, CheckTrap, Client

server, path, key = sys.argv[1:]
uuid = path.rpartition("/")[2]
told: dict[str, object] = {}


@healthcheck(url=server + path, send_start=True, send_diagnostics=True)
def decorated(outcome: dict[str, str] | None) -> dict[str, str]:
    """Sends /start, then its result; /fail where it raises."""
    if outcome is None:
        raise ValueError("the decorated function fails")
    return outcome


decorated({"rows": "42"})
try:
    decorated(None)
except ValueError:
    told["raised"] = True

with Client(ping_key=key, ping_url=f"{server}/ping/") as client:
    told["success"] = client.success_ping(uuid=uuid, data="by uuid")
    told["exit code"] = client.exit_code_ping(3, uuid=uuid, data="tar: cannot open")
    told["slug"] = client.success_ping(slug="known-task", data="by slug")
    try:
        client.start_ping(slug="nobody-knows-it")
    except CheckNotFoundError:
        told["unknown"] = True
    with CheckTrap(client, slug="known-task") as trap:
        trap.add_log("a line")
    try:
        with CheckTrap(client, slug="known-task"):
            raise OSError("the trapped block fails")
    except OSError:
        told["trapped"] = True


async def asynchronous() -> None:
    """The same library's other client."""
    async with (
        AsyncClient(ping_key=key, ping_url=f"{server}/ping/") as client,
        CheckTrap(client, slug="known-task") as trap,
    ):
        trap.add_log("an asynchronous line")


asyncio.run(asynchronous())
print(json.dumps(told))
