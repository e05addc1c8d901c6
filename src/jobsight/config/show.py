"""Settings as text: each as it would stand in the file, with its origin, and without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from jobsight.config.keys import KEYS, Key
from jobsight.config.load import Loaded, open_values
from jobsight.config.settings import Address
from jobsight.config.values import DURATION_UNITS_MS
from jobsight.core.masking import mask

_NO_SECRETS: Final = frozenset({"type", "host", "tls", "from", "to", "ca_file"})
_REFERENCE: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}|file:\S+")


def lines_of(loaded: Loaded, *, has_origin: bool) -> Iterator[str]:
    """
    A line for each setting.

    Args:
        loaded: What holds.
        has_origin: Whether each line says where its value was set.
    """
    shown = [(f"{key.path} = {_written(key, loaded)}", loaded.origins[key.path]) for key in KEYS]
    for path, value in open_values(loaded.settings).items():
        shown.append((f"{path} = {_written_open(path.rpartition('.')[2], value)}", loaded.origins[path]))
    width = max(len(text) for text, _ in shown)
    for text, origin in shown:
        yield f"{text.ljust(width)}  # {origin}" if has_origin else text


def _written(key: Key, loaded: Loaded) -> str:
    value: object = loaded.settings
    for name in key.field.split("."):
        value = getattr(value, name)
    if value is None:
        return "(none)"
    if key.field.endswith("_ms") and isinstance(value, int):
        return f'"{_duration(value)}"'
    text = json.dumps(_plain(value), ensure_ascii=False)
    return mask(text) if key.is_secret else text


def _written_open(name: str, value: object) -> str:
    """A value of a channel. What it means is known to its type alone, so any text may be a secret; a reference to one is none."""
    is_open = name in _NO_SECRETS or (isinstance(value, str) and _REFERENCE.fullmatch(value) is not None)
    if isinstance(value, str | list | dict) and not is_open:
        value = "***"
    return json.dumps(value, ensure_ascii=False)


def _plain(value: object) -> object:
    if isinstance(value, Address | Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _duration(duration_ms: int) -> str:
    if duration_ms == 0:
        return "0"
    unit, size = max(
        ((unit, size) for unit, size in DURATION_UNITS_MS.items() if duration_ms % size == 0),
        key=lambda found: found[1],
    )
    return f"{duration_ms // size}{unit}"
