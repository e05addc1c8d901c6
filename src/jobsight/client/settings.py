"""Where reports go, and where they wait: from arguments, else from the environment."""

from __future__ import annotations

import os
import zlib

from jobsight.client import limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

SERVER_DEFAULT: Final = "http://127.0.0.1:8787"

OFF: Final = "off"
"""A server of this name gets nothing: for tests of the programs that are watched."""


class Settings:
    """
    What a client needs to know.

    Args:
        server: The monitor's URL; `JOBSIGHT_SERVER` by default. `off` sends and keeps nothing.
        token: Its access token; `JOBSIGHT_TOKEN` by default.
        spool: Folder for reports that wait; `JOBSIGHT_SPOOL`, else `jobsight/spool` in the user's state folder.
        spool_bytes_max: See `limits`, as for all further ones; seconds.
    """

    def __init__(
        self,
        *,
        server: str | None = None,
        token: str | None = None,
        spool: str | os.PathLike[str] | None = None,
        spool_bytes_max: int = limits.SPOOL_BYTES_MAX,
        connect_s: float = limits.CONNECT_S,
        answer_s: float = limits.ANSWER_S,
        retry_first_s: float = limits.RETRY_FIRST_S,
        retry_max_s: float = limits.RETRY_MAX_S,
    ) -> None:
        chosen = server if server is not None else os.environ.get("JOBSIGHT_SERVER", "")
        self.server: Final = (chosen.strip() or SERVER_DEFAULT).rstrip("/")
        # Both are often read from a file, with the newline at its end.
        given = token if token is not None else os.environ.get("JOBSIGHT_TOKEN", "")
        self.token: Final = given.strip() or None
        root = os.fspath(spool) if spool is not None else os.environ.get("JOBSIGHT_SPOOL") or _state_folder()
        self.spool: Final = os.path.join(root, _folder_name(self.server))
        self.spool_bytes_max: Final = spool_bytes_max
        self.connect_s: Final = connect_s
        self.answer_s: Final = answer_s
        self.retry_first_s: Final = retry_first_s
        self.retry_max_s: Final = retry_max_s

    @property
    def is_off(self) -> bool:
        """Whether nothing is sent at all."""
        return self.server == OFF


def _folder_name(server: str) -> str:
    """A folder for each server, so that no report waits for one monitor and reaches another."""
    words = "".join(one if one.isalnum() and one.isascii() else "-" for one in server.partition("://")[2])
    return f"{words[:64]}-{zlib.crc32(server.encode('utf-8', 'surrogatepass')):08x}"


def _state_folder() -> str:
    state = os.environ.get("XDG_STATE_HOME")
    home = os.path.expanduser("~")
    if not state and (not os.path.isabs(home) or not os.access(home, os.W_OK | os.X_OK)):
        # A system user's home is often missing or not its own. Spool folders are made 0700, and used only by their owner.
        return os.path.join("/var/tmp", f"jobsight-{os.getuid()}", "spool")  # noqa: S108
    return os.path.join(state or os.path.join(home, ".local", "state"), "jobsight", "spool")
