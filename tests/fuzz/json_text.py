"""
JSON as RFC 8259 has it, read character by character: slow, short, and with nothing in common with what the node uses.

A number keeps the text by which it was written, beside its value.
"""

from __future__ import annotations

import re
from typing import Any

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
WORDS = {"true": True, "false": False, "null": None}
DEEPEST = 32


class NotJson(ValueError):
    """The text is no JSON value, or holds what the protocol does not take anywhere."""


class Whole(int):
    """A number without fraction and exponent."""

    text: str


class Decimal(float):
    """Any other number; infinite where it is too large for a double."""

    text: str


class Text(str):
    """JSON that is written already."""

    __slots__ = ()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip_space(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1

    def take(self, expected: str) -> bool:
        is_there = self.text.startswith(expected, self.at)
        self.at += len(expected) if is_there else 0
        return is_there

    def expect(self, expected: str) -> None:
        if not self.take(expected):
            raise NotJson(f"{expected!r} expected at {self.at}")

    def value(self, depth: int) -> Any:
        if depth > DEEPEST:
            raise NotJson("too deep")
        self.skip_space()
        if self.take("{"):
            found: Any = self.members(depth)
        elif self.take("["):
            found = self.elements(depth)
        elif self.take('"'):
            found = self.string()
        else:
            found = self.word_or_number()
        self.skip_space()
        return found

    def members(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.skip_space()
        if self.take("}"):
            return found
        while True:
            self.skip_space()
            self.expect('"')
            key = self.string()
            self.skip_space()
            self.expect(":")
            found[key] = self.value(depth + 1)
            if not self.take(","):
                self.expect("}")
                return found

    def elements(self, depth: int) -> list[Any]:
        found: list[Any] = []
        self.skip_space()
        if self.take("]"):
            return found
        while True:
            found.append(self.value(depth + 1))
            if not self.take(","):
                self.expect("]")
                return found

    def string(self) -> str:
        units: list[str] = []
        while True:
            if self.at >= len(self.text):
                raise NotJson("a string without end")
            char = self.text[self.at]
            self.at += 1
            if char == '"':
                break
            if char < " ":
                raise NotJson("a control character")
            units.append(self.escape() if char == "\\" else char)
        text = "".join(units)
        # Two escapes may make one character; what is left of surrogates then stands alone.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise NotJson("half a character")
        return text

    def escape(self) -> str:
        kind = self.text[self.at : self.at + 1]
        self.at += 1
        if kind == "u":
            digits = self.text[self.at : self.at + 4]
            if re.fullmatch("[0-9a-fA-F]{4}", digits) is None:
                raise NotJson("four hexadecimal digits expected")
            self.at += 4
            return chr(int(digits, 16))
        if kind not in ESCAPES or not kind:
            raise NotJson("no escape")
        return ESCAPES[kind]

    def word_or_number(self) -> Any:
        for word, meaning in WORDS.items():
            if self.take(word):
                return meaning
        match = NUMBER.match(self.text, self.at)
        if match is None:
            raise NotJson(f"no value at {self.at}")
        self.at = match.end()
        return number(match[0], is_whole=match[1] is None and match[2] is None)


def number(text: str, *, is_whole: bool) -> Whole | Decimal:
    """A number with its text."""
    found: Whole | Decimal = Whole(text) if is_whole else Decimal(text)
    found.text = "0" if text == "-0" else text
    return found


def read(line: bytes) -> Any:
    """
    The value that a line holds.

    Raises:
        NotJson: It holds none, or more than one, or half characters, or is nested too deeply.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise NotJson("not UTF-8") from error
    reader = _Reader(text)
    found = reader.value(1)
    if reader.at != len(text):
        raise NotJson(f"more than one value, at {reader.at}")
    return found


def write(value: Any) -> str:
    """A value on one line, spaced as the specification spaces its replies, numbers as they were written."""
    match value:
        case Text():
            return str(value)
        case Whole() | Decimal():
            return value.text
        case dict():
            return "{" + ", ".join(f"{write(key)}: {write(one)}" for key, one in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(write, value)) + "]"
        case str():
            return '"' + "".join(map(_written, value)) + '"'
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case _:
            return repr(value)


def _written(char: str) -> str:
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return short.get(char, char if char >= " " else f"\\u{ord(char):04x}")
