"""What the capacity step says beside its load: FEEDBACK and LOAD END (SPEC 5.8)."""

import struct
from dataclasses import dataclass
from enum import IntEnum

from diemcau_contract.packets.common import HMAC_BYTES, Octets, PacketError, PacketFault, need
from diemcau_contract.packets.rehearsal import PAYLOAD_MAX_BYTES, RTP_BYTES

LOAD_PAYLOAD_TYPE = 96
LOAD_CLOCK_RATE = 90_000
LOAD_BYTES = RTP_BYTES + PAYLOAD_MAX_BYTES
"""UDP payload of every load packet: 1200 octets at the IP layer."""

_UNKNOWN = 0xFFFF_FFFF
_U32_MAX = 0xFFFF_FFFF
_BODY_OFFSET = 12
_FEEDBACK = struct.Struct(">IIIIIIQ")
_LOAD_END = struct.Struct(">IQIIII")


class SenderLimit(IntEnum):
    """What kept a sender of load from sending more."""

    LINE = 1
    SENDER = 2
    CAP = 3
    LOSS = 4
    """It lost too much for more to be tried, but at no rate that came back."""
    TIME = 5
    """It was still climbing at the end."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the receiver of load saw since its last word; ``number`` counts from 1."""

    flow: int
    step: int
    number: int
    received: int
    lost: int
    received_bits_per_second: int
    queue_delay_us: int
    held_us: int
    newest_sent_ns: int


@dataclass(frozen=True, slots=True)
class LoadEnd:
    """The sender's own count of one step; round trips are None where no feedback told them."""

    flow: int
    step: int
    packets: int
    octets: int
    errors: int
    limit: SenderLimit
    rtt_min_us: int | None
    rtt_max_us: int | None


def feedback_body(packet: Feedback) -> bytes:
    """Return the octets between head and seal."""
    counts = (
        packet.number, packet.received, packet.lost, packet.received_bits_per_second,
        packet.queue_delay_us, packet.held_us,
    )  # fmt: skip
    return _FEEDBACK.pack(*(min(count, _U32_MAX) for count in counts), packet.newest_sent_ns)


def parse_feedback(octets: Octets, flow: int, step: int) -> Feedback:
    """Read the body of a whole FEEDBACK.

    Raises:
        PacketError: too short.
    """
    need(octets, _BODY_OFFSET + _FEEDBACK.size + HMAC_BYTES, "FEEDBACK")
    return Feedback(flow, step, *_FEEDBACK.unpack_from(octets, _BODY_OFFSET))


def load_end_body(packet: LoadEnd) -> bytes:
    """Return the octets between head and seal."""
    return _LOAD_END.pack(
        packet.packets, packet.octets, packet.errors, packet.limit,
        _microseconds(packet.rtt_min_us), _microseconds(packet.rtt_max_us),
    )  # fmt: skip


def parse_load_end(octets: Octets, flow: int, step: int) -> LoadEnd:
    """Read the body of a whole LOAD END.

    Raises:
        PacketError: too short, or a limit that there is not.
    """
    need(octets, _BODY_OFFSET + _LOAD_END.size + HMAC_BYTES, "LOAD END")
    packets, sent, errors, limit, low, high = _LOAD_END.unpack_from(octets, _BODY_OFFSET)
    if limit not in list(SenderLimit):
        raise PacketError(PacketFault.BAD_FIELD, f"limit {limit} of a LOAD END")
    return LoadEnd(flow, step, packets, sent, errors, SenderLimit(limit), _known(low), _known(high))


def _microseconds(value: int | None) -> int:
    return _UNKNOWN if value is None else min(value, _U32_MAX - 1)


def _known(value: int) -> int | None:
    return None if value == _UNKNOWN else value
