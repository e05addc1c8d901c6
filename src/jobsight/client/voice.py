"""How the client speaks, and how it keeps its own troubles away from the job."""

from __future__ import annotations

import contextlib
import os

from jobsight.client.forks import Unforked
from jobsight.client.pump import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Final

STDOUT: Final = 1
STDERR: Final = 2


class Voice:
    """
    Says what a person should know, each thing once until it is over. As a context manager it keeps every error inside:
    a fault of the client must not become a fault of the job.

    Args:
        trouble: Takes what somebody has to mend: a wrong token, lost reports.
        note: Takes what passes by itself: the monitor is away, or back.
    """

    def __init__(self, trouble: Callable[[str], None], note: Callable[[str], None]) -> None:
        self._trouble: Final = trouble
        self._note: Final = note
        self._said: Final[set[str]] = set()

    def trouble(self, key: str, text: str) -> None:
        """Say what somebody has to mend, unless it was said under this key since the last `over`."""
        if key not in self._said:
            self._said.add(key)
            self._trouble(text)

    def note(self, key: str, text: str) -> None:
        """Say what passes by itself, as `trouble` does."""
        if key not in self._said:
            self._said.add(key)
            self._note(text)

    def over(self, *keys: str) -> bool:
        """Forget that something was said; whether anything had been."""
        is_any = not self._said.isdisjoint(keys)
        self._said.difference_update(keys)
        return is_any

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self.trouble(f"fault:{type(error).__name__}", f"a fault in the client itself: {error!r}; the job goes on")
        return True


def logging_voice() -> Voice:
    """Speaks through the logger `jobsight`, which is looked up when there is something to say."""

    def trouble(text: str) -> None:
        with Unforked():
            import logging
        logging.getLogger("jobsight").warning("%s", text)

    def note(text: str) -> None:
        with Unforked():
            import logging
        logging.getLogger("jobsight").info("%s", text)

    return Voice(trouble, note)


def stderr_voice() -> Voice:
    """Speaks on stderr, and only of what somebody has to mend: a wrapped command's output stays its own."""
    return Voice(lambda text: put_out(STDERR, f"jobsight: {text}\n"), lambda _: None)


def put_out(descriptor: int, text: str) -> None:
    """Say something on stdout or stderr. Where nobody takes it (closed, full, no reader), the way things end stays the same."""
    write_all(descriptor, text.encode(errors="replace"))


def keep_standard_files() -> None:
    """
    Open what is closed of stdin, stdout and stderr, for this process only: else the next file or socket would get its
    number, and what is said on stderr would go there.
    """
    for number in (0, STDOUT, STDERR):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
