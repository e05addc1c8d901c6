"""Frameworks that report their jobs by themselves: one file each, on the client only."""
