"""
Bytes that atheris makes up, guided by which paths through the codec they take; the oracle judges the answers.

    PYTHONPATH=tests:. .venv/bin/python -m fuzz.guided 600

Atheris is no part of the locked tools, since it has no wheel for every Python: `.venv/bin/python -m pip install atheris`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random

LINES_MAX = 6
CORPUS_SESSIONS = 200


def guide(seconds: int) -> int:
    """Look for so many seconds; what is found ends the process with a file that holds the input."""
    try:
        import atheris
    except ImportError:
        print("atheris is not installed here: .venv/bin/python -m pip install atheris", file=sys.stderr)
        return 69
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
        for seed in range(CORPUS_SESSIONS):
            grammar = Grammar(Random(seed), mutated_percent=0)
            lines = b"".join([grammar.opening(), *(grammar.line() for _ in range(3))])
            Path(corpus, str(seed)).write_bytes(lines)
        atheris.Setup(["fuzz", f"-max_total_time={seconds}", "-max_len=2000", "-rss_limit_mb=2000", corpus], answer)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(guide(int(sys.argv[1]) if len(sys.argv) > 1 else 60))
