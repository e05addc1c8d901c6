"""The composition root: the only package that names concrete logs, views, channels and transports, and that reads the clock."""
