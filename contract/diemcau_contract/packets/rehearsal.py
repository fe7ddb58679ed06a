"""Rehearsal packets: RTP (RFC 3550) with the fields of SPEC 5.5."""

import struct
from dataclasses import dataclass
from enum import IntEnum

from diemcau_contract.packets.common import Octets, PacketError, PacketFault, need

RTP_BYTES = 12
REHEARSAL_BYTES = 44
"""RTP header and ours; random padding follows."""
PAYLOAD_MIN_BYTES = REHEARSAL_BYTES - RTP_BYTES
PAYLOAD_MAX_BYTES = 1160
"""RTP payload of the largest packet: 1200 octets at the IP layer."""

REHEARSAL = struct.Struct(">BBHIIQQIIHHHH")
"""V/P/X/CC, M/PT, RTP sequence, RTP time, SSRC, token, send ns, sequence, frame, packet in frame,
packets in frame, step, zero."""


class PayloadType(IntEnum):
    """RTP payload types of the rehearsal (RFC 3551), told by their clock rates."""

    AUDIO = 0
    VIDEO = 34


CLOCK_RATES = {PayloadType.AUDIO: 8_000, PayloadType.VIDEO: 90_000}


@dataclass(frozen=True, slots=True)
class RehearsalPacket:
    """A rehearsal packet's fields (SPEC 5.5); ``size`` is the whole UDP payload."""

    payload_type: PayloadType
    marker: bool
    rtp_sequence: int
    rtp_time: int
    ssrc: int
    token: int
    sent_ns: int
    sequence: int
    frame: int
    index: int
    count: int
    step: int
    size: int


def ssrc_of(flow: int, payload_type: int) -> int:
    """Return the RTP source of a flow's audio or video."""
    return flow | 0x8000_0000 if payload_type == PayloadType.VIDEO else flow


def parse_rehearsal(octets: Octets) -> RehearsalPacket:
    """Read a rehearsal packet.

    Raises:
        PacketError: too short, not RTP version 2, or of another payload type.
    """
    need(octets, REHEARSAL_BYTES, "rehearsal packet")
    first, second, sequence, time, ssrc, token, sent, number, frame, index, count, step, _ = (
        REHEARSAL.unpack_from(octets)
    )
    if first != 0x80:  # noqa: PLR2004  # V=2, nothing else
        detail = f"first octet 0x{first:02x}, expected 0x80 (RTP version 2)"
        raise PacketError(PacketFault.BAD_VERSION, detail)
    if second & 0x7F not in CLOCK_RATES:
        raise PacketError(PacketFault.BAD_FIELD, f"RTP payload type {second & 0x7F}")
    kind, marker = PayloadType(second & 0x7F), bool(second >> 7)
    return RehearsalPacket(
        kind, marker, sequence, time, ssrc, token, sent, number, frame, index, count, step,
        len(octets),
    )  # fmt: skip
