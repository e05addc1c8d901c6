"""The service's own log: structured lines on stderr, as JSON where nobody reads along."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from typing_extensions import override

from jobsight.core.masking import mask

_UVICORN: Final = ("uvicorn.error", "uvicorn.asgi")


class Journal:
    """Writes what happens to stderr. Secrets never get there: every text goes through the masking function."""

    def __init__(self) -> None:
        is_terminal = sys.stderr.isatty()
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                _masked,
                structlog.dev.ConsoleRenderer() if is_terminal else structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            cache_logger_on_first_use=True,
        )
        self._log: Any = structlog.get_logger()
        for name in _UVICORN:
            logger = logging.getLogger(name)
            logger.handlers = [_Handler(self._log)]
            logger.setLevel(logging.ERROR)
            logger.propagate = False

    def note(self, text: str) -> None:
        """Something that an operator may want to know."""
        self._log.info(text)

    def request(self, method: str, path: str, status: int, caller: str) -> None:
        """A request that was answered."""
        self._log.info("request", method=method, path=path, status=status, caller=caller)


class _Handler(logging.Handler):
    """Leads what uvicorn says into the same log."""

    def __init__(self, log: Any) -> None:
        super().__init__()
        self._log = log

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._log.log(record.levelno, record.getMessage().strip(), exc_info=record.exc_info)


def _masked(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: mask(value) if isinstance(value, str) else value for key, value in event.items()}
