"""From flags, environment and file to frozen settings; everything that is wrong is said at once."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from jobsight.config.keys import KEY_BY_PATH, KEY_BY_VARIABLE, KEYS, SECTIONS, Key
from jobsight.config.pieces import CHECKS, TornError, in_pieces
from jobsight.config.settings import Settings
from jobsight.core.masking import mask
from jobsight.core.routing import notify_names
from jobsight.errors import ConfigError
from jobsight.protocol.declared import DECLARED, fault_text, read_declared

FILE_NAME: Final = "jobsight.toml"
FILE_VARIABLE: Final = "JOBSIGHT_CONFIG"
OPEN_TABLES: Final = frozenset({"channels", "smtp", *DECLARED})
"""
Tables whose keys are no settings. Those of channels depend on their kind, and are checked where the channels are made,
before data is touched; what is declared is read by `protocol.declared`.
"""

DEFAULT: Final = "default"
"""The origin of a value that nobody has set."""

_ENVIRONMENT_NEAR: Final = 0.85
_REFERENCE: Final = re.compile(r"\$\{([^}]*)\}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TABLE: Final = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_ENTRY: Final = re.compile(r"\s*([A-Za-z0-9_.\"'-]+)\s*=")


class Loaded(Struct, frozen=True, kw_only=True):
    """Settings, and for the path of each where it was set: a flag, a variable, a place in a file, or `default`."""

    settings: Settings
    origins: dict[str, str]


class _Given(Struct, frozen=True):
    """A value as it is written somewhere."""

    key: Key
    value: object
    origin: str


def load(
    flags: Mapping[str, object],
    environment: Mapping[str, str],
    file: Path | None,
    find: Callable[[Settings], Iterable[str]] = lambda _: (),
) -> Loaded:
    """
    The settings that hold.

    Args:
        flags: Path of a setting -> what the command line says; only those that it names.
        environment: The process's.
        file: The configuration file; None for none.
        find: Further faults of settings, such as those of channels; each begins with the path of its setting.

    Raises:
        ConfigError: Something is wrong; every fault has a line with its place and the nearest valid name.
    """
    try:
        return _load(flags, environment, file, find, has_pieces=True)
    except TornError:
        return _load(flags, environment, file, find, has_pieces=False)


def _load(
    flags: Mapping[str, object],
    environment: Mapping[str, str],
    file: Path | None,
    find: Callable[[Settings], Iterable[str]],
    *,
    has_pieces: bool,
) -> Loaded:
    """The same; raises TornError where the file has to be read as a whole."""
    faults: list[str] = []
    open_tables: dict[str, Any] = {}
    places = _Places(file)
    given = [
        *(_from_file(file, faults, open_tables, places, has_pieces=has_pieces) if file is not None else ()),
        *_from_environment(environment, faults),
        *(_Given(KEY_BY_PATH[path], value, f"flag --{_flag_of(path)}") for path, value in flags.items()),
    ]
    declared = {name: open_tables.pop(name) for name in DECLARED if name in open_tables}
    settings = Settings(**open_tables)
    origins = {key.path: DEFAULT for key in KEYS}
    for one in given:
        try:
            value = _resolved(one.value, environment) if one.key.is_secret else one.value
            settings = _with(settings, one.key.field.split("."), one.key.read(value))
        except ValueError as error:
            faults.append(f"{one.origin}: {one.key.path}: {mask(str(error))}")
        origins[one.key.path] = one.origin
    faults += _faults_between(settings, origins)
    read, wrong = read_declared(declared, [*settings.channels, *notify_names(len(settings.notify))])
    faults += [f"{places.of(fault.path)}: {fault_text(fault)}" for fault in wrong]
    faults += [f"{_place_of(fault, places, origins)}: {fault}" for fault in find(settings)]
    settings = msgspec.structs.replace(settings, declared=read)
    if faults:
        raise ConfigError("\n".join(faults))
    origins |= {path: places.of(path) for path in open_values(settings)}
    return Loaded(settings=settings, origins=origins)


def open_values(settings: Settings) -> dict[str, object]:
    """What the mail server's table and those of the channels hold, by its path, as it is written."""
    values: dict[str, object] = {f"smtp.{name}": value for name, value in settings.smtp.items()}
    for channel, table in settings.channels.items():
        key = channel if _BARE.fullmatch(channel) else json.dumps(channel, ensure_ascii=False)
        values |= {f"channels.{key}.{name}": value for name, value in table.items()}
    return values


