"""
A mail server on this machine that shows every mail as it comes, and keeps none.

    .venv/bin/python examples/demo/inbox.py [--port 2525]

Whatever is sent to it, to whatever address, is printed: subject, sender and text. Ctrl-C ends it. Needs aiosmtpd, which
`make setup` installs.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP

PORT = 2525
LINE = "─" * 78


class Inbox:
    """Takes every mail, and hands it to whoever shows it."""

    def __init__(self, show: Callable[[EmailMessage], None]) -> None:
        self._show = show

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd calls it so
        """One mail has come in."""
        self._show(message_from_bytes(envelope.content, _class=EmailMessage, policy=default))
        return "250 OK"


def show_mail(mail: EmailMessage) -> None:
    """Print one mail as a person reads it."""
    body = mail.get_body(("plain",))
    text = "" if body is None else str(body.get_content()).replace("\r\n", "\n").rstrip()
    head = [f"✉  {str(mail['subject']).strip()}", f"   to {mail['to']}, {datetime.now().astimezone():%H:%M:%S}"]
    lines = [LINE, *head, "", *(f"   {line}".rstrip() for line in text.split("\n")), LINE]
    print("\n" + "\n".join(lines), flush=True)


@asynccontextmanager
async def open_inbox(port: int, show: Callable[[EmailMessage], None] = show_mail) -> AsyncIterator[int]:
    """Listen on a port of this machine, 0 for any free one, until the block ends; gives the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Inbox(show), hostname="inbox", loop=loop), "127.0.0.1", port)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def main(port: int) -> None:
    """Show mails until somebody ends it."""
    async with open_inbox(port) as taken:
        print(f"The inbox is open: mail to 127.0.0.1, port {taken}, is shown here. Ctrl-C ends it.", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Show every mail that is sent to this port.")
    parser.add_argument("--port", type=int, default=PORT, help="default: %(default)s; 0 takes any free one")
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(main(parser.parse_args().port))
    except OSError as error:
        sys.exit(f"the inbox cannot be opened: {error.strerror or error}; another port: --port 0")
