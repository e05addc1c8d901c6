"""What the description of the API says about the routes of operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from jobsight.transports.http import operator_answers as told
from jobsight.transports.http import parameters
from jobsight.transports.http.answers import Anything
from jobsight.transports.http.operations import EVENT_STREAM, Operation
from jobsight.view.answers import AlertRows, AuditPage

_QUERY: Final = (400, 503)
_CHANGE: Final = (400, 404, 409, 413, 500, 503)

OPERATORS: Final[Mapping[tuple[str, str], Operation]] = {
    ("GET", "/api/v1/checks"): Operation(
        summary="What is expected of each task, and how that stands; by task.",
        parameters=parameters.ChecksParameters,
        answer=told.CheckPage,
        errors=_QUERY,
    ),
    ("GET", "/api/v1/checks/{task}"): Operation(
        summary="What is expected of one task.", answer=told.CheckAnswer, errors=(404,)
    ),
    ("PUT", "/api/v1/checks/{task}"): Operation(
        summary="Expect something of a task, in place of what was expected before (201 where nothing was).",
        body=told.CheckWish,
        answer=told.CheckAnswer,
        errors=(400, 409, 413, 500, 503),
    ),
    ("DELETE", "/api/v1/checks/{task}"): Operation(
        summary="Expect nothing of a task any more.", answer=Anything, errors=(404, 409, 500, 503)
    ),
    ("GET", "/api/v1/alerts"): Operation(
        summary="Alerts, the newest first.",
        parameters=parameters.AlertsParameters,
        answer=AlertRows,
        errors=_QUERY,
    ),
    ("GET", "/api/v1/alerts/stream"): Operation(
        summary="Each change of an alert as it comes; `Last-Event-ID` goes on where a client has left.",
        parameters=parameters.AlertStreamParameters,
        kind=EVENT_STREAM,
        errors=_QUERY,
    ),
    ("GET", "/api/v1/alerts/{alert_id}"): Operation(
        summary="One alert, with every notification of it.", answer=told.AlertAnswers, errors=(404, 503)
    ),
    ("POST", "/api/v1/alerts/{alert_id}/acknowledge"): Operation(
        summary="Somebody takes care: nobody is told again for a day.",
        body=told.HandWish,
        answer=Anything,
        errors=_CHANGE,
    ),
    ("POST", "/api/v1/alerts/{alert_id}/resolve"): Operation(
        summary="Somebody says that it is over.", body=told.HandWish, answer=Anything, errors=_CHANGE
    ),
    ("POST", "/api/v1/alerts/acknowledge"): Operation(
        summary="Acknowledge every firing alert that matches; with `dry_run`, say how many there are.",
        body=told.ManyHandsWish,
        answer=told.ManyAnswer,
        errors=_CHANGE,
    ),
    ("POST", "/api/v1/alerts/resolve"): Operation(
        summary="Resolve every open alert that matches; with `dry_run`, say how many there are.",
        body=told.ManyHandsWish,
        answer=told.ManyAnswer,
        errors=_CHANGE,
    ),
    ("GET", "/api/v1/silences"): Operation(
        summary="Silences that have not ended.", answer=told.Silences, errors=(400,)
    ),
    ("GET", "/api/v1/silences/{silence_id}"): Operation(
        summary="One silence.", answer=told.SilenceAnswer, errors=(404,)
    ),
    ("POST", "/api/v1/silences"): Operation(
        summary="Tell nobody of what matches, for a while (200 with `dry_run`, which only says what it would silence).",
        body=told.SilenceWish,
        answer=told.SilenceMade,
        status=201,
        errors=(400, 409, 413, 500, 503),
    ),
    ("DELETE", "/api/v1/silences/{silence_id}"): Operation(
        summary="End a silence before its time; what still fires is told.", answer=Anything, errors=(404, 500, 503)
    ),
    ("GET", "/api/v1/maintenance"): Operation(
        summary="Maintenance windows, by name.", answer=told.Windows, errors=(400,)
    ),
    ("PUT", "/api/v1/maintenance/{name}"): Operation(
        summary="Plan a maintenance window, in the place of the one of this name (201 where there was none).",
        body=told.WindowWish,
        answer=told.WindowAnswer,
        errors=(400, 409, 413, 500, 503),
    ),
    ("DELETE", "/api/v1/maintenance/{name}"): Operation(
        summary="Take a maintenance window back, and end the silence that it has made.",
        answer=Anything,
        errors=(404, 409, 500, 503),
    ),
    ("GET", "/api/v1/channels"): Operation(
        summary="The channels, without secrets, and how each does.", answer=told.Channels, errors=(400,)
    ),
    ("POST", "/api/v1/channels/{channel}/test"): Operation(
        summary="Send a test through a channel, and wait for its answer.",
        answer=told.TestAnswer,
        errors=(404, 409, 500, 503),
    ),
    ("GET", "/api/v1/deliveries"): Operation(
        summary="Notifications, the newest first: those that wait, and the record of the others.",
        parameters=parameters.DeliveriesParameters,
        answer=told.DeliveryPage,
        errors=_QUERY,
    ),
    ("POST", "/api/v1/deliveries/{delivery_id}/retry"): Operation(
        summary="Send once more what was given up.", answer=Anything, errors=(404, 409, 500, 503)
    ),
    ("POST", "/api/v1/deliveries/retry"): Operation(
        summary="Send once more all that was given up of a channel, as far as it is still of use.",
        body=told.RetryWish,
        answer=told.ManyAnswer,
        errors=_CHANGE,
    ),
    ("GET", "/api/v1/routes"): Operation(summary="Who is told what.", answer=told.RoutesAnswer, errors=(400,)),
    ("GET", "/api/v1/routes/whom"): Operation(
        summary="Who would be told of an alert, if it came now.",
        parameters=parameters.WhomParameters,
        answer=told.WhomAnswer,
        errors=(400,),
    ),
    ("POST", "/api/v1/drills"): Operation(
        summary="Begin a drill: every channel of every route is told of a failure that is none.",
        answer=told.DrillAnswer,
        status=201,
        errors=(400, 409, 500, 503),
    ),
    ("GET", "/api/v1/drills/{drill_id}"): Operation(
        summary="What has become of a drill.", answer=told.DrillAnswer, errors=(404, 503)
    ),
    ("GET", "/api/v1/audit"): Operation(
        summary="Who has changed what, the newest first.",
        parameters=parameters.AuditParameters,
        answer=AuditPage,
        errors=_QUERY,
    ),
    ("GET", "/api/v1/config"): Operation(
        summary="What is declared: checks, routes, maintenance windows.", answer=told.DeclaredWish, errors=(400,)
    ),
    ("PUT", "/api/v1/config"): Operation(
        summary="Make everything as it is declared; with `dry_run`, say what would change.",
        parameters=parameters.DeclareParameters,
        body=told.DeclaredWish,
        answer=told.DeclaredAnswer,
        errors=(400, 409, 413, 500, 503),
    ),
}
"""Method and path of each route of operators -> what is said about it."""
