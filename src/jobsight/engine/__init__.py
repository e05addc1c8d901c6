"""The shell around the core: what is submitted is stored, applied and answered, in that order."""
