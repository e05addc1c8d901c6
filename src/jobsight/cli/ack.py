"""`jobsight ack`."""

from __future__ import annotations

from jobsight.cli.hands import acknowledge as command

__all__ = ["command"]
