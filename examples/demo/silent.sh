#!/bin/sh
# A job that is to start every five seconds, starts once, and never again: nobody would notice, were it not watched.
curl --silent --show-error --output /dev/null --header 'Content-Type: application/json' --data '
    {"type": "job_completed", "job_id": "feed-1", "task": "import-feed", "duration_ms": 700,
     "check": {"schedule": "every 5s", "start_grace": "2s"}}' \
    "$JOBSIGHT_SERVER/api/v1/events"
