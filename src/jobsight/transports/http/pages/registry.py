"""All pages of the dashboard. A page is a file beside this one, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from jobsight.engine.writer import Writer
from jobsight.transports.http.asking import Asking
from jobsight.transports.http.pages.actions import Actions
from jobsight.transports.http.pages.alert import ALERT
from jobsight.transports.http.pages.alerts import ALERTS
from jobsight.transports.http.pages.assets import Assets
from jobsight.transports.http.pages.bulk import BULK
from jobsight.transports.http.pages.chart import CHART
from jobsight.transports.http.pages.doing import Doing
from jobsight.transports.http.pages.job import JOB
from jobsight.transports.http.pages.jobs import JOBS
from jobsight.transports.http.pages.overview import OVERVIEW
from jobsight.transports.http.pages.rendering import Rendering
from jobsight.transports.http.pages.schedule import SCHEDULE
from jobsight.transports.http.pages.settings import SETTINGS
from jobsight.transports.http.pages.settings_actions import SettingsActions
from jobsight.transports.http.pages.site import Ground, Page, Site
from jobsight.transports.http.pages.task import TASK
from jobsight.transports.http.pages.tasks import TASKS
from jobsight.transports.http.pages.unbuilt import unbuilt_endpoint
from jobsight.transports.http.routes import Endpoint
from jobsight.web import FOLDER

PAGES: Final[Sequence[Page]] = (OVERVIEW, TASKS, TASK, JOBS, JOB, ALERTS, ALERT, SCHEDULE, SETTINGS, *BULK, CHART)
"""Every page, in the order of the navigation."""


class Dashboard(Struct, frozen=True, kw_only=True):
    """
    The dashboard as the server carries it.

    Attributes:
        endpoints: Every page, what its forms do, and the files that pages load.
        warm: Called once the loop runs: makes ready in the background what the first look at a page would wait for.
    """

    endpoints: list[Endpoint]
    warm: Callable[[], None]


def dashboard(ground: Ground, asking: Asking, writer: Writer) -> Dashboard:
    """The dashboard. Where its files were not built there are no pages; then `/` says how they are built."""
    assets = Assets(FOLDER / "assets")
    if not assets.is_built:
        return Dashboard(endpoints=[unbuilt_endpoint()], warm=lambda: None)
    site = Site(ground, asking, Rendering(FOLDER / "templates", assets))
    doing = Doing(writer, site.forget)
    actions = Actions(writer, asking, ground.clock_ms, doing)
    settings = SettingsActions(writer, asking, ground.telling, ground.clock_ms, doing, site.show)
    pages = [site.endpoint(page) for page in PAGES]
    endpoints = [*pages, *actions.endpoints(), *settings.endpoints(), *assets.endpoints()]
    return Dashboard(endpoints=endpoints, warm=site.warm)
