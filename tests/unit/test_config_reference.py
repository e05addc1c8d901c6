"""The reference of the settings says what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from jobsight.config.keys import KEYS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "configuration.md"


def test_every_setting_is_described_with_its_variable_and_no_other() -> None:
    """docs/reference/configuration.md and the table of settings are the same list, in the same words."""
    rows = re.findall(r"^\| `([a-z_.]+)` \| `(JOBSIGHT_\w+)` \| (.+?) \| .+ \|$", PAGE.read_text(), re.MULTILINE)

    assert [(key.path, key.variable, key.about) for key in KEYS] == rows
