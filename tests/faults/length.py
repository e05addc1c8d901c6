"""How much is done: the fast versions run in CI; `make faults` sets `JOBSIGHT_FAULTS`, and nothing is left out."""

import os

IS_LONG = os.environ.get("JOBSIGHT_FAULTS") == "long"
