"""Which programs hold a device open (Linux), so that "in use" can be told from "broken"."""

import os
from pathlib import Path
from typing import Final

PROBE_NAME: Final = "diemcau-probe"
"""What a probe's process calls itself: that it has a device open is no use of it."""
_PROC: Final = Path("/proc")
_ALL_USERS: Final = ["0", "0", "4294967295"]
"""The map of user ids outside of any user namespace (user_namespaces(7))."""


def programs_holding(device: Path, proc: Path = _PROC) -> tuple[str, ...] | None:
    """Return the names of other programs that have the device open, sorted.

    None where nobody was seen but this user's own programs hide what they have open: so it is
    within a user namespace of one's own (PrivateUsers= of systemd; user_namespaces(7)). Processes
    of other users are not visible without rights and are left out; empty where there is no
    ``/proc``.
    """
    target = os.path.realpath(device)
    others = [one for one in proc.glob("[0-9]*") if one.name != str(os.getpid())]
    holds = {process: _holds(process, target) for process in others}
    names = {_name(process) for process, held in holds.items() if held} - {PROBE_NAME}
    unseen = None in holds.values() or _leaves_out(proc)
    hidden = unseen and _in_user_namespace(proc)
    return tuple(sorted(names)) if names or not hidden else None


def is_probe(process_id: str, proc: Path = _PROC) -> bool:
    """Say whether a process is one of the probes."""
    return _name(proc / process_id) == PROBE_NAME


def _holds(process: Path, target: str) -> bool | None:
    """Say whether a process has the file open; None where it is our own user's and hides that."""
    descriptors = process / "fd"
    try:
        return any(str(link.readlink()) == target for link in descriptors.iterdir())
    except PermissionError:
        return None if _is_ours(descriptors) else False
    except OSError:
        # Ended meanwhile.
        return False


def _leaves_out(proc: Path) -> bool:
    """Say whether processes that may not be looked into are not even listed (ProtectProc=)."""
    try:
        mounts = (proc / "self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    last = [row for row in mounts.splitlines() if row.split()[4:5] == ["/proc"]][-1:]
    return any("hidepid=" in row and "hidepid=0" not in row for row in last)


def _in_user_namespace(proc: Path) -> bool:
    """Elsewhere what is hidden is hidden by rights (a container's root), as another user's is."""
    try:
        mapped = (proc / "self/uid_map").read_text(encoding="ascii").split()
    except OSError:
        return False
    return mapped != _ALL_USERS


def _is_ours(descriptors: Path) -> bool:
    """Programs that guard their memory (an agent of keys) show these as root's, not as ours."""
    try:
        return descriptors.stat().st_uid == os.geteuid()
    except OSError:
        return False


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return process.name
