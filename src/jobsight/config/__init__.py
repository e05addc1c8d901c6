"""Settings: flags over environment over `jobsight.toml` over defaults, checked as a whole, frozen before anything starts."""
