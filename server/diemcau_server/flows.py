"""Flows of a test: their ids and secrets, and the ticket that lets each one in (SPEC 5.3)."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from diemcau_contract.plans import TrafficPlan
from diemcau_contract.tickets import MAX_FLOW, Ticket

CAPACITY_SECONDS = 3.5
"""One direction of a capacity measurement: the ladder is up in 1 s, the best of the rest counts."""
_CAPACITY_TURNS = 2
"""A figure that was taken beside others may be taken again alone."""
_PEAK_RATIO = 1.2
_TICKET_MARGIN = 1.5
"""Random frame sizes go over the plan for a while; the ticket bounds abuse, it does not shape."""
_AUDIO_PACKETS_PER_SECOND = 50
_VIDEO_PAYLOAD_BYTES = 1160
_HEADER_BITS = 40 * 8


@dataclass(frozen=True, slots=True)
class FlowOrder:
    """One point's flow in a test; ``secret`` is hexadecimal."""

    point: str
    flow: int
    secret: str
    up: TrafficPlan
    down: TrafficPlan


def planned_bits_per_second(plan: TrafficPlan) -> float:
    """Return the rate of a plan at the IP layer: payload, RTP 12, UDP 8, IP 20 a packet (SPEC 4).

    Each video frame may end with a packet that is not full.
    """
    full = plan.video_bits_per_second / (8 * _VIDEO_PAYLOAD_BYTES)
    packets = full + plan.frames_per_second + _AUDIO_PACKETS_PER_SECOND
    payload = plan.audio_bits_per_second + plan.video_bits_per_second
    return payload + packets * _HEADER_BITS


def ticket_of(
    test: str,
    flow: FlowOrder,
    seconds: float,
    not_after: float,
    capacity_bits_per_second: int | None = None,
) -> Ticket:
    """Return what ``flow`` may do: its plan at its peak with a margin, for the whole test.

    ``capacity_bits_per_second`` is allowed beside it for the seconds of a capacity measurement,
    twice in each direction.
    """
    up, down = planned_bits_per_second(flow.up), planned_bits_per_second(flow.down)
    allowed = _PEAK_RATIO * _TICKET_MARGIN
    load = capacity_bits_per_second or 0
    load_bytes = 2 * _CAPACITY_TURNS * load * CAPACITY_SECONDS / 8
    return Ticket(
        test=test,
        point=flow.point,
        flow=flow.flow,
        max_bytes=round((up + down) * allowed * seconds / 8 + load_bytes),
        max_bits_per_second=max(round(max(up, down) * allowed), load),
        not_after=not_after,
        nonce=secrets.token_hex(16),
    )


def new_flows(points: Sequence[str], up: TrafficPlan, down: TrafficPlan) -> tuple[FlowOrder, ...]:
    """Return a flow for each point, with ids and secrets that nobody can guess."""
    numbers = secrets.SystemRandom().sample(range(1, MAX_FLOW), len(points))
    return tuple(
        FlowOrder(point, number, secrets.token_hex(16), up, down)
        for point, number in zip(points, numbers, strict=True)
    )
