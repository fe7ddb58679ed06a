"""The child process of one probe: ``python -m diemcau_agent.probes KIND [LIMIT_SECONDS]``.

Settings are read as JSON from standard input, the result is one JSON object on standard output;
whatever the probe or its libraries print goes to standard error, which is the probe's log.
"""

import ctypes
import ctypes.util
import faulthandler
import json
import os
import sys
from typing import Final

from diemcau_agent.probes.holders import PROBE_NAME
from diemcau_agent.probes.log import note
from diemcau_agent.probes.result import to_json
from diemcau_agent.probes.table import PROBES, Probe

STARTED: Final = "probe started"
"""Logged once the libraries are loaded: time lost before it is not the device's."""

_NICENESS: Final = 19
_GRACE_SECONDS: Final = 2.0
_PR_SET_NAME: Final = 15
"""prctl(2)."""


def main(arguments: list[str]) -> None:
    """Run one probe and leave the process; never returns."""
    kind = arguments[0]
    limit_seconds = float(arguments[1]) if len(arguments) > 1 else None
    result_file = _keep_standard_output()
    faulthandler.enable()
    if limit_seconds is not None:
        # Without its parent nobody would end a child that hangs in a driver.
        faulthandler.dump_traceback_later(limit_seconds + _GRACE_SECONDS, exit=True)
    _yield_to_others()
    _take_name()
    _find_libraries_by_name()
    # One probe needs no pool of threads for its few small arrays: it costs start-up time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    settings = json.load(sys.stdin.buffer)
    # A function's own address instead of a row's name runs a probe that is not in the table.
    row = PROBES[kind] if ":" not in kind else Probe(kind, 0.0, None)
    function = row.load()
    note(STARTED)
    os.write(result_file, to_json(function(settings)))
    sys.stderr.flush()
    # Exit handlers of audio and video libraries have been seen to hang; nothing is left to save.
    os._exit(0)


def _yield_to_others() -> None:
    """Leave the processors to the line test, which runs at the same time on the same PC."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    if sys.platform.startswith("linux"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _take_name() -> None:
    """Let the inventory tell a probe from a program that really uses the device."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_NAME, PROBE_NAME.encode(), 0, 0, 0)


def _find_libraries_by_name() -> None:
    """Keep ``find_library`` from running compiler and linker, which write files of their own.

    The audio libraries' wrappers ask it first and take the library's usual name after that.
    """
    if sys.platform.startswith("linux"):
        ctypes.util.find_library = lambda name: None  # noqa: ARG005  # its own form


def _keep_standard_output() -> int:
    kept = os.dup(1)
    os.dup2(2, 1)
    return kept


if __name__ == "__main__":
    main(sys.argv[1:])