def _place_of(fault: str, places: _Places, origins: Mapping[str, str]) -> str:
    """Where the setting was set with whose path a fault begins."""
    path = re.split(r"[:\s\[]", fault, maxsplit=1)[0]
    return origins["notify"] if path.startswith("channels.notify-") else places.of(path)


def declared_tables(file: Path) -> dict[str, Any]:
    """
    The tables of a file that declare something, as they are written, and sound; its settings are not looked at.

    Raises:
        ConfigError: The file cannot be read, or something is wrong with what it declares; every fault has a line.
    """
    faults: list[str] = []
    tables: dict[str, Any] = {}
    places = _Places(file)
    for _ in _from_file(file, faults, tables, places, has_pieces=False):
        pass
    if not places.is_read and faults:
        raise ConfigError("\n".join(faults))
    declared = {name: tables[name] for name in DECLARED if name in tables}
    _, wrong = read_declared(declared, None)
    found = [line for line in faults if any(f": {name}" in line for name in DECLARED)]
    found += [f"{places.of(fault.path)}: {fault_text(fault)}" for fault in wrong]
    if found:
        raise ConfigError("\n".join(found))
    return declared


def find_file(named: Path | None, environment: Mapping[str, str], folders: list[Path]) -> Path | None:
    """
    The configuration file.

    Args:
        named: By a flag.
        environment: `JOBSIGHT_CONFIG` names it otherwise.
        folders: Where a `jobsight.toml` is looked for when nothing names one, in this order.

    Returns:
        Its path, which may not exist where it was named; None where there is none.
    """
    if named is None and environment.get(FILE_VARIABLE):
        named = Path(environment[FILE_VARIABLE])
    if named is not None:
        return named
    return next((path for folder in folders if (path := folder / FILE_NAME).is_file()), None)


