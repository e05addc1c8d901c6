"""`python -m jobsight`: the command line, for when its script is not on the path."""

from jobsight.cli import main

raise SystemExit(main())
