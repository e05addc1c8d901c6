"""
Bytes that atheris makes up, guided by which paths through the codec they take; the oracle judges the answers.

    make fuzz-guided                     # ten minutes, and a result in tests/fuzz/results
    make fuzz-guided ARGS="--seconds 60"

Atheris is no part of what every test needs: it has no wheel for every Python. It stands in a lock of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from faults.conftest import machine

RESULTS = Path(__file__).parent / "results"
LINES_MAX = 6
CORPUS_SESSIONS = 200
SEED = 20261126


def guide(seconds: int, seed: int, found: Path) -> None:
    """Look for so many seconds. Atheris ends the process: with 0, or after it has left the input that broke something."""
    import atheris

    with atheris.instrument_imports(include=["jobsight.protocol"]):
        from fuzz import drive
        from fuzz.grammar import Grammar
        from fuzz.oracle import Oracle
        from transcript_runner import START_MS, Node

    def answer(data: bytes) -> None:
        said = b"\n".join(data.split(b"\n")[:LINES_MAX]) + b"\n" + drive.STATS
        node, oracle = Node(), Oracle(now_ms=START_MS)
        expected = oracle.feed(said)
        node.send(said)
        drive.compare(said, expected, node.take_replies(), oracle.node_id or drive.NODE_ID)
        node.close()

    with tempfile.TemporaryDirectory() as corpus:
        for number in range(CORPUS_SESSIONS):
            grammar = Grammar(Random(number), mutated_percent=0)
            lines = b"".join([grammar.opening(), *(grammar.line() for _ in range(3))])
            Path(corpus, str(number)).write_bytes(lines)
        limits = [f"-max_total_time={seconds}", f"-seed={seed}", "-max_len=2000", "-rss_limit_mb=2000"]
        atheris.Setup(["fuzz", *limits, f"-artifact_prefix={found}/", corpus], answer)
        atheris.Fuzz()


def write_result(seconds: int, seed: int, said: str, found: list[Path]) -> Path:
    """Leave a file behind that says what was run where and when, and the inputs that broke something."""
    runs = re.findall(r"Done (\d+) runs", said)
    paths = re.findall(r"cov: (\d+) ft: (\d+)", said)
    figures = {
        "seconds": seconds,
        "seed": seed,
        "sessions": int(runs[-1]) if runs else None,
        "edges_and_features": [int(one) for one in paths[-1]] if paths else None,
        "broken": [repr(one.read_bytes()) for one in found],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d-%H%M}-guided.json"
    path.write_text(json.dumps({**machine(), "command": "make fuzz-guided", **figures}, indent=1) + "\n")
    return path


def main() -> int:
    """The command: a process that looks, and what it has found."""
    parser = argparse.ArgumentParser(prog="make fuzz-guided", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="how long (600)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of what atheris makes up ({SEED})")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.into is not None:
        guide(options.seconds, options.seed, options.into)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        again = [sys.executable, "-m", "fuzz.guided", f"--seconds={options.seconds}", f"--seed={options.seed}"]
        run = subprocess.run([*again, f"--into={folder}"], stderr=subprocess.PIPE, text=True, check=False)
        print(run.stderr, file=sys.stderr, end="")
        found = sorted(Path(folder).iterdir())
        print(f"result: {write_result(options.seconds, options.seed, run.stderr, found)}")
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
