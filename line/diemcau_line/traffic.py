"""The planned sends of a rehearsal: both ends draw the same plan from the same seed (SPEC 5.6)."""

import heapq
import random
from collections.abc import Callable, Iterator

from diemcau_contract.packets.common import IP_UDP_BYTES
from diemcau_contract.packets.rehearsal import (
    PAYLOAD_MAX_BYTES,
    PAYLOAD_MIN_BYTES,
    RTP_BYTES,
    PayloadType,
)
from diemcau_contract.plans import TrafficPlan
from diemcau_contract.words import Direction

RATE_RATIO_MAX = 1.2
"""No step ever sends more than 120 % of its plan."""
AUDIO_PACKETS_PER_SECOND = 50
HEADER_BYTES = IP_UDP_BYTES + RTP_BYTES
"""What the IP layer carries beside a packet's RTP payload."""
FRAME_SIZE_VARIATION = 0.3
"""Coefficient of variation of video frame sizes."""
_VARIATION_MAX = 2.5
_NS = 1_000_000_000

Planned = tuple[int, int, int, int, int, int]
"""Offset in the step (ns), RTP payload (octets), payload type, frame, packet in the frame, packets
in the frame. A plain tuple: thousands are drawn a second while packets are due."""


def seed_of(flow: int, step: int, direction: Direction) -> int:
    """Return the seed of one flow's traffic in one step and direction (SPEC 5.6)."""
    return (flow << 32) + (step << 8) + (1 if direction is Direction.UP else 2) * 2


def payload_rates(plan: TrafficPlan, rate_ratio: float) -> tuple[float, float]:
    """Return audio and video payload bits/s at ``rate_ratio``: video carries the difference.

    Raises:
        ValueError: for a ratio below 0 or above RATE_RATIO_MAX.
    """
    if not 0 <= rate_ratio <= RATE_RATIO_MAX:
        message = f"rate_ratio {rate_ratio} is not in 0..{RATE_RATIO_MAX}"
        raise ValueError(message)
    total = rate_ratio * (plan.audio_bits_per_second + plan.video_bits_per_second)
    if plan.video_bits_per_second and total > plan.audio_bits_per_second:
        return plan.audio_bits_per_second, total - plan.audio_bits_per_second
    return total, 0.0


def planned_sends(
    plan: TrafficPlan, seed: int, duration_seconds: float, rate_ratio: float
) -> Iterator[Planned]:
    """Yield every packet of one flow, step and direction in order of its planned time.

    Raises:
        ValueError: for a ratio out of range.
    """
    audio, video = payload_rates(plan, rate_ratio)
    end_ns = int(duration_seconds * _NS)
    return heapq.merge(
        _stream(PayloadType.AUDIO, audio, AUDIO_PACKETS_PER_SECOND, 0.0, seed, end_ns),
        _stream(
            PayloadType.VIDEO, video, plan.frames_per_second, FRAME_SIZE_VARIATION, seed + 1, end_ns
        ),
    )


def offered_bits_per_second(plan: TrafficPlan, rate_ratio: float) -> float:
    """Return what ``plan`` asks of the IP layer, headers included (mean of a long run)."""
    bits = 0.0
    for rate, frames, varied in zip(
        payload_rates(plan, rate_ratio),
        (AUDIO_PACKETS_PER_SECOND, plan.frames_per_second),
        (False, True),
        strict=True,
    ):
        if rate > 0:
            size = rate / 8 / frames
            packets = size / PAYLOAD_MAX_BYTES + 0.5 if varied else size // PAYLOAD_MAX_BYTES + 1
            bits += rate + max(1.0, packets) * HEADER_BYTES * 8 * frames
    return bits


def _stream(
    payload_type: int, bits_per_second: float, frames_per_second: float, variation: float,
    seed: int, end_ns: int,
) -> Iterator[Planned]:  # fmt: skip
    if bits_per_second <= 0:
        return
    uniform = random.Random(seed).random  # noqa: S311  # phases and sizes, not secrets
    period = _NS / frames_per_second
    mean = bits_per_second / 8 / frames_per_second
    phase = uniform() * period
    rest = swing = 0.0
    frame = 0
    while phase + frame * period < end_ns:
        if variation:
            swing = -swing if frame % 2 else variation * mean * _deviate(uniform)
        wanted = mean + swing + rest
        size = max(int(wanted), PAYLOAD_MIN_BYTES)
        rest = max(wanted - size, 0.0)
        count = -(-size // PAYLOAD_MAX_BYTES)
        part, longer = divmod(size, count)
        for index in range(count):
            offset = int(phase + (frame + (index + uniform()) / count) * period)
            if offset < end_ns:
                payload = max(part + (index < longer), PAYLOAD_MIN_BYTES)
                yield offset, payload, payload_type, frame, index, count
        frame += 1


def _deviate(uniform: Callable[[], float]) -> float:
    """Return a deviate near the normal from sums alone: every platform draws the same."""
    deviate = sum(uniform() for _ in range(12)) - 6
    return min(max(deviate, -_VARIATION_MAX), _VARIATION_MAX)
