"""What holds for every test."""

import pytest
from hypothesis import settings

# The exported suites say as much when they fail as the tests that are written here.
pytest.register_assert_rewrite("jobsight.testing")

# pytest-timeout bounds a test as a whole; a bound for each example would fail on a busy machine only.
settings.register_profile("jobsight", deadline=None, print_blob=True)
settings.load_profile("jobsight")
