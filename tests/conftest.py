"""What holds for every test."""

from hypothesis import settings

# pytest-timeout bounds a test as a whole; a bound for each example would fail on a busy machine only.
settings.register_profile("jobsight", deadline=None, print_blob=True)
settings.load_profile("jobsight")
