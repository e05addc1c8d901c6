"""The channel of the simulation keeps every promise that real channels keep."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from simulation import channel

from jobsight.notifiers import registry
from jobsight.testing import reaches
from jobsight.testing.notifiers import PROMISES, Promise


@pytest.mark.slow
@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_the_fake_channel_keeps_its_promise(promise: Promise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the simulation shows of it holds for the real ones: they pass one suite."""
    monkeypatch.setitem(registry.KINDS, "fake", channel.KIND)  # type: ignore[arg-type]
    monkeypatch.setitem(reaches.REACHES, "fake", channel.reach)  # type: ignore[arg-type]

    asyncio.run(promise("fake", tmp_path))  # type: ignore[arg-type]
