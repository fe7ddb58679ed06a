"""The log of a probe: its child's standard error, which the frame captures."""

import sys


def note(text: str) -> None:
    """Write one line; it may name devices, for it is shown only where the test was asked for."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
