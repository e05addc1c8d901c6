"""`make simulate`: many seeds after each other, or one again."""

from __future__ import annotations

import argparse
import json
import signal
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

from faults.conftest import machine
from simulation.world import STEPS, World

RESULTS = Path(__file__).parent / "results"


def live(seed: int, steps: int = STEPS) -> None:
    """Run a seed; what breaks is raised with all that is needed to see it again."""
    world = World(seed, steps)
    try:
        world.run()
    except BaseException as error:
        error.add_note(f"what happened: {', '.join(world.trace)}")
        error.add_note(f'to see it again: make simulate ARGS="--seed {seed}"')
        raise


def write_result(options: argparse.Namespace, done: int, broken: list[int], seconds: int) -> None:
    """Leave a file behind that says what was run where, and when; also where a run was ended before its end."""
    RESULTS.mkdir(exist_ok=True)
    seeds = {"first": options.first, "seeds": done, "wanted": options.seeds, "steps": options.steps, "broken": broken}
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d-%H%M}-{options.first}.json"
    path.write_text(json.dumps({**machine(), "command": "make simulate", **seeds, "seconds": seconds}, indent=1) + "\n")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one only")
    parser.add_argument("--first", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--seeds", type=int, default=10_000, help="how many (10,000)")
    parser.add_argument("--steps", type=int, default=STEPS, help="how much happens in each")
    options = parser.parse_args()
    if options.seed is not None:
        live(options.seed, options.steps)
        print(f"seed {options.seed}: all promises held")
        return 0
    began, broken, done = time.monotonic(), [], 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for seed in range(options.first, options.first + options.seeds):
        try:
            live(seed, options.steps)
        except KeyboardInterrupt:
            break
        except Exception as error:  # noqa: BLE001 - whatever breaks is what is looked for; the next seed may show more
            broken.append(seed)
            traceback.print_exception(error)
        done += 1
        if seed % 100 == 0:
            print(f"seed {seed}: {len(broken)} broken so far, {time.monotonic() - began:.0f} s", flush=True)
    write_result(options, done, broken, round(time.monotonic() - began))
    print(f"{len(broken)} broken: {broken}" if broken else f"{done} seeds: all promises held")
    return int(bool(broken))


if __name__ == "__main__":
    raise SystemExit(main())
