"""Figures of one direction of one step from what its receiver saw: pure functions (SPEC 4.1).

Nothing here compares two clocks: windows and bins follow the planned send times, delays count
from their own minimum.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from diemcau_contract.measurements import Bin, Bursts, Quantiles, TrafficStatistics
from diemcau_contract.packets.rehearsal import PayloadType
from diemcau_line.tally import ROW, SentCount
from diemcau_line.traffic import HEADER_BYTES, Planned

PLAYOUT_SECONDS = 0.1
"""A frame whose last packet comes later than this after the fastest is a frozen picture."""
SKEW_MAX = 500e-6
"""Quartz clocks differ by 50 ppm and are slewed by at most 500; a steeper hull is a queue."""
SKEW_SPAN_MIN_SECONDS = 2.0
"""Over less, 50 ppm are 0.1 ms, and the hull would follow the noise."""
BLOCK_NS = 100_000_000
_WINDOW_200MS_NS = 200_000_000
_WINDOW_15S_NS = 15_000_000_000
_Z95 = 1.959964
_NS = 1e9
_DIGITS = 9
"""Nanoseconds: more would be noise in every message."""


def traffic_statistics(
    plan: Sequence[Planned], rows: Sequence[int], sent: SentCount | None, duration_seconds: float
) -> TrafficStatistics:
    """Return the figures of a step.

    Args:
        plan: all planned sends; a packet's sequence number is its place here.
        rows: sequence, send time, receive time (ns) of each arrival, flat, in order of arrival.
        sent: the sender's own count; None when it never came: then all of the plan was due.
        duration_seconds: planned length of the step.
    """
    first = first_arrivals(rows, len(plan))
    low_end, high_end, errors = _due(sent, first, len(plan))
    due = plan[low_end:high_end]
    lost = [number not in first for number in range(low_end, high_end)]
    times = [one[0] for one in due]
    queue = dict(zip(first, queue_delays(list(first.values())), strict=True))
    packets = max(len(due) - errors, len(first))
    missing = packets - len(first)
    low, high = loss_interval(lost, times, errors)
    carried = sum(plan[number][1] + HEADER_BYTES for number in first)
    offered = sum(one[1] + HEADER_BYTES for one in due)
    copies = len(rows) // ROW - len(first)
    return TrafficStatistics(
        packets_sent=packets,
        packets_received=len(first),
        duplicates=copies,
        loss_ratio=missing / packets if packets else 0.0,
        loss_ratio_low=low,
        loss_ratio_high=high,
        loss_ratio_worst_200ms=worst_window(lost, times, _WINDOW_200MS_NS),
        loss_ratio_worst_15s=worst_window(lost, times, _WINDOW_15S_NS),
        bursts=loss_bursts(lost, times),
        queue_delay_seconds=quantiles(list(queue.values())) if queue else None,
        jitter_seconds=stream_jitter(plan, first),
        reorder_ratio=reorder_ratio(list(first)),
        late_frame_ratio=late_frame_ratio(due, low_end, queue),
        offered_bits_per_second=offered * 8 / duration_seconds,
        carried_bits_per_second=carried * 8 / duration_seconds,
        duration_seconds=duration_seconds,
        bins=bins(due, low_end, queue, duration_seconds),
    )


def first_arrivals(rows: Sequence[int], planned: int) -> dict[int, tuple[int, int]]:
    """Return sequence → (send, receive time) of first copies, in order of arrival.

    A number beyond the plan is none of this step's packets and is left out.
    """
    first: dict[int, tuple[int, int]] = {}
    for place in range(0, len(rows) - ROW + 1, ROW):
        if 0 <= rows[place] < planned:
            first.setdefault(rows[place], (rows[place + 1], rows[place + 2]))
    return first


def quantiles(values: Sequence[float]) -> Quantiles:
    """Return p50, p95, p99 and the ends of ``values``, at least one, by nearest rank."""
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], _DIGITS)

    return Quantiles(p50=at(0.5), p95=at(0.95), p99=at(0.99), min=at(0.0), max=at(1.0))


def jitter(transits_ns: Sequence[int]) -> float | None:
    """Return the mean over a stream of the running interarrival jitter J, in seconds.

    J follows RFC 3550 section 6.4.1 in order of arrival; ``transits_ns`` are receive minus send
    times, whose common clock offset cancels. J itself remembers 16 packets, so its last value
    says little of a step; its mean is what packet analysers report.
    """
    if len(transits_ns) < 2:  # noqa: PLR2004  # a difference needs two
        return None
    running = total = 0.0
    for before, now in pairwise(transits_ns):
        running += (abs(now - before) - running) / 16
        total += running
    return total / (len(transits_ns) - 1) / _NS


def stream_jitter(plan: Sequence[Planned], first: Mapping[int, tuple[int, int]]) -> float | None:
    """Return the jitter of the worse of a flow's streams: audio and video are RTP streams each."""
    transits: dict[int, list[int]] = {PayloadType.AUDIO: [], PayloadType.VIDEO: []}
    for number, (sent, received) in first.items():
        transits[plan[number][2]].append(received - sent)
    known = [value for value in map(jitter, transits.values()) if value is not None]
    return max(known, default=None)


