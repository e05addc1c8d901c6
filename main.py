"""The node, started from a checkout: `python main.py` is `jobsight node` on the code in this folder's `src/`.

It runs with the machine's plain Python. What it needs may be missing there; then it goes on in `.venv`, which
`make setup` makes.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV_PYTHON = ROOT / ".venv" / "bin" / "python"
VENV_MARK = "jobsight-venv"
PYTHON_MIN = (3, 11)
EXIT_CONFIG = 78

# The modules of the runtime dependencies in pyproject.toml; a test compares the two lists.
NEEDED = (
    "apsw",
    "click",
    "cronsim",
    "httptools",
    "httpx",
    "jinja2",
    "msgspec",
    "platformdirs",
    "prometheus_client",
    "rich",
    "rich_click",
    "starlette",
    "structlog",
    "tzdata",
    "uvicorn",
    "uvloop",
    "zstandard",
)


def can_run_here() -> bool:
    """Whether this Python is new enough and has every module that the node may need."""
    return sys.version_info >= PYTHON_MIN and all(find_spec(name) is not None for name in NEEDED)


def go_on_in_venv() -> None:
    """Replace this process by the same one in `.venv`; return only where that cannot be done."""
    is_in_venv_already = VENV_MARK in sys._xoptions
    if is_in_venv_already or not VENV_PYTHON.exists():
        return
    arguments = [str(VENV_PYTHON), "-X", VENV_MARK, str(Path(__file__).resolve()), *sys.argv[1:]]
    try:
        os.execv(str(VENV_PYTHON), arguments)  # noqa: S606 - no shell is wanted
    except OSError:
        return


def main() -> int:
    """Run the node and return its exit code; 78 when its dependencies are not installed."""
    if not can_run_here():
        go_on_in_venv()
        print("jobsight: its dependencies are not installed here; run `make setup` in", ROOT, file=sys.stderr)
        return EXIT_CONFIG
    sys.path.insert(0, str(ROOT / "src"))
    from jobsight.cli import main as run_command

    return run_command(["node", *sys.argv[1:]])


if __name__ == "__main__":
    raise SystemExit(main())
