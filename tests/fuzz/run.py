"""
`make fuzz`: mutated messages by the million, over every transport; or one session again. Ctrl-C ends it early, with the
result so far.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from fuzz import drive
from http_service import service

RESULTS = Path(__file__).parent / "results"
MESSAGES = 1_000_000
MUTATED_PERCENT = 75
SAY_SECONDS = 30


class Sessions:
    """
    The sessions of one seed, each of which can be had again by its number.

    Args:
        seed: Of all of them.
        folder: For the data of those that go to a process or a service.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self._seed = seed
        self._folder = folder

    def run(self, number: int) -> Counter[str]:
        """
        One session: mostly with a node in this process, some with a process or a service.

        Raises:
            drive.Disagreement: What was said and answered.
        """
        random = Random(self._seed * 1_000_003 + number)
        match number % 200:
            case 50:
                return drive.process(random, 4_000, mutated_percent=MUTATED_PERCENT)
            case 100:
                data = self._folder / f"data-{number}"
                return drive.process(random, 4_000, "--data", str(data), mutated_percent=MUTATED_PERCENT)
            case 0:
                folder = self._folder / f"service-{number}"
                folder.mkdir()
                with service(folder) as running, running.client() as client:
                    over_http = drive.OverHttp(client)
                    streams = over_http.stream(random, 2_000, mutated_percent=MUTATED_PERCENT)
                    return streams + over_http.single(random, 1_000, mutated_percent=MUTATED_PERCENT)
            case _:
                return drive.stdio(random, 100, mutated_percent=MUTATED_PERCENT)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES, help="mutated messages (1,000,000)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of all sessions (the time)")
    parser.add_argument("--session", type=int, help="run this one only")
    parser.add_argument("--keep", action="store_true", help="keep the result under tests/fuzz/results/")
    parser.add_argument(
        "--guided", type=int, metavar="SECONDS", help="let atheris look for new paths through the codec"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sessions = Sessions(options.seed, Path(folder))
        if options.session is not None:
            sessions.run(options.session)
            print(f"session {options.session} of seed {options.seed}: answered as specified")
            return 0
        return _run(sessions, options.seed, options.messages, is_kept=options.keep)


def _run(sessions: Sessions, seed: int, messages: int, *, is_kept: bool) -> int:
    began = said = time.monotonic()
    counts: Counter[str] = Counter()
    broken: list[int] = []
    number = 0
    while counts["mutated"] < messages:
        number += 1
        try:
            counts += sessions.run(number)
        except KeyboardInterrupt:
            number -= 1
            break
        except Exception as error:  # noqa: BLE001 - whatever breaks is what is looked for; the next session may show more
            broken.append(number)
            print(f'{error!r}\n{error}\nto see it again: make fuzz ARGS="--seed {seed} --session {number}"', flush=True)
        if time.monotonic() - said > SAY_SECONDS:
            said = time.monotonic()
            print(
                f"{counts['mutated']:,} mutated messages, {len(broken)} sessions broken, {said - began:.0f} s",
                flush=True,
            )
    result = {
        "what": "mutated messages over stdin and HTTP, each answer and every figure held against the oracle",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{processor()}, {platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "seed": seed,
        "seconds": round(time.monotonic() - began),
        "sessions": number,
        "lines": counts.pop("lines"),
        "mutated": counts.pop("mutated"),
        "broken_sessions": broken,
        "answers": dict(sorted(counts.items())),
    }
    print(json.dumps(result, indent=2))
    if is_kept:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{result['date']}-wire.json").write_text(json.dumps(result, indent=2) + "\n")
    return int(bool(broken))


def processor() -> str:
    """What the processor calls itself."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown processor")


if __name__ == "__main__":
    sys.exit(main())
