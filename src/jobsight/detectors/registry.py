"""All detectors of running jobs, a line each. What concerns whole tasks is in `missed`, `failure_rate` and `slow.detect_fast`."""

from __future__ import annotations

from typing import Final

from jobsight.detectors.base import JobDetector
from jobsight.detectors.overdue import OVERDUE_DETECTOR
from jobsight.detectors.slow import SLOW_DETECTOR
from jobsight.detectors.stalled import STALLED_DETECTOR
from jobsight.detectors.too_long import TOO_LONG_DETECTOR

JOB_DETECTORS: Final[tuple[JobDetector, ...]] = (
    OVERDUE_DETECTOR,
    TOO_LONG_DETECTOR,
    STALLED_DETECTOR,
    SLOW_DETECTOR,
)
