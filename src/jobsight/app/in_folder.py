"""A data folder without a service: the operators' API in the process of a command, and what queries read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from jobsight.app.clock import Say, clock_ms
from jobsight.app.stores import open_store, read_view
from jobsight.app.writing import writer_of
from jobsight.core.events import InternalEvent
from jobsight.core.state import State
from jobsight.engine.writer import Writer
from jobsight.protocol.session import Outcome

if TYPE_CHECKING:
    import httpx

    from jobsight.transports.http.asking import Source
    from jobsight.transports.http.recorder import Recorder
    from jobsight.transports.http.routes import Endpoint


def source_of(data: Path) -> Source:
    """What one thread answers queries from, beside the writer."""
    from jobsight.logs.folder import VIEW, open_log_reader
    from jobsight.transports.http.asking import Source
    from jobsight.view.queries import open_reader

    reader, log = open_reader(data / VIEW), open_log_reader(data)

    def close() -> None:
        reader.close()
        log.close()

    def log_bytes() -> int:
        return sum(path.stat().st_size for path in data.glob("log.db*"))

    return Source(view=reader, log=log, log_bytes=log_bytes, close=close)


@contextmanager
def open_changing(data: Path, author: str, say: Say) -> Iterator[httpx.Client]:
    """
    The operators' API on a data folder that no other process holds.

    Args:
        data: The folder.
        author: Who is written down for what is changed.
        say: Told what was repaired on the way.

    Raises:
        InUseError: A process holds the folder; it can be asked through its control socket.
        JobsightError: See `open_store`.
    """
    with open_store(data, say) as store:
        writer = writer_of(store, None, kind=Writer)
        with _client(writer, data, author, _credentials(writer, data)) as client:
            yield client
        writer.close()


@contextmanager
def open_looking(data: Path) -> Iterator[httpx.Client]:
    """
    The part of the operators' API that only reads, as of the last flush, beside whoever holds the folder.

    Raises:
        NotFoundError, DataError: There is nothing to read, or it is damaged.
    """
    with read_view(data) as view:
        onlooker = _Onlooker(view.watching())
    with _client(onlooker, data, "") as client:
        yield client


class _Onlooker:
    """Takes no events: whoever only looks on changes nothing."""

    def __init__(self, state: State) -> None:
        self.state = state

    def submit_events(self, events: list[InternalEvent], deliver: Callable[[Outcome], None]) -> NoReturn:
        raise AssertionError("an onlooker was asked to change something")

    def flush(self) -> None:
        """Nothing to bring up to date."""


def _credentials(writer: Writer, data: Path) -> list[Endpoint]:
    """By what somebody comes in: tokens, ping URLs, names and passwords."""
    from jobsight.engine.tokens import TokenRegistry
    from jobsight.engine.users import Users
    from jobsight.logs.folder import SECRETS
    from jobsight.logs.passwords import PasswordFiles
    from jobsight.transports.http.ping_url_api import ping_url_endpoints
    from jobsight.transports.http.token_api import token_endpoints
    from jobsight.transports.http.user_api import user_endpoints
    from jobsight.transports.http.user_changes import UserChanges

    return [
        *token_endpoints(writer, TokenRegistry(writer.state), clock_ms),
        *ping_url_endpoints(writer, {}),
        *user_endpoints(UserChanges(writer, Users(writer.state, PasswordFiles(data / SECRETS)))),
    ]


@contextmanager
def _client(recorder: Recorder, data: Path, author: str, further: Sequence[Endpoint] = ()) -> Iterator[httpx.Client]:
    import httpx

    from jobsight.transports.http.asking import Asking
    from jobsight.transports.http.channel_api import Telling
    from jobsight.transports.http.in_process import BASE_URL, InProcess
    from jobsight.transports.http.operator_side import operator_endpoints

    asking = Asking(lambda: source_of(data))
    endpoints = [*operator_endpoints(recorder, asking, Telling(), clock_ms), *further]
    try:
        with httpx.Client(transport=InProcess(endpoints, author), base_url=BASE_URL) as client:
            yield client
    finally:
        asking.close()
