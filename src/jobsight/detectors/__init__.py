"""Detectors: what is wrong with a job or a task, one file a rule. Pure; they run live only, and their findings are events."""
