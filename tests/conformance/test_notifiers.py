"""Every channel of the registry keeps every promise of the exported suite, against real servers on this host."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

pytest.register_assert_rewrite("jobsight.testing.notifiers")

from jobsight.notifiers.registry import KINDS  # noqa: E402
from jobsight.testing.notifiers import (  # noqa: E402
    PROMISES,
    Promise,
    a_broken_template_sends_plain_words,
    every_fault_is_told_and_passes,
    hostile_text_arrives_harmless,
    no_text_shows_a_secret,
)

# Above a second: every fault in turn, a template that never ends; and what starts a program for each notification.
SLOW_PROMISES = {every_fault_is_told_and_passes, no_text_shows_a_secret, a_broken_template_sends_plain_words}
SLOW_PAIRS = {("command", hostile_text_arrives_harmless), ("smtp", hostile_text_arrives_harmless)}


def cases() -> Iterator[object]:
    for promise, kind in product(PROMISES, KINDS):
        is_slow = promise in SLOW_PROMISES or (kind, promise) in SLOW_PAIRS or kind == "apprise"
        yield pytest.param(kind, promise, id=f"{promise.__name__}-{kind}", marks=[pytest.mark.slow] if is_slow else [])


# Apprise loads all of its services, and some of them modules that Python will drop.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:imghdr", "ignore:'imghdr' is deprecated:DeprecationWarning")
@pytest.mark.parametrize(("kind", "promise"), list(cases()))
def test_a_channel_keeps_its_promise(kind: str, promise: Promise, tmp_path: Path) -> None:
    """What holds for one channel holds for all, so the rest of Jobsight need not know which it is."""
    if kind == "apprise":
        pytest.importorskip("apprise", reason="the extra `apprise` is not installed")
    asyncio.run(promise(kind, tmp_path))  # type: ignore[arg-type]
