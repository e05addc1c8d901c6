"""Jobsight: what is running, how long it takes, and when things go wrong."""

__version__ = "0.1.0"
