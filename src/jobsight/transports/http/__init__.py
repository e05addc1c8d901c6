"""The service: reports come in by HTTP, on one event loop that also owns the writer."""
