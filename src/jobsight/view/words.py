"""Names that come again and again, stored once: a row holds the number of the word instead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

import apsw

WORDS_MAX: Final = 20_000
"""Words with a number; further names stand in the rows as they are. Bounds the memory that host names can take."""

# All words, in the order of their numbers.
SELECT_WORDS: Final = "SELECT id, word FROM words ORDER BY id"

# Words after a number: a reader has met one that it did not know.
SELECT_WORDS_AFTER: Final = "SELECT id, word FROM words WHERE id > ? ORDER BY id"

# The number of a word.
SELECT_WORD_ID: Final = "SELECT id FROM words WHERE word = ?"

# A new word; the same again after a flush that was rolled back.
INSERT_WORD: Final = "INSERT OR IGNORE INTO words (id, word) VALUES (?, ?)"

Stored = int | str | None
"""A name as it stands in a row: a word's number, the text itself, or nothing."""


class Words:
    """
    Names and the numbers that stand for them in rows.

    Attributes:
        numbers: Name -> as it is stored, of the names that were met; a plain dictionary, for speed alone.
        texts: Number -> name.
        new: What was met since the last commit.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        rows = cast("list[tuple[int, str]]", connection.execute(SELECT_WORDS).fetchall())
        self.texts: dict[int, str] = dict(rows)
        self.new: list[tuple[int, str]] = []
        self.numbers: dict[str | None, Stored] = {word: number for number, word in rows}
        self.numbers[None] = None
        self._unnumbered: list[str] = []
        self._next = max(self.texts, default=0) + 1

    def learn(self, names: Iterable[str | None]) -> None:
        """Give new names the next numbers; where there are too many, one stands for itself, and is forgotten at the next commit."""
        for name in names:
            if name is None or name in self.numbers:
                continue
            if self._next > WORDS_MAX:
                self.numbers[name] = name
                self._unnumbered.append(name)
                continue
            self.numbers[name] = self._next
            self.texts[self._next] = name
            self.new.append((self._next, name))
            self._next += 1

    def text(self, stored: Stored) -> str | None:
        """The name that a row holds."""
        return self.texts[stored] if type(stored) is int else stored  # type: ignore[return-value]

    def write_new(self, connection: apsw.Connection) -> None:
        """Store the words that were met since the last commit, inside the transaction of the rows that use them."""
        if self.new:
            connection.executemany(INSERT_WORD, self.new)

    def keep_new(self) -> None:
        """The transaction was committed."""
        self.new.clear()
        for name in self._unnumbered:
            del self.numbers[name]
        self._unnumbered.clear()


class KnownWords:
    """The reading side: the words that a writer has stored, perhaps in another process."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._texts: dict[int, str] = {}
        self._numbers: dict[str, int] = {}

    def stored(self, name: str) -> int | str:
        """How rows hold a name; the name itself where it has no number. A number is a name's for good, none may be one later."""
        number = self._numbers.get(name)
        if number is None:
            found: int | None = self._connection.execute(SELECT_WORD_ID, (name,)).get
            if found is None:
                return name
            number = self._numbers[name] = found
        return number

    def text(self, stored: Stored) -> str | None:
        """The name that a row holds."""
        if type(stored) is not int:
            return stored  # type: ignore[return-value]
        if stored not in self._texts:
            self._learn()
        return self._texts[stored]

    def all(self) -> dict[int, str]:
        """All words, by their numbers; where there are `WORDS_MAX` of them, rows may hold further names as they are."""
        self._learn()
        return self._texts

    def _learn(self) -> None:
        after = max(self._texts, default=0)
        self._texts.update(cast("list[tuple[int, str]]", self._connection.execute(SELECT_WORDS_AFTER, (after,))))
