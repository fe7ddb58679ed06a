"""The log of a probe: its child's standard error, which the frame captures."""

import sys


def note(text: str) -> None:
    """Write one line; it may name devices. A test sends it to the hub with the result."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
