"""Limits of the wire, by name."""

from __future__ import annotations

from typing import Final

LINE_BYTES_MAX: Final = 1024 * 1024
"""A longer line is dropped to its newline, in constant memory."""

NESTING_MAX: Final = 32
"""Objects and lists within each other."""

ERROR_TEXT_CHARACTERS_MAX: Final = 300
ECHO_CHARACTERS_MAX: Final = 64
"""How much of the input an error text may repeat."""

LIST_LIMIT_DEFAULT: Final = 50
LIST_LIMIT_MAX: Final = 500
SLICE_BYTES: Final = 64 * 1024
"""Lines are decoded in slices of about this size: larger ones fall out of the processor's cache."""
