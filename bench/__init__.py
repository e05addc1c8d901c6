"""
What the monitor costs, measured against named baselines in the same run.

`make bench` runs everything; `make bench ARGS="write round_trip --runs 3"` a part. Each measure is taken several times,
alternating with its baseline, and the medians are compared: absolute figures of a shared machine move, ratios hold.
"""
