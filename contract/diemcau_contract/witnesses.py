"""Second witnesses of a shared fault: its moments, and the hub's own interfaces (SPEC 6.5); pure.

They never say whose line it is. Two equally short lines of their own fill and drain at the same
moments as well, so only the groups decide that; the witnesses say how sure the answer is.
"""

import statistics
from collections.abc import Iterator, Sequence

from diemcau_contract.measurements import EndStatistics, TrafficStatistics

TOGETHER_MIN = 0.8
"""In a shared queue the delay of a moment is everybody's, but for who sent little in it."""
APART_MAX = 0.5
"""Where on average fewer than half of the points are held up, it is not one queue."""
_FULL = 0.5
"""Of a point's own p95: queues of the same fill are met there or not at all."""
_DROPPED_SHARE = 0.5
"""The interface dropped at least so much of what was lost; a few drops are any machine's."""
_OTHER_SHARE = 0.05
"""Less beside the test is no load to speak of."""


def simultaneous(traffic: Sequence[TrafficStatistics], queue_seconds: float) -> bool | None:
    """Tell whether the points were held up in the same 100 ms; None where nothing tells.

    Above a p95 queue of ``queue_seconds`` (median of the points) the queues are compared, else the
    losses. A queue that overflows a little loses now this one's packet, now that one's: losses
    that do not coincide prove nothing, queues that do not coincide are different ones.
    """
    queues = [one.queue_delay_seconds.p95 for one in traffic if one.queue_delay_seconds]
    by_queue = bool(queues) and statistics.median(queues) > queue_seconds
    rows = [list(_held_up(one, by_queue=by_queue)) for one in traffic]
    moments = [sum(moment) / len(rows) for moment in zip(*rows, strict=False) if any(moment)]
    if len(rows) < 2 or not moments:  # noqa: PLR2004  # one point is nobody's witness
        return None
    share = statistics.fmean(moments)
    if share >= TOGETHER_MIN:
        return True
    return False if by_queue and share < APART_MAX else None


def interfaces_agree(
    end: EndStatistics | None, lost_packets: int, tested: float, other: float | None
) -> bool | None:
    """Tell whether the hub's interfaces dropped what was lost, or carried other traffic beside it.

    ``tested`` and ``other`` are bits/s. True or None: a queue further away shows nothing here.
    """
    dropped = end.interface_drops if end is not None else None
    if dropped and lost_packets and dropped >= _DROPPED_SHARE * lost_packets:
        return True
    return True if other is not None and tested and other > _OTHER_SHARE * tested else None


def together(*said: bool | None) -> bool | None:
    """Return what the witnesses say as one; nothing where they contradict each other."""
    told = {one for one in said if one is not None}
    return told.pop() if len(told) == 1 else None


def _held_up(one: TrafficStatistics, *, by_queue: bool) -> Iterator[bool]:
    full = _FULL * one.queue_delay_seconds.p95 if one.queue_delay_seconds else 0.0
    for spell in one.bins:
        if by_queue:
            yield (spell.queue_delay_max_seconds or 0.0) > full
        else:
            yield spell.received < spell.sent
