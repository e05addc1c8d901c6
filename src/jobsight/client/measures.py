"""What this process has used: time, processor, memory."""

from __future__ import annotations

import resource
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_BYTES_A_UNIT: Final = 1 if sys.platform == "darwin" else 1024


class Stopwatch:
    """Measures from its making: elapsed time, and what the whole process, with children that have ended, used meanwhile."""

    def __init__(self) -> None:
        self._began_ns: Final = time.monotonic_ns()
        self._cpu_began_s: Final = _cpu_s()

    def duration_ms(self) -> float:
        """Milliseconds since the beginning, to the microsecond."""
        return round((time.monotonic_ns() - self._began_ns) / 1_000_000, 3)

    def usage(self) -> dict[str, float]:
        """Processor seconds and percent (of one core) since the beginning, and the process's highest memory in MB."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return usage_of(self.duration_ms(), _cpu_s() - self._cpu_began_s, peak)


def usage_of(duration_ms: float, cpu_s: float, peak: float) -> dict[str, float]:
    """Resource usage as reports carry it. `peak` is `ru_maxrss`, in the system's own unit."""
    return {
        "cpu_percent": round(100_000 * cpu_s / duration_ms, 1) if duration_ms else 0,
        "memory_mb": round(peak * _BYTES_A_UNIT / 1_048_576, 1),
        "cpu_seconds": round(cpu_s, 3),
    }


def _cpu_s() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
