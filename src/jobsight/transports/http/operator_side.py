"""The operators' side of the service: every route by which somebody sees what is wrong, or changes what is expected or told."""

from __future__ import annotations

from collections.abc import Callable

from jobsight.transports.http.alert_api import AlertApi
from jobsight.transports.http.asking import Asking
from jobsight.transports.http.channel_api import ChannelApi, Telling
from jobsight.transports.http.check_api import check_endpoints
from jobsight.transports.http.record_api import RecordApi
from jobsight.transports.http.recorder import Recorder
from jobsight.transports.http.routes import Endpoint
from jobsight.transports.http.silence_api import SilenceApi


def operator_endpoints(
    writer: Recorder, asking: Asking, telling: Telling, clock_ms: Callable[[], int]
) -> list[Endpoint]:
    """
    The routes; also those that commands use on a folder that nobody holds.

    Args:
        writer: Takes the events.
        asking: Reads the view.
        telling: Who delivers, where a service runs.
        clock_ms: Wall time, ms since the epoch, UTC.
    """
    return [
        *check_endpoints(writer),
        *AlertApi(writer, asking, clock_ms).endpoints(),
        *SilenceApi(writer, clock_ms).endpoints(),
        *ChannelApi(writer, asking, telling, clock_ms).endpoints(),
        *RecordApi(writer, asking, clock_ms).endpoints(),
    ]
