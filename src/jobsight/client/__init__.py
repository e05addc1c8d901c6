"""The client: report jobs to the monitor. Standard library only, and it imports nothing else of this project."""

from __future__ import annotations

from jobsight.client.client import Client, default_client
from jobsight.client.job import Job
from jobsight.client.monitor import Monitor, monitor

__all__ = ["Client", "Job", "Monitor", "default_client", "monitor"]
