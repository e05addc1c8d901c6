"""The node, started from a checkout: `python main.py` is `jobsight node` on the code in this folder's `src/`.

It runs with the machine's plain Python. What it needs may be missing there; then it goes on in `.venv`, which
`make setup` makes.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV_PYTHON = ROOT / ".venv" / "bin" / "python"
VENV_MARK = "jobsight-venv"
PYTHON_MIN = (3, 11)
EXIT_CONFIG = 78

# The modules of the dependencies that are installed on every system, as pyproject.toml lists them (a test compares).
NEEDED = (
    "apsw",
    "argon2",
    "certifi",
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
    "typing_extensions",
    "uvicorn",
    "zstandard",
)


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


def what_is_missing() -> str | None:
    """Say why the node cannot run on this Python; None when it can."""
    if sys.version_info < PYTHON_MIN:
        return "Python is older than 3.11"
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        return "no module " + ", ".join(missing)
    sys.path.insert(0, str(ROOT / "src"))
    try:
        import jobsight.cli  # noqa: F401 - only whether it can be imported
    except ImportError as error:
        return str(error)
    return None


def main() -> int:
    """Run the node and return its exit code; 78 when what it needs is not installed."""
    missing = what_is_missing()
    if missing is not None:
        go_on_in_venv()
        print(f"jobsight cannot start ({missing}): run `make setup` in {ROOT}", file=sys.stderr)
        return EXIT_CONFIG
    from jobsight.cli import main as run_command

    return run_command(["node", *sys.argv[1:]])


if __name__ == "__main__":
    raise SystemExit(main())
