"""The view: the SQLite read model that is derived from the log, and can be thrown away and rebuilt from it."""
