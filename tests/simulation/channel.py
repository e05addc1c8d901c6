"""A channel whose far side is an object: it takes, refuses, hangs, and counts what it has taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct, field

from jobsight.errors import DeliveryError
from jobsight.notifiers.base import Making, Notification, Receipt, cleaned, delivery_key
from jobsight.notifiers.masking import Secret
from jobsight.notifiers.registry import Kind
from jobsight.notifiers.settings import ChannelSettings
from jobsight.notifiers.templates import Templates, texts_of
from jobsight.testing.reaches import SECRET, Arrival, Fault, Reach

HANGS = "hangs"

FAULTS: dict[str, tuple[bool, int | None]] = {
    "refused": (False, 0),
    "500": (False, 0),
    "429": (False, 90_000),
    "404": (True, 0),
    HANGS: (False, 0),
}
"""What a far side can be told to do instead: is it a refusal, and the pause that it asks for, ms."""


class FarSide(Struct, kw_only=True):
    """
    Where notifications arrive.

    Attributes:
        mode: A key of `FAULTS`; empty while it takes everything.
        taken: What it has said yes to, in order; `texts` of each as a reader would see them.
        slow_ms: How long it takes for a yes.
    """

    mode: str = ""
    taken: list[Notification] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    slow_ms: int = 0


FAR_SIDES: dict[str, FarSide] = {}
"""By name."""


class FakeSettings(ChannelSettings, frozen=True, kw_only=True):
    """`side` names the far side."""

    side: str
    token: Secret | None = None


class FakeChannel:
    """The way to a far side."""

    repost_every_ms: int | None = None
    repost_resolved_ms = 0

    def __init__(self, settings: FakeSettings, making: Making) -> None:
        self.name = making.name
        self._side = FAR_SIDES[settings.side]
        self._send_ms = making.limits.send_ms
        self._templates = Templates(
            where=f"channels.{making.name}", title=settings.title_template, text=settings.text_template
        )

    async def send(self, notification: Notification, *, now_ms: int) -> Receipt:
        """Hand it over, unless the far side does something else."""
        notification = cleaned(notification)
        texts = await texts_of(self._templates, notification)
        if self._side.slow_ms:
            await asyncio.sleep(self._side.slow_ms / 1000)
        mode = self._side.mode
        if mode == HANGS:
            try:
                async with asyncio.timeout(self._send_ms / 1000):
                    await asyncio.Event().wait()
            except TimeoutError:
                raise DeliveryError(f"no answer within {self._send_ms} ms", 0) from None
        if mode:
            is_refusal, retry_after_ms = FAULTS[mode]
            raise DeliveryError(f"the far side says {mode}", retry_after_ms, is_refusal=is_refusal)
        self._side.taken.append(notification)
        self._side.texts.append((texts.title, texts.text))
        return Receipt(detail="taken", problem=texts.problem)

    async def close(self) -> None:
        """There is nothing to give back."""


KIND = Kind(FakeSettings, FakeChannel)


@asynccontextmanager
async def reach(folder: Path) -> AsyncIterator[Reach]:
    """For the conformance suite: a far side, and the ways in which it fails."""
    side = FAR_SIDES["conformance"] = FarSide()

    def behaves(mode: str) -> Fault:
        is_refusal, retry_after_ms = FAULTS[mode]
        return Fault(
            begin=lambda: setattr(side, "mode", mode),
            is_silent=mode == HANGS,
            is_refusal=is_refusal,
            retry_after_ms=retry_after_ms,
        )

    def arrivals() -> list[Arrival]:
        return [
            Arrival(texts=[*texts, notification.dedup_key], key=delivery_key(notification))
            for notification, texts in zip(side.taken, side.texts, strict=True)
        ]

    async def let_go() -> None:
        return

    yield Reach(
        table={"type": "fake", "side": "conformance", "token": SECRET},
        faults={**{mode: behaves(mode) for mode in FAULTS if mode != HANGS}, "hanging": behaves(HANGS)},
        mend=lambda: setattr(side, "mode", ""),
        arrivals=arrivals,
        let_go=let_go,
    )
