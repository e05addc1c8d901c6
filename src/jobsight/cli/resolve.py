"""`jobsight resolve`."""

from __future__ import annotations

from jobsight.cli.hands import resolve as command

__all__ = ["command"]
