"""How long each part of a test may take, and why."""

from dataclasses import dataclass

from diemcau_line.protocol import GRACE_SECONDS

ACCEPT_SECONDS = 3.0
"""An agent answers at once: a round trip over a bad line (0.3 s) with three retransmissions, on a
PC that is busy with something else."""

ABSENT_SECONDS = 1.0
"""An agent that the broker says is away is asked as well, but nobody waits long for it."""

OPENING_SECONDS = 8.0
"""From the command to the proof of UDP both ways: an old PC starts its measuring process in up to
4 s, which then waits up to 3.5 s for the hub's answer and names a blocked port itself."""

RESULTS_SECONDS = GRACE_SECONDS + 2.0
"""After the last step: its late packets, then 2 s for the counts to cross an overloaded line."""

HELD_UP_SECONDS = 18.0
"""After the rehearsal, for a point that the hub heard to the end of a step and whose account of it
is missing: TCP doubles its pauses on a line that the test overloads, and after a rehearsal (15 s)
and a group (2.5 s) the next try may be as far away as the first was."""

DEVICES_SECONDS = 20.0 + OPENING_SECONDS
"""A whole room check takes at most 20 s once the flow is open; a longer line test hides it."""

PUBLISH_SECONDS = 3.0
"""A command to all points; a broker that has not taken it by then will not."""

MEASURING_SECONDS = 2.0
"""An answer of the measuring end, a process on this machine, even when it is just loaded."""

WHOLE_SECONDS = 60.0
"""Nothing keeps rooms busy for longer, whatever goes wrong."""

CAPACITY_POINT_SECONDS = 12.0
"""Both directions of one point: lead, load, its last packets, and the way of the result, twice."""

CAPACITY_POINTS_MOST = 20
"""With more points a test would outlive its tickets (300 s)."""

PROGRESS_SECONDS = 0.5
"""Progress is shown at least once a second; twice as often so that no tick is missed."""


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The limits of one coordinator, in seconds; shorter ones serve the tests."""

    accept_seconds: float = ACCEPT_SECONDS
    absent_seconds: float = ABSENT_SECONDS
    opening_seconds: float = OPENING_SECONDS
    results_seconds: float = RESULTS_SECONDS
    held_up_seconds: float = HELD_UP_SECONDS
    devices_seconds: float = DEVICES_SECONDS
    publish_seconds: float = PUBLISH_SECONDS
    measuring_seconds: float = MEASURING_SECONDS
    whole_seconds: float = WHOLE_SECONDS
    progress_seconds: float = PROGRESS_SECONDS
