"""`python -m bench [MEASURE ...]`: run measures, print their figures, and keep them under `bench/results/` if asked to."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from bench.measures import BY_DEFAULT, MEASURES


def machine() -> dict[str, object]:
    """What the figures were taken on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def main() -> int:
    """Run what was asked for; all measures by default."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("measures", nargs="*", choices=[[], *MEASURES], metavar="MEASURE", help=", ".join(MEASURES))
    parser.add_argument("--reports", type=int, default=1_000_000, help="reports in a run (default 1,000,000)")
    parser.add_argument("--runs", type=int, default=5, help="runs whose median counts (default 5)")
    parser.add_argument("--keep", metavar="NAME", help="keep the result as bench/results/<date>-NAME.json")
    parser.add_argument("--note", help="what is to be known of the run, kept with the result")
    parser.add_argument(
        "--folder",
        type=Path,
        help="work in this folder, made when it is missing, and leave it there; a fresh one by default",
    )
    chosen = parser.parse_args()
    date = time.strftime("%Y-%m-%d", time.gmtime())
    results: dict[str, object] = {"date": date, "machine": machine(), "reports": chosen.reports, "runs": chosen.runs}
    if chosen.note:
        results["note"] = chosen.note
    if chosen.folder is not None:
        chosen.folder.mkdir(parents=True, exist_ok=True)
    fresh = (
        tempfile.TemporaryDirectory(prefix="jobsight-bench-") if chosen.folder is None else nullcontext(chosen.folder)
    )
    with fresh as scratch:
        for name in chosen.measures or BY_DEFAULT:
            doc = MEASURES[name].__doc__ or ""
            print(f"{name}: {doc.strip()}", flush=True)
            figures = MEASURES[name](
                Path(scratch), reports=chosen.reports, runs=chosen.runs, say=lambda text: print(f"  {text}", flush=True)
            )
            for key, value in figures.items():
                print(f"  {key:28} {value:>14,}")
            results[name] = figures
    results["load_average"] = [round(load, 1) for load in os.getloadavg()]
    if chosen.keep:
        path = Path(__file__).parent / "results" / f"{date}-{chosen.keep}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(results, indent=2) + "\n")
        print(f"kept as {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