def reorder_ratio(sequence: Sequence[int]) -> float:
    """Return the share of packets that came after a later one (RFC 4737 section 3.3)."""
    newest, reordered = -1, 0
    for number in sequence:
        if number < newest:
            reordered += 1
        else:
            newest = number
    return reordered / len(sequence) if sequence else 0.0


def queue_delays(times_ns: Sequence[tuple[int, int]]) -> list[float]:
    """Return each delay above the path's own minimum in seconds, clock skew removed.

    ``times_ns`` are (send, receive) on the two ends' own clocks. The line under all delays is the
    edge of their lower convex hull under their middle (Moon, Skelly, Towsley, INFOCOM 1999).
    """
    if not times_ns:
        return []
    base_time, base_delay = times_ns[0][0], times_ns[0][1] - times_ns[0][0]
    points = [(sent - base_time, received - sent - base_delay) for sent, received in times_ns]
    slope = skew(points)
    corrected = [delay - slope * time for time, delay in points]
    lowest = min(corrected)
    return [(delay - lowest) / _NS for delay in corrected]


def skew(points: Sequence[tuple[int, int]]) -> float:
    """Return the drift of the delays' floor, ns per ns; 0 where it is not that of a clock."""
    hull: list[tuple[int, int]] = []
    ordered = sorted(points)
    if ordered[-1][0] - ordered[0][0] < SKEW_SPAN_MIN_SECONDS * _NS:
        return 0.0
    for point in ordered:
        while len(hull) > 1 and _turns_down(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    middle = sum(time for time, _ in points) / len(points)
    for left, right in pairwise(hull):
        if right[0] >= middle and right[0] > left[0]:
            slope = (right[1] - left[1]) / (right[0] - left[0])
            return slope if abs(slope) <= SKEW_MAX else 0.0
    return 0.0


def worst_window(lost: Sequence[bool], times_ns: Sequence[int], window_ns: int) -> float:
    """Return the largest loss ratio of any sliding window; a shorter step is one window."""
    if not lost:
        return 0.0
    span = times_ns[-1] - times_ns[0]
    if span <= window_ns:
        return sum(lost) / len(lost)
    worst = 0.0
    start = losses = 0
    for end, is_lost in enumerate(lost):
        losses += is_lost
        while times_ns[end] - times_ns[start] >= window_ns:
            losses -= lost[start]
            start += 1
        if start or times_ns[end + 1] - times_ns[0] >= window_ns:
            worst = max(worst, losses / (end - start + 1))
    return worst


def loss_interval(
    lost: Sequence[bool], times_ns: Sequence[int], errors: int = 0
) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of the loss ratio (Wilson 1927).

    Losses come in bursts, so the sample counts for less: its size is divided by the design effect
    of blocks of 100 ms (Kish 1965: variance between blocks over that of independent packets).
    ``errors`` of the missing were never sent.
    """
    total = len(lost) - errors
    if total <= 0:
        return 0.0, 1.0
    ratio = max(0, sum(lost) - errors) / total
    size = total / _design_effect(lost, times_ns)
    middle = ratio + _Z95**2 / (2 * size)
    spread = _Z95 * math.sqrt(ratio * (1 - ratio) / size + _Z95**2 / (4 * size**2))
    scale = 1 + _Z95**2 / size
    low = max(0.0, (middle - spread) / scale) if ratio > 0 else 0.0
    high = min(1.0, (middle + spread) / scale) if ratio < 1 else 1.0
    return low, high


def loss_bursts(lost: Sequence[bool], times_ns: Sequence[int]) -> Bursts | None:
    """Return number, length and spacing (start to start) of runs of lost packets."""
    starts: list[int] = []
    lengths: list[int] = []
    before = False
    for is_lost, time in zip(lost, times_ns, strict=True):
        if is_lost and before:
            lengths[-1] += 1
        elif is_lost:
            starts.append(time)
            lengths.append(1)
        before = is_lost
    if not starts:
        return None
    spacing = (starts[-1] - starts[0]) / (len(starts) - 1) / _NS if len(starts) > 1 else None
    return Bursts(len(starts), max(lengths), sum(lengths) / len(lengths), spacing)


def late_frame_ratio(
    due: Sequence[Planned], first_number: int, queue: Mapping[int, float]
) -> float | None:
    """Return the share of video frames incomplete or later than the playout; None without video.

    ``queue`` is sequence → queueing delay in seconds of what arrived.
    """
    good: dict[int, bool] = {}
    for number, (_, _, payload_type, frame, _, _) in enumerate(due, first_number):
        if payload_type == PayloadType.VIDEO:
            timely = queue.get(number, math.inf) <= PLAYOUT_SECONDS
            good[frame] = timely and good.get(frame, True)
    return 1 - sum(good.values()) / len(good) if good else None


def bins(
    due: Sequence[Planned], first_number: int, queue: Mapping[int, float], duration_seconds: float
) -> tuple[Bin, ...]:
    """Return the step in 100 ms by planned send time."""
    count = max(1, math.ceil(duration_seconds * _NS / BLOCK_NS))
    sent, received, size = [0] * count, [0] * count, [0] * count
    delay: list[float | None] = [None] * count
    for number, one in enumerate(due, first_number):
        place = one[0] // BLOCK_NS
        sent[place] += 1
        own = queue.get(number)
        if own is not None:
            received[place] += 1
            size[place] += one[1] + HEADER_BYTES
            delay[place] = max(delay[place] or 0.0, round(own, 6))
    return tuple(Bin(*row) for row in zip(sent, received, size, delay, strict=True))


def _due(
    sent: SentCount | None, first: Mapping[int, tuple[int, int]], planned: int
) -> tuple[int, int, int]:
    """Return first and last + 1 of what was due, and send errors; arrivals overrule the sender."""
    if sent is None:
        return 0, planned, 0
    low = min(sent.first, min(first, default=sent.first))
    high = min(planned, max(sent.stop, max(first, default=-1) + 1))
    return min(low, high), high, min(sent.errors, max(0, high - low - len(first)))


def _turns_down(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    return (b[1] - a[1]) * (c[0] - a[0]) >= (c[1] - a[1]) * (b[0] - a[0])


def _design_effect(lost: Sequence[bool], times_ns: Sequence[int]) -> float:
    ratio = sum(lost) / len(lost)
    if not 0 < ratio < 1:
        return 1.0
    blocks: dict[int, list[int]] = {}
    for is_lost, time in zip(lost, times_ns, strict=True):
        block = blocks.setdefault(time // BLOCK_NS, [0, 0])
        block[0] += is_lost
        block[1] += 1
    if len(blocks) < 2:  # noqa: PLR2004  # a variance needs two
        return 1.0
    between = sum((bad - ratio * count) ** 2 for bad, count in blocks.values())
    variance = between * len(blocks) / (len(blocks) - 1) / len(lost) ** 2
    return max(1.0, variance / (ratio * (1 - ratio) / len(lost)))
