"""The taking side of the service: reports and pings, below ASGI where they are plain; put together in one place."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from jobsight.engine.instruments import ObservedWriter
from jobsight.transports.http.access import Access
from jobsight.transports.http.dispatch import EVENTS
from jobsight.transports.http.hot import HotPaths
from jobsight.transports.http.hot_events import HotEvents
from jobsight.transports.http.hot_pings import HotPings
from jobsight.transports.http.ingest import Ingest
from jobsight.transports.http.peers import Peers
from jobsight.transports.http.ping_paths import PREFIX
from jobsight.transports.http.pings import Pings
from jobsight.transports.http.rate import RateLimit


class TakingSide(Struct, frozen=True, kw_only=True):
    """What takes reports and pings, and the paths on which plain ones are answered below ASGI."""

    ingest: Ingest
    pings: Pings
    hot: HotPaths


def taking_side(
    writer: ObservedWriter,
    *,
    access: Access,
    peers: Peers,
    rate: RateLimit,
    inflated_bytes_max: int,
    clock_ms: Callable[[], int],
    note: Callable[[str], None],
    log_request: Callable[[str, str, int, str], None] | None,
) -> TakingSide:
    """
    The parts of the taking side.

    Args:
        writer: Stores what comes.
        access, peers: Who may, and who is at the other end.
        rate: Turns of each ping URL.
        inflated_bytes_max: What a packed body may unpack to.
        clock_ms: Wall time, ms since the epoch, UTC.
        note: Told what could not be answered to anybody.
        log_request: Told of each request; None tells nobody.
    """
    ingest = Ingest(writer, inflated_bytes_max=inflated_bytes_max, report_unanswered=note)
    pings = Pings(writer, peers=peers, rate=rate, clock_ms=clock_ms, inflated_bytes_max=inflated_bytes_max)
    hot = HotPaths(log_request)
    count_refused = writer.instruments.count_refused
    events = HotEvents(EVENTS, ingest=ingest, writer=writer, access=access, hot=hot, count_refused=count_refused)
    hot.add(EVENTS.path, events)
    hot.add(PREFIX, HotPings(pings, writer=writer, peers=peers, hot=hot))
    return TakingSide(ingest=ingest, pings=pings, hot=hot)
