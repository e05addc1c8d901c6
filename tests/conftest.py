"""What holds for every test."""

import signal

import pytest
from hypothesis import settings

# The exported suites say as much when they fail as the tests that are written here.
pytest.register_assert_rewrite("jobsight.testing")

# pytest-timeout bounds a test as a whole; a bound for each example would fail on a busy machine only.
settings.register_profile("jobsight", deadline=None, print_blob=True)
settings.load_profile("jobsight")

# A runner that was started in the background, or under nohup, ignores some signals, and so would every process that a test
# starts and sends one to.
for number, normal in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, normal)
