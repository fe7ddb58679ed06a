"""The system's network commands in batches, and namespaces entered from Python."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Thread
from typing import TypeVar

_CLONE_NEWNET = 0x40000000
_NAMESPACES = Path("/run/netns")
PROGRAMS = ("ip", "tc", "nft")
Value = TypeVar("Value")


class LabError(Exception):
    """The lab could not be built or driven; the text says what to do."""


def missing() -> str:
    """Say what this machine lacks for the lab, or return an empty text."""
    if os.geteuid() != 0:
        return "needs root (network namespaces)"
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"programs missing: {', '.join(lacking)}" if lacking else ""


def batch(program: str, lines: Iterable[str], namespace: str | None = None) -> None:
    """Feed ``lines`` to ``ip`` or ``tc`` in one call.

    Raises:
        LabError: one of them failed.
    """
    where = ["-n", namespace] if namespace else []
    _fed([program, *where, "-batch", "-"], "\n".join(lines) + "\n")


def nft(namespace: str, script: str) -> None:
    """Load one nftables script, all or nothing, in ``namespace``.

    Raises:
        LabError: it was refused.
    """
    _fed(["ip", "netns", "exec", namespace, "nft", "-f", "-"], script)


def sysctl(namespace: str, settings: Iterable[str]) -> None:
    """Set ``name=value`` in ``namespace``."""
    _fed(["ip", "netns", "exec", namespace, "sysctl", "-q", "-w", *settings], "")


def output(argv: list[str]) -> str:
    """Return what a command prints.

    Raises:
        LabError: it failed.
    """
    return _fed(argv, "")


def namespaces(prefix: str) -> list[str]:
    """Return the names of network namespaces that start with ``prefix``."""
    if not _NAMESPACES.is_dir():
        return []
    return sorted(path.name for path in _NAMESPACES.iterdir() if path.name.startswith(prefix))


def inside(namespace: str, make: Callable[[], Value]) -> Value:
    """Run ``make`` on a thread that has entered ``namespace``; sockets it opens stay in there.

    Raises:
        LabError: the namespace cannot be entered.
    """
    made: list[Value] = []
    failed: list[OSError] = []

    def work() -> None:
        try:
            enter(namespace)
            made.append(make())
        except OSError as error:
            failed.append(error)

    thread = Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise LabError(f"namespace {namespace}: {failed[0]}") from failed[0]
    return made[0]


def enter(namespace: str) -> None:
    """Move the calling thread into ``namespace``.

    Raises:
        OSError: there is none, or the right to enter it is missing.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with (_NAMESPACES / namespace).open("rb") as file:
        if libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), namespace)


def _fed(argv: list[str], text: str) -> str:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip()[:600]}")
    return done.stdout
