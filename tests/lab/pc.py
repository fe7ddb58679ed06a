"""A point's PC as far as processor time goes: a control group, which can be made busy and small."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.district import District, end_processes

if TYPE_CHECKING:
    from subprocess import Popen

_ROOT = Path("/sys/fs/cgroup")
_PERIOD_MICROSECONDS = 100_000
_SHARES, _WEIGHT = 10_240, 1_000
"""Ten usual processes: a PC hardly waits for what else this machine does."""


class Pc:
    """One point's PC; without a cpu controller on this machine only the busy processes remain."""

    def __init__(self, district: District, point: int) -> None:
        self._district = district
        self._namespace = district.names.point(point)
        self._running: list[Popen[bytes]] = []
        self._group = _make_group(self._namespace)

    def adopt(self, pid: int) -> None:
        """Let a process, with all that it will start, live on this PC."""
        if self._group is not None:
            with contextlib.suppress(ProcessLookupError):
                (self._group / "cgroup.procs").write_text(str(pid))

    def overload(self, processes: int, cores: float) -> None:
        """Start processes that never rest, on a PC of ``cores`` cores."""
        self._limit(cores)
        self._running = [
            self._district.run_in(self._namespace, [sys.executable, "-c", "while True: pass"])
            for _ in range(processes)
        ]
        for process in self._running:
            self.adopt(process.pid)

    def relieve(self) -> None:
        """End these processes and give the PC the whole machine again."""
        self._limit(None)
        end_processes(self._running)
        self._running = []

    def close(self) -> None:
        """Remove the control group; its processes must have ended."""
        if self._group is not None:
            with contextlib.suppress(OSError):
                self._group.rmdir()

    def _limit(self, cores: float | None) -> None:
        if self._group is None:
            return
        quota = None if cores is None else round(cores * _PERIOD_MICROSECONDS)
        first = self._group / "cpu.cfs_quota_us"
        if first.exists():
            first.write_text(str(-1 if quota is None else quota))
        else:
            second = self._group / "cpu.max"
            second.write_text(f"{'max' if quota is None else quota} {_PERIOD_MICROSECONDS}")


def _make_group(name: str) -> Path | None:
    """Make a control group under the first cpu controller found (version 1, then 2)."""
    parent = _ROOT / "cpu"
    try:
        if not parent.is_dir():
            parent = _ROOT
            (parent / "cgroup.subtree_control").write_text("+cpu")
        group = parent / name
        group.mkdir(exist_ok=True)
    except OSError:
        return None
    for file, share in (("cpu.shares", _SHARES), ("cpu.weight", _WEIGHT)):
        if (group / file).exists():
            (group / file).write_text(str(share))
    known = (group / "cpu.cfs_quota_us").exists() or (group / "cpu.max").exists()
    return group if known else None
