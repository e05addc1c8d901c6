"""
The baselines, run as processes of their own: `python -m bench.floor write FILE` and `python -m bench.floor round_trip FILE`.

`write` is the least that a durable monitor must do: decode each message (typed, validated), append the same bytes to a
file, fdatasync once for what was read at once. No state, no statistics, no answers. `round_trip` is the bare loop: read a
line, append it, fdatasync, answer with it.
"""

from __future__ import annotations

import gc
import os
import sys

READ_BYTES = 256 * 1024


def write(path: str) -> None:
    """Decode, append and sync what comes in, 256 KB at a time."""
    from jobsight.protocol.codec import slices
    from jobsight.protocol.messages import decoder_of_envelopes

    gc.disable()
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    rest = b""
    while data := os.read(0, READ_BYTES):
        end = data.rfind(b"\n") + 1
        block, rest = rest + data[:end], data[end:]
        for part in slices(block):
            decoder_of_envelopes.decode_lines(part)
        os.write(file, block)
        os.fdatasync(file)


def round_trip(path: str) -> None:
    """Read a line, append it, sync, answer."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    while data := os.read(0, READ_BYTES):
        os.write(file, data)
        os.fdatasync(file)
        os.write(1, data)


if __name__ == "__main__":
    {"write": write, "round_trip": round_trip}[sys.argv[1]](sys.argv[2])
