"""Secrets stay out of the configuration: `${NAME}` is taken from the environment, `file:PATH` from a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jobsight.errors import ConfigError, UnsetReferenceError

FILE_BYTES_MAX: Final = 64 * 1024

_REFERENCE: Final = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def resolve(text: str, *, where: str, environment: Mapping[str, str]) -> str:
    """
    A setting with its references replaced; `$${` stands for `${` itself.

    Args:
        where: Named in errors: `channels.pager.url`.
        environment: Where names are looked up; handed in, so that nothing is read behind one's back.

    Raises:
        UnsetReferenceError: A name is not set. Never shows a value.
        ConfigError: A file cannot be read.
    """
    if text.startswith("file:"):
        return _content(text.removeprefix("file:"), where=where)

    def value(found: re.Match[str]) -> str:
        if found[1] is None:
            return "${"
        if not _NAME.fullmatch(found[1]):
            raise ConfigError(f"{where} refers to '${{{found[1]}}}', which is no name of a variable: write ${{NAME}}")
        if found[1] not in environment:
            raise UnsetReferenceError(
                f"{where} refers to ${{{found[1]}}}, which is not set: set it where Jobsight is started"
            )
        return environment[found[1]]

    return _REFERENCE.sub(value, text)


def resolve_all(value: Any, *, where: str, environment: Mapping[str, str]) -> Any:
    """A table, list or text of settings, all of its texts resolved; keys stay as they are."""
    match value:
        case str():
            return resolve(value, where=where, environment=environment)
        case Mapping():
            return {
                key: resolve_all(item, where=f"{where}.{key}", environment=environment) for key, item in value.items()
            }
        case list() | tuple():
            return [
                resolve_all(item, where=f"{where}[{place}]", environment=environment)
                for place, item in enumerate(value)
            ]
        case _:
            return value


def holds_reference(value: Any) -> bool:
    """Whether anything in there would be looked up: such settings are for the configuration file only."""
    match value:
        case str():
            return value.startswith("file:") or _REFERENCE.search(value) is not None
        case Mapping():
            return any(map(holds_reference, value.values()))
        case list() | tuple():
            return any(map(holds_reference, value))
        case _:
            return False


def _content(path: str, *, where: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{where} refers to the file '{path}', which cannot be read: {error.strerror}") from None
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError(f"{where} refers to the file '{path}', which is larger than {FILE_BYTES_MAX // 1024} KiB")
    try:
        return content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigError(f"{where} refers to the file '{path}', which is not UTF-8 text") from None
