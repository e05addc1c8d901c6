"""Every channel of the registry keeps every promise of the exported suite, against real servers on this host."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.register_assert_rewrite("jobsight.testing.notifiers")

from jobsight.notifiers.registry import KINDS  # noqa: E402
from jobsight.testing.notifiers import PROMISES, Promise  # noqa: E402


def slow_where_it_is(promise: Promise) -> object:
    marks = [pytest.mark.slow] if "fault" in promise.__name__ or "secret" in promise.__name__ else []
    return pytest.param(promise, id=promise.__name__, marks=marks)


# Apprise loads all of its services, and some of them modules that Python will drop.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:imghdr", "ignore:'imghdr' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("promise", [slow_where_it_is(promise) for promise in PROMISES])
def test_a_channel_keeps_its_promise(kind: str, promise: Promise, tmp_path: Path) -> None:
    """What holds for one channel holds for all, so the rest of Jobsight need not know which it is."""
    if kind == "apprise":
        pytest.importorskip("apprise", reason="the extra `apprise` is not installed")
    asyncio.run(promise(kind, tmp_path))  # type: ignore[arg-type]
