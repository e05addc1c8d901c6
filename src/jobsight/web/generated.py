"""
Templates as the Python that Jinja makes of them, made when the package is built.

Reading a template takes some 15 ms of processor time, and a page is made of up to seven; of what was generated, Python reads
one in 3 ms. The build keeps all of it in one file, with the version of Jinja that made it and the identity of the templates.
Where any of that is not what is at hand, the templates themselves are read. Stands alone: the build reads it without the rest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, MutableMapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from jinja2.nodes import Filter
from typing_extensions import override

NAME: Final = "templates.json"
"""The file, among those that the build makes."""


def environment_of(folder: Path, generated: Mapping[str, str]) -> Environment:
    """
    Where the templates of a folder are found, and how they are read: everything that they are handed is escaped.

    Args:
        folder: Where they are.
        generated: Name of a template -> the Python that was made of it; of others it is made when they are first wanted.
    """
    return Environment(
        loader=_Loader(folder, generated),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def generate(folder: Path, into: Path) -> None:
    """Make Python of all templates of a folder, and keep it in a file."""
    environment = environment_of(folder, {})
    texts = {path.name: path.read_text("utf-8") for path in _files(folder)}
    for text in texts.values():
        for one in environment.parse(text).find_all(Filter):
            environment.filters.setdefault(one.name, _not_here)
    templates = {name: environment.compile(text, name, raw=True) for name, text in texts.items()}
    into.write_text(json.dumps({"made_of": _made_of(folder), "templates": templates}))


def read_generated(folder: Path, file: Path) -> Mapping[str, str]:
    """What the build has made of the templates of a folder; nothing where they, or Jinja, are others since."""
    try:
        kept = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    templates: dict[str, str] = kept["templates"]
    return templates if kept["made_of"] == _made_of(folder) else {}


class _Loader(FileSystemLoader):
    def __init__(self, folder: Path, generated: Mapping[str, str]) -> None:
        super().__init__(folder)
        self._folder = folder
        self._generated = generated

    @override
    def load(
        self,
        environment: Environment,
        name: str,
        globals: MutableMapping[str, Any] | None = None,
    ) -> Template:
        text = self._generated.get(name)
        if text is None:
            return super().load(environment, name, globals)
        code = compile(text, str(self._folder / name), "exec")
        return environment.template_class.from_code(environment, code, {} if globals is None else globals)


def _not_here(*_: object) -> None:
    """Stands for a filter of ours: what is known beforehand must not be worked out with it."""
    raise LookupError("pages bring their own filters")


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.html"))


def _made_of(folder: Path) -> str:
    """The identity of the templates, of how they are read, and of what reads them."""
    digest = hashlib.sha256(version("jinja2").encode() + b"\0" + Path(__file__).read_bytes())
    for path in _files(folder):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