class _Places:
    """Where things stand in the file."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._unseen = ""
        self._lines: dict[str, int] = {}
        self.is_read = False

    def note(self, text: str, settings: str) -> None:
        """What was read, and the part of it, in the same lines, that is not about checks: those are looked for when asked for."""
        self._lines = _lines_of(settings)
        self._unseen = "" if text == settings else text
        self.is_read = True

    def of(self, path: str) -> str:
        """The place of a value; where it has none of its own, that of the table around it."""
        path = _bare(path)
        if self._unseen and path.partition(".")[0] == CHECKS:
            self._lines, self._unseen = _lines_of(self._unseen), ""
        while path not in self._lines and "." in path:
            path = path.rpartition(".")[0]
        return f"{self._file}, line {self._lines[path]}" if path in self._lines else str(self._file)


def _from_file(
    file: Path, faults: list[str], open_tables: dict[str, Any], places: _Places, *, has_pieces: bool
) -> Iterator[_Given]:
    text = ""
    try:
        text = settings = file.read_text(encoding="utf-8")
        apart = in_pieces(text) if has_pieces else None
        if apart is None:
            tables = tomllib.loads(text)
        else:
            tables, settings, open_tables[CHECKS] = apart
    except OSError as error:
        faults.append(f"{file}: cannot be read ({error.strerror})")
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(_with_line_first(file, str(error), text.count("\n") + 1))
        return
    places.note(text, settings)
    for name in OPEN_TABLES & tables.keys():
        table = tables.pop(name)
        if isinstance(table, dict) and (name == "smtp" or all(isinstance(one, dict) for one in table.values())):
            open_tables[name] = table
        else:
            faults.append(f"{places.of(name)}: {name}: expected tables, [{name}{'' if name == 'smtp' else '.NAME'}]")
    for path, value in _leaves(tables, ()):
        place = places.of(path)
        key = KEY_BY_PATH.get(path)
        if key is not None:
            yield _Given(key, value, place)
        elif path in SECTIONS:
            faults.append(f"{place}: {path}: expected a table, [{path}]")
        else:
            faults.append(f"{place}: {path}: there is no such setting{_nearest(path, [*KEY_BY_PATH, *SECTIONS])}")


def _leaves(table: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    """Every value of nested tables, and every table that is none of ours, by its path."""
    for name, value in table.items():
        path = ".".join((*above, name))
        if isinstance(value, dict) and path in SECTIONS:
            yield from _leaves(value, (*above, name))
        else:
            yield path, value


def _from_environment(environment: Mapping[str, str], faults: list[str]) -> Iterator[_Given]:
    for name, value in sorted(environment.items()):
        if not name.startswith("JOBSIGHT_"):
            continue
        key = KEY_BY_VARIABLE.get(name)
        if key is not None:
            yield _Given(key, value, name)
            continue
        near = get_close_matches(name, [*KEY_BY_VARIABLE, FILE_VARIABLE], 1, _ENVIRONMENT_NEAR)
        if near and name != FILE_VARIABLE:
            faults.append(f"{name}: there is no such variable; did you mean {near[0]}?")


def _faults_between(settings: Settings, origins: Mapping[str, str]) -> list[str]:
    """What is wrong only together."""
    server = settings.server
    if (server.tls_cert is None) == (server.tls_key is None):
        return []
    there, missing = ("tls_cert", "tls_key") if server.tls_key is None else ("tls_key", "tls_cert")
    return [f"{origins['server.' + there]}: server.{there}: expected server.{missing} beside it"]


def _with(settings: Any, field: list[str], value: object) -> Any:
    """Settings in which one field has another value."""
    name, *below = field
    inner = _with(getattr(settings, name), below, value) if below else value
    return msgspec.structs.replace(settings, **{name: inner})


def _resolved(value: object, environment: Mapping[str, str]) -> object:
    """A value in which every `${NAME}` is what the environment holds under that name."""
    if isinstance(value, list | tuple):
        return [_resolved(one, environment) for one in value]
    if not isinstance(value, str):
        return value

    def referred(match: re.Match[str]) -> str:
        name = match[1]
        if not _VARIABLE.fullmatch(name):
            raise ValueError("expected the name of an environment variable in ${...}")
        if name not in environment:
            raise ValueError(f"refers to ${{{name}}}, which is not set in the environment")
        return environment[name]

    return _REFERENCE.sub(referred, value)


def _lines_of(text: str) -> dict[str, int]:
    """The line of each table and each value, by its path."""
    lines: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = _bare(header[1])
            path = table
        elif entry := _ENTRY.match(line):
            name = _bare(entry[1])
            path = f"{table}.{name}" if table else name
        else:
            continue
        for at, character in enumerate(path):
            if character == ".":
                lines.setdefault(path[:at], number)
        lines[path] = number
    return lines


def _bare(path: str) -> str:
    """A path without quotes and spaces, as it is looked up."""
    return re.sub(r"[\s\"']", "", path)


def _nearest(path: str, names: list[str]) -> str:
    near = get_close_matches(path, names, 1)
    if not near:
        last = path.rpartition(".")[2]
        near = [name for name in names if name.rpartition(".")[2] == last]
    return f"; did you mean {near[0]}?" if near else ""


def _with_line_first(file: Path, text: str, lines: int) -> str:
    """`... (at line 3, column 7)` as `FILE, line 3: ...`, like every other fault."""
    text = text.replace(" (at end of document)", f" (at line {lines}, column 1)")
    match = re.search(r" \(at line (\d+), column (\d+)\)$", text)
    return f"{file}: {text}" if match is None else f"{file}, line {match[1]}: {text[: match.start()]}"


def _flag_of(path: str) -> str:
    return {
        "data.dir": "data",
        "server.trusted_proxies": "trusted-proxy",
        "retention.completed": "keep-completed",
        "retention.failed": "keep-failed",
        "retention.log": "keep-log",
    }.get(path, path.rpartition(".")[2].replace("_", "-"))
