"""
The chart of cost against jobs held, drawn from the newest kept growth result: `python -m bench.chart`.

Plain SVG without a library: a logarithmic axis of jobs, a linear one of the CPU time of a report, as a multiple of that of a
store with 100,000 jobs which was measured in turn with it.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "results"
TARGET = Path(__file__).parent.parent / "docs" / "explanation" / "growth.svg"
SMALL_JOBS = 100_000
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 320, 64, 48, 24


def points_of(figures: dict[str, float]) -> list[tuple[int, float]]:
    """(jobs held, times the cost at 100,000 jobs) of a growth result."""
    suffix = "_times_small"
    names = [name for name in figures if name.startswith("at_") and name.endswith(suffix)]
    measured = {int(name.removeprefix("at_").removesuffix(suffix)): figures[name] for name in names}
    return sorted(({SMALL_JOBS: 1.0} | measured).items())


def drawing(points: list[tuple[int, float]], caption: str) -> str:
    """The chart as SVG."""
    low, high = math.log10(points[0][0]), math.log10(points[-1][0])
    top = math.ceil(max(cost for _, cost in points) * 1.2)

    def place(jobs: int, cost: float) -> tuple[float, float]:
        share = (math.log10(jobs) - low) / ((high - low) or 1)
        x = LEFT + share * (WIDTH - LEFT - 32)
        return x, HEIGHT - BOTTOM - cost / top * (HEIGHT - BOTTOM - TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="16" fill="#333">CPU time of a report, times that with 100,000 jobs held. {caption}</text>',
    ]
    for cost in range(top + 1):
        _, y = place(points[0][0], cost)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 32}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#333">{cost}</text>')
    for jobs, _ in points:
        x, y = place(jobs, 0)
        parts.append(f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle" fill="#333">{jobs:,}</text>')
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
    parts.append(f'<polyline points="{line}" fill="none" stroke="#1f6feb" stroke-width="2"/>')
    for jobs, cost in points:
        x, y = place(jobs, cost)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#1f6feb"/>')
        parts.append(f'<text x="{x:.1f}" y="{y - 10:.1f}" text-anchor="middle" fill="#333">{cost:.2f}</text>')
    parts.append(
        f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle" fill="#333">jobs held</text>'
    )
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> int:
    """Draw the newest result that holds growth figures."""
    for path in sorted(FOLDER.glob("*.json"), reverse=True):
        result = json.loads(path.read_text())
        if "growth" in result:
            TARGET.write_text(drawing(points_of(result["growth"]), f"{result['date']}, {result['machine']['cpu']}"))
            print(f"{TARGET} drawn from {path.name}")
            return 0
    print(f"no growth result in {FOLDER}; make bench-long ARGS='--keep growth' makes one")
    return 1


if __name__ == "__main__":
    sys.exit(main())
