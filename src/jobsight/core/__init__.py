"""The pure heart: job machine, alert machine, statistics and `apply`. It reads no clock, file, socket or dice."""
