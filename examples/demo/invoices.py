"""
A worker in plain HTTP, without any library of ours: it fails, tries again, fails for good, and recovers in its next round.

The first report says that there are two retries; only when they are used up is somebody told.
"""

import itertools
import json
import os
import time
import urllib.request

URL = os.environ["JOBSIGHT_SERVER"] + "/api/v1/events"


def report(**message: object) -> None:
    """Send one message."""
    request = urllib.request.Request(URL, json.dumps(message).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()


for number in itertools.count(1):
    job = {"job_id": f"invoices-{number}", "task": "invoices", "queue": "billing"}
    report(type="update_status", status="running", max_retries=2, **job)
    if number % 2:
        for retries in range(3):
            time.sleep(0.7)
            report(type="job_failed", error="Connection timeout: db-1:5432", retries=retries, **job)
        time.sleep(12)
    else:
        time.sleep(1)
        report(type="job_completed", duration_ms=1_000, **job)
        time.sleep(20)
