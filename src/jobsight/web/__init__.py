"""What browsers get: templates, and the files that the build puts into `assets`. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
"""Holds `templates` and, once they are built, `assets`."""
