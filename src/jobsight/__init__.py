"""Jobsight: what is running, how long it takes, and when things go wrong."""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`jobsight.Client` and `jobsight.monitor`, imported when they are asked for; `__init__.pyi` has their types."""
    if name in {"Client", "monitor"}:
        from importlib import import_module

        return getattr(import_module("jobsight.client"), name)
    raise AttributeError(f"module 'jobsight' has no attribute {name!r}")
