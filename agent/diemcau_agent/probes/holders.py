"""Which programs hold a device open (Linux), so that "in use" can be told from "broken"."""

import os
from pathlib import Path
from typing import Final

PROBE_NAME: Final = "diemcau-probe"
"""What a probe's process calls itself: that it has a device open is no use of it."""
_PROC: Final = Path("/proc")


def programs_holding(device: Path, proc: Path = _PROC) -> tuple[str, ...]:
    """Return the names of other programs that have the device open, sorted.

    Processes of other users are not visible without rights and are left out; empty where there
    is no ``/proc``.
    """
    target = os.path.realpath(device)
    names = {
        _name(process)
        for process in proc.glob("[0-9]*")
        if process.name != str(os.getpid()) and _holds(process, target)
    }
    return tuple(sorted(names - {PROBE_NAME}))


def is_probe(process_id: str, proc: Path = _PROC) -> bool:
    """Say whether a process is one of the probes."""
    return _name(proc / process_id) == PROBE_NAME


def _holds(process: Path, target: str) -> bool:
    try:
        return any(str(link.readlink()) == target for link in (process / "fd").iterdir())
    except OSError:
        # Ended meanwhile, or another user's.
        return False


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return process.name
