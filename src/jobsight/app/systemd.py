"""
What systemd is told: that the service is ready, that it lives, and that it ends.

Source: sd_notify(3) and sd_watchdog_enabled(3); a datagram to the socket that the environment names.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
ALIVE: Final = "WATCHDOG=1"


class Systemd:
    """
    Tells systemd, where it has started this process; else nobody.

    Args:
        environment: The process's variables.
        is_alive: Whether the process gets on with its work.
        steady_ms: A clock that nobody can set.
    """

    def __init__(
        self, environment: Mapping[str, str], is_alive: Callable[[], bool], steady_ms: Callable[[], int]
    ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address: Final = "\0" + address[1:] if address.startswith("@") else address
        self._is_alive: Final = is_alive
        self._steady_ms: Final = steady_ms
        self._beaten_ms = steady_ms()
        is_for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        interval = environment.get("WATCHDOG_USEC", "")
        # Twice as often as is asked for, as the manual advises.
        self._every_ms: Final = int(interval) // 2_000 if interval.isdecimal() and is_for_us else None

    def tell(self, state: str) -> None:
        """One word; lost where nobody listens."""
        if self._address:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.sendto(state.encode(), self._address)

    def due_ms(self) -> int | None:
        """It is content with whenever a tick comes."""
        return None

    def tick(self) -> None:
        """A sign of life, where one is due and there is any; without it, systemd starts the service again."""
        now_ms = self._steady_ms()
        if self._every_ms is not None and now_ms - self._beaten_ms >= self._every_ms and self._is_alive():
            self._beaten_ms = now_ms
            self.tell(ALIVE)

    def start(self) -> None:
        """Nothing yet: it is ready when it can be reached."""

    async def close(self) -> None:
        """It ends."""
        self.tell(STOPPING)
