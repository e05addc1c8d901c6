"""Which built file stands for which source: the manifest that the build leaves beside them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from jobsight.web import FOLDER

PREFIX: Final = "/assets/"
"""Where built files are served."""


class _Manifest(Struct):
    files: dict[str, str]


def built_names(folder: Path) -> Mapping[str, str]:
    """Source -> the name of its built file; nothing where nothing was built."""
    try:
        return msgspec.json.decode((folder / "manifest.json").read_bytes(), type=_Manifest).files
    except FileNotFoundError:
        return {}


@cache
def stylesheet_path() -> str | None:
    """Where the styles are served; None where they were not built."""
    name = built_names(FOLDER / "assets").get("app.css")
    return None if name is None else PREFIX + name
