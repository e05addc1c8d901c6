"""The page of the data folder names every event that the monitor itself writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from jobsight.core.events import Internal, InternalEvent

PAGE = Path(__file__).parents[2] / "docs/reference/data-folder.md"

EVENTS: tuple[type[Internal], ...] = get_args(InternalEvent)


def described() -> dict[str, str]:
    """Type of an event -> what stands beside it."""
    rows = re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    return {name: text for names, text in rows for name in re.findall(r"`([a-z_]+)`", names)}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_an_event_is_described_with_all_its_fields(event: type[Internal]) -> None:
    """Who reads a log years later finds each word of it."""
    told = described()[str(event.__struct_config__.tag)]

    assert [] == [field.encode_name for field in msgspec.structs.fields(event) if f"`{field.encode_name}`" not in told]
