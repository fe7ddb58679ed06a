"""STAMP packets: RFC 8762 with the session id of RFC 8972, open and authenticated (SPEC 5.2)."""

import hmac
import math
import struct
from dataclasses import dataclass

from diemcau_contract.packets.common import Octets, PacketError, PacketFault, hmac_128, need

STAMP_OPEN_BYTES = 44
STAMP_AUTHENTICATED_BYTES = 112
STAMP_HMAC_OFFSET = 96
TWAMP_LIGHT_BYTES = 14
"""Shortest sender packet that still holds sequence, time and error (RFC 8762 section 4.6)."""

_NTP_UNIX_SECONDS = 2_208_988_800
_Z_BIT = 1 << 14
_OPEN_SENDER = struct.Struct(">IQHH")
_OPEN_REFLECTOR = struct.Struct(">IQHHQIQHxxBxxx")
_AUTH_SENDER = struct.Struct(">I12xQHH68x")
_AUTH_REFLECTOR = struct.Struct(">I12xQHH4xQ8xI12xQH6xB15x")


def ntp_from_unix_ns(unix_ns: int) -> int:
    """Return the NTP 64-bit time (RFC 5905 section 6), rounded to the nearest unit of 2^-32 s."""
    seconds, rest = divmod(unix_ns, 1_000_000_000)
    fraction = ((rest << 32) + 500_000_000) // 1_000_000_000
    return (((seconds + _NTP_UNIX_SECONDS) & 0xFFFF_FFFF) << 32) + fraction


def unix_ns_from_ntp(ntp: int) -> int:
    """Return Unix ns of an NTP 64-bit time; a clear top bit means era 1, from 2036 (RFC 4330 3)."""
    seconds, fraction = ntp >> 32, ntp & 0xFFFF_FFFF
    era = 0 if seconds & 0x8000_0000 else 1 << 32
    rest = (fraction * 1_000_000_000 + (1 << 31)) >> 32
    return (seconds + era - _NTP_UNIX_SECONDS) * 1_000_000_000 + rest


@dataclass(frozen=True, slots=True)
class ErrorEstimate:
    """RFC 8762 section 4.2.1, RFC 4656 section 4.1.2: error = multiplier * 2^(scale - 32) s."""

    synchronised: bool
    scale: int
    multiplier: int
    ptp: bool = False

    @property
    def seconds(self) -> float:
        """The error in seconds."""
        return math.ldexp(self.multiplier, self.scale - 32)

    @classmethod
    def of(cls, seconds: float, *, synchronised: bool) -> "ErrorEstimate":
        """Return the smallest estimate that is not below ``seconds``; never of multiplier 0."""
        units = min(max(1, math.ceil(math.ldexp(max(seconds, 0.0), 32))), 255 << 63)
        scale = max(0, units.bit_length() - 8)
        multiplier = -(-units >> scale)
        if multiplier > 255:  # noqa: PLR2004  # one octet
            scale, multiplier = scale + 1, (multiplier + 1) >> 1
        return cls(synchronised, scale, multiplier)

    def to_int(self) -> int:
        """Return the 16 bits S, Z, scale (6), multiplier (8)."""
        return self.synchronised << 15 | self.ptp << 14 | self.scale << 8 | self.multiplier

    @classmethod
    def from_int(cls, bits: int) -> "ErrorEstimate":
        """Read the 16 bits.

        Raises:
            PacketError: for multiplier 0, which RFC 4656 calls invalid.
        """
        if not bits & 0xFF:
            raise PacketError(PacketFault.BAD_FIELD, "error estimate with multiplier 0")
        return cls(bool(bits >> 15), bits >> 8 & 0x3F, bits & 0xFF, bool(bits >> 14 & 1))


@dataclass(frozen=True, slots=True)
class StampRequest:
    """A Session-Sender's packet; ``time_ntp`` is T1 as the packet bears it.

    A reflector copies it bit for bit: nanoseconds would lose the last two bits.
    """

    sequence: int
    time_ntp: int
    error: int
    ssid: int = 0


