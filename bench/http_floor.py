"""The floor under a POST: the same server library with a bare ASGI function that reads the body and answers as many bytes."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn

ANSWER = b"x" * 100


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Read, and answer."""
    while (await receive()).get("more_body"):
        continue
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


if __name__ == "__main__":
    uvicorn.run(
        answer,
        port=int(sys.argv[1]),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="error",
        proxy_headers=False,
        server_header=False,
    )
