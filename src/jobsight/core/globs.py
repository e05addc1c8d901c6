"""Globs: `*` for any characters, `?` for one. Matched in time that grows with pattern times text, whatever they hold."""

from __future__ import annotations

from typing import Final

GLOB_CHARACTERS_MAX: Final = 128
"""A longer pattern is refused where it is set; here it matches nothing."""


def glob_fault(pattern: str) -> str | None:
    """What is wrong with a pattern, in words; None for a good one."""
    if not pattern or len(pattern) > GLOB_CHARACTERS_MAX:
        return f"expected a pattern of 1 to {GLOB_CHARACTERS_MAX} characters"
    return None


def is_match(pattern: str, text: str) -> bool:
    """
    Whether a whole text matches a pattern; cases differ.

    One star at a time is remembered: where the rest does not fit, only the last one takes a character more.
    """
    if len(pattern) > GLOB_CHARACTERS_MAX:
        return False
    at = in_pattern = 0
    star = star_at = -1
    while at < len(text):
        if in_pattern < len(pattern) and pattern[in_pattern] == "*":
            star, star_at = in_pattern, at
            in_pattern += 1
        elif in_pattern < len(pattern) and pattern[in_pattern] in ("?", text[at]):
            in_pattern += 1
            at += 1
        elif star >= 0:
            star_at += 1
            in_pattern, at = star + 1, star_at
        else:
            return False
    return pattern[in_pattern:].strip("*") == ""