@dataclass(frozen=True, slots=True)
class StampReply:
    """A reflector's packet: ``received_ns`` is T2, ``time_ns`` T3, ``sender_time_ntp`` T1."""

    sequence: int
    time_ns: int
    error: int
    ssid: int
    received_ns: int
    sender_sequence: int
    sender_time_ntp: int
    sender_error: int
    sender_ttl: int


def pack_stamp_request(request: StampRequest, key: bytes | None = None) -> bytes:
    """Return the octets, authenticated where ``key`` is given."""
    values = (request.sequence, request.time_ntp, request.error, request.ssid)
    if key is None:
        return _OPEN_SENDER.pack(*values).ljust(STAMP_OPEN_BYTES, b"\0")
    head = _AUTH_SENDER.pack(*values)
    return head + hmac_128(key, head)


def parse_stamp_request(octets: Octets, key: bytes | None = None) -> StampRequest:
    """Read a sender's packet; with ``key`` its HMAC is verified before anything else.

    Raises:
        PacketError: too short, or not genuine.
    """
    if key is None:
        need(octets, TWAMP_LIGHT_BYTES, "STAMP request")
        head = bytes(octets[: _OPEN_SENDER.size]).ljust(_OPEN_SENDER.size, b"\0")
        sequence, time, error, ssid = _OPEN_SENDER.unpack(head)
    else:
        _verify_stamp(octets, key)
        sequence, time, error, ssid = _AUTH_SENDER.unpack_from(octets)
    return StampRequest(sequence, time, error, ssid)


def pack_stamp_reply(reply: StampReply, key: bytes | None = None) -> bytes:
    """Return the octets of the base packet, authenticated where ``key`` is given."""
    values = (
        reply.sequence,
        ntp_from_unix_ns(reply.time_ns),
        reply.error,
        reply.ssid,
        ntp_from_unix_ns(reply.received_ns),
        reply.sender_sequence,
        reply.sender_time_ntp,
        reply.sender_error,
        reply.sender_ttl,
    )
    if key is None:
        return _OPEN_REFLECTOR.pack(*values)
    head = _AUTH_REFLECTOR.pack(*values)
    return head + hmac_128(key, head)


def parse_stamp_reply(octets: Octets, key: bytes | None = None) -> StampReply:
    """Read a reflector's packet; with ``key`` its HMAC is verified before anything else.

    Raises:
        PacketError: too short, not genuine, or with times in PTP's format (Z bit, RFC 8186 2.3),
            which read as NTP would be wrong figures.
    """
    if key is None:
        need(octets, STAMP_OPEN_BYTES, "STAMP reply")
        fields = _OPEN_REFLECTOR.unpack_from(octets)
    else:
        _verify_stamp(octets, key)
        fields = _AUTH_REFLECTOR.unpack_from(octets)
    sequence, t3, error, ssid, t2, sender_sequence, t1, sender_error, ttl = fields
    if error & _Z_BIT:
        raise PacketError(PacketFault.BAD_FIELD, "STAMP reply with PTP times, NTP is asked for")
    return StampReply(
        sequence, unix_ns_from_ntp(t3), error, ssid, unix_ns_from_ntp(t2),
        sender_sequence, t1, sender_error, ttl,
    )  # fmt: skip


def stamp_ssid(octets: Octets, *, authenticated: bool) -> int:
    """Return the session id of a STAMP packet without trusting it: it only selects the key.

    Raises:
        PacketError: too short.
    """
    offset = 26 if authenticated else 14
    need(octets, STAMP_AUTHENTICATED_BYTES if authenticated else offset + 2, "STAMP packet")
    return octets[offset] << 8 | octets[offset + 1]


def _verify_stamp(octets: Octets, key: bytes) -> None:
    need(octets, STAMP_AUTHENTICATED_BYTES, "authenticated STAMP packet")
    seal = bytes(octets[STAMP_HMAC_OFFSET:STAMP_AUTHENTICATED_BYTES])
    if not hmac.compare_digest(seal, hmac_128(key, octets[:STAMP_HMAC_OFFSET])):
        raise PacketError(PacketFault.BAD_HMAC, "STAMP packet")
