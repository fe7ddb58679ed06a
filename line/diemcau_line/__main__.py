"""``python -m diemcau_line hub|point``: a measuring process, driven over its standard streams."""

import ctypes
import logging
import signal
import sys

from diemcau_line.analyst import serve
from diemcau_line.engine import Engine
from diemcau_line.hub import Hub
from diemcau_line.point import Point
from diemcau_line.priority import set_priority

_USAGE_EXIT = 2


def main() -> int:
    """Run the role that the command line names; return the exit code."""
    role = sys.argv[1] if len(sys.argv) > 1 else ""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it, by closing stdin
    if role == "analyst":
        set_priority(above_others=False)
        serve(sys.stdin.buffer, sys.stdout.buffer)
        return 0
    if role not in {"hub", "point"}:
        sys.stderr.write("usage: python -m diemcau_line hub|point (commands as JSON on stdin)\n")
        return _USAGE_EXIT
    if sys.platform == "win32":
        # select() and sleep() keep time to 1 ms instead of 15.6
        ctypes.windll.winmm.timeBeginPeriod(1)
    set_priority(above_others=True)
    engine = Engine(analyst_in_child=role == "hub")
    engine.run(Hub(engine) if role == "hub" else Point(engine))
    return 0


if __name__ == "__main__":
    sys.exit(main())
