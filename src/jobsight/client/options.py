"""Reading the command lines of `run` and `report`, by hand: cron starts them every minute, and parsers are slow to import."""

from __future__ import annotations

from jobsight.client.limits import WAIT_S_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

EXIT_USAGE: Final = 2

FLAG: Final = "flag"
VALUE: Final = "value"
MANY: Final = "many"

WHOLE_MAX: Final = 10**15 - 1
"""The monitor takes whole numbers up to 2^53-1; this one is easier to say, and one more is still below it."""

_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class UsageError(Exception):
    """The command line cannot be understood; the text says where."""


class Words:
    """
    A command line, taken apart.

    Attributes:
        values: Option -> its value; of options that may come more than once, see `lists`.
        lists: Option -> its values.
        flags: Options without a value.
        rest: What follows the options.
    """

    def __init__(self) -> None:
        self.values: Final[dict[str, str]] = {}
        self.lists: Final[dict[str, list[str]]] = {}
        self.flags: Final[set[str]] = set()
        self.rest: list[str] = []

    def whole(self, name: str) -> int | None:
        """The value of an option as a whole number from 0; None where it is not given."""
        text = self.values.get(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit()):
            raise UsageError(f"{name}: expected a whole number, got {text!r}")
        if len(text) > len(str(WHOLE_MAX)):
            raise UsageError(f"{name}: expected at most {WHOLE_MAX}, got {len(text)} digits")
        return int(text)

    def percent(self, name: str) -> float | None:
        """The value of an option as a number from 0 to 100; None where it is not given."""
        text = self.values.get(name)
        if text is None:
            return None
        number = _number(text.removesuffix("%"))
        if number is None or not 0 <= number <= 100:
            raise UsageError(f"{name}: expected a number from 0 to 100, got {text!r}")
        return int(number) if number.is_integer() else number

    def seconds(self, name: str) -> float | None:
        """The value of an option as a time in seconds (`30`, `12.5s`, `30m`, `2h`); None where it is not given."""
        text = self.values.get(name)
        if text is None:
            return None
        for unit in ("ms", "s", "m", "h", "d", ""):
            number = _number(text.removesuffix(unit)) if text.endswith(unit) else None
            if number is None:
                continue
            seconds = number * _UNITS_S.get(unit, 1.0)
            if seconds > WAIT_S_MAX:
                raise UsageError(f"{name}: expected at most {WAIT_S_MAX / 86400:.0f}d, got {text!r}")
            return seconds
        raise UsageError(f"{name}: expected a time such as 30s, 5m or 2h, got {text!r}")

    def labels(self, name: str) -> dict[str, str]:
        """The values of an option as labels, each `key=value`."""
        labels = {}
        for text in self.lists.get(name, []):
            key, mark, value = text.partition("=")
            if not key or not mark:
                raise UsageError(f"{name}: expected KEY=VALUE, got {text!r}")
            labels[key] = value
        return labels

    def server(self) -> str | None:
        """The value of `--server`; None where it is not given."""
        server = self.values.get("--server")
        if server is not None and server != "off" and not server.startswith(("http://", "https://")):
            raise UsageError(f"--server: expected a URL such as http://127.0.0.1:8787, got {server!r}")
        return server


def read_words(argv: Sequence[str], kinds: Mapping[str, str], *, is_mixed: bool) -> Words:
    """
    Take a command line apart.

    Args:
        argv: Its words, without the command's name.
        kinds: Option -> `FLAG`, `VALUE` or `MANY`.
        is_mixed: Options may stand behind other words too; otherwise the first other word ends them. `--` always does.

    Raises:
        UsageError: An option that does not exist, or without its value.
    """
    words = Words()
    place = 0
    while place < len(argv):
        word = argv[place]
        place += 1
        if word == "--":
            words.rest += argv[place:]
            break
        if not word.startswith("-") or word == "-":
            words.rest.append(word)
            if is_mixed:
                continue
            words.rest += argv[place:]
            break
        name, mark, value = word.partition("=")
        kind = kinds.get(name)
        if kind is None:
            raise UsageError(f"there is no option {name}; see --help")
        if kind == FLAG:
            if mark:
                raise UsageError(f"{name} takes no value")
            words.flags.add(name)
            continue
        if not mark:
            if place == len(argv):
                raise UsageError(f"{name}: a value is missing")
            value = argv[place]
            place += 1
        if kind == MANY:
            words.lists.setdefault(name, []).append(value)
        else:
            words.values[name] = value
    return words


def _number(text: str) -> float | None:
    if not text[:1].isdigit() or not text.isascii() or not text.replace(".", "", 1).isdigit():
        return None
    return float(text)
