"""
The one tree of exceptions.

    JobsightError
    ├── UsageError            exit 2    the command line asks for something impossible
    ├── ConfigError           exit 78   a setting cannot be used
    │   └── UnsetReferenceError         it refers to a variable that is not set here
    ├── DataError             exit 65   the data folder is damaged, missing or newer than this program
    │   └── DamagedViewError            the view alone is damaged: it can be made anew from the log
    ├── NotFoundError         exit 66   no such job, alert or folder
    ├── ConflictError         exit 1    it cannot be done as things stand
    ├── InUseError            exit 69   another process holds the folder or the address
    ├── UnreachableError      exit 69   a server does not answer
    ├── CannotCreateError     exit 73   a file or folder cannot be made
    ├── StorageError          exit 74   an I/O error: the outcome of the batch is unknown
    ├── StorageFullError      exit 75   no room: nothing of the batch was stored
    ├── NoPermissionError     exit 77   the system refuses access
    └── DeliveryError         exit 1    a channel did not take a notification
"""

from __future__ import annotations


class JobsightError(Exception):
    """Anything that Jobsight refuses or fails to do, said in words for an operator; `exit_code` is the command's."""

    exit_code = 1


class UsageError(JobsightError):
    """The command line asks for something impossible."""

    exit_code = 2


class ConfigError(JobsightError):
    """A setting cannot be used; the text names its place and the nearest valid name."""

    exit_code = 78


class UnsetReferenceError(ConfigError):
    """A setting refers to a variable that is not set here: a matter of the surroundings, not of the file."""


class DataError(JobsightError):
    """The data folder is damaged, missing, or written by a newer version; nothing was touched."""

    exit_code = 65


class DamagedViewError(DataError):
    """The view alone is damaged or was made from something else: it can be made anew from the log."""


class NotFoundError(JobsightError):
    """There is no such job, alert or folder."""

    exit_code = 66


class ConflictError(JobsightError):
    """It cannot be done as things stand: the alert is resolved already, the check belongs to the configuration file."""


class InUseError(JobsightError):
    """Another process holds the data folder or the address."""

    exit_code = 69


class UnreachableError(JobsightError):
    """A server does not answer."""

    exit_code = 69


class CannotCreateError(JobsightError):
    """A file or folder cannot be made."""

    exit_code = 73


class StorageError(JobsightError):
    """An I/O error on the log; whether the batch is stored is unknown until the next start."""

    exit_code = 74


class StorageFullError(JobsightError):
    """There is no room; nothing of the batch was stored (exit 75 when it happens at start)."""

    exit_code = 75


class NoPermissionError(JobsightError):
    """The system refuses access to a file or folder."""

    exit_code = 77


class DeliveryError(JobsightError):
    """
    A channel did not take a notification.

    Args:
        reason: What happened, for an operator; never holds a secret of the channel.
        retry_after_ms: Not to be tried again before so long; 0 leaves it to the caller; None means never again.
        is_refusal: The far side said no, or does not exist: worth a few tries only (`REFUSAL_TRIES_MAX`), not a day of them.
    """

    def __init__(self, reason: str, retry_after_ms: int | None, *, is_refusal: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_ms = retry_after_ms
        self.is_refusal = is_refusal
