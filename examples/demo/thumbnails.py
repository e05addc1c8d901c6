"""A worker that is watched from within: each round is one job, by `jobsight.monitor`."""

import random
import time

import jobsight

dice = random.Random()
while True:
    with jobsight.monitor("thumbnails", queue="media") as job:
        for percent in range(0, 101, 20):
            job.progress(percent)
            time.sleep(dice.uniform(0.1, 0.4))
    time.sleep(1)
