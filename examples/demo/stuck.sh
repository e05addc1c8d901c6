#!/bin/sh
# A job that is alive but gets nowhere, reported by curl: its progress stays at 42 %. It asks to be watched for that.
say() {
    curl --silent --show-error --output /dev/null --header 'Content-Type: application/json' --data "$1" \
        "$JOBSIGHT_SERVER/api/v1/events"
}
check='"check": {"stall_after": "5s"}'
say '{"type": "update_status", "job_id": "reindex-7", "task": "reindex", "status": "running", "progress": 17, '"$check"'}'
sleep 1
while say '{"type": "update_status", "job_id": "reindex-7", "task": "reindex", "status": "running", "progress": 42}'; do
    sleep 1
done
