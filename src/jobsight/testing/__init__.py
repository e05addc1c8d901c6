"""What every log and every notifier must do, as functions that a test suite runs on its own kind."""
