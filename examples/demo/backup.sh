#!/bin/sh
# A command under `jobsight run`, such as cron would start it: it fails now and then, and its last lines go with the alert.
round=0
while sleep 2; do
    round=$((round + 1))
    jobsight run --task backup -- sh -c '
        echo "dumping database shop"
        echo "::progress 50"
        sleep 1
        [ $(('"$round"' % 4)) -ne 1 ] && exit 0
        echo "pg_dump: error: could not write to output file: No space left on device" >&2
        exit 1' >/dev/null 2>&1
done
