"""Layouts of the packets on the measuring port (SPEC 5): pure, octets to values and back.

STAMP is RFC 8762 with the session id of RFC 8972; rehearsal packets are RTP (RFC 3550); control
packets are our own. All integers are big-endian.
"""

import hashlib
import hmac
import math
import struct
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from diemcau_contract.errors import ContractError

Octets = bytes | bytearray | memoryview

STAMP_OPEN_BYTES = 44
STAMP_AUTHENTICATED_BYTES = 112
STAMP_HMAC_OFFSET = 96
HMAC_BYTES = 16
TWAMP_LIGHT_BYTES = 14
"""Shortest sender packet that still holds sequence, time and error (RFC 8762 section 4.6)."""

IP_UDP_BYTES = 28
"""IPv4 and UDP headers of a packet."""
RTP_BYTES = 12
REHEARSAL_BYTES = 44
"""RTP header and ours; random padding follows."""
PAYLOAD_MIN_BYTES = REHEARSAL_BYTES - RTP_BYTES
PAYLOAD_MAX_BYTES = 1160
"""RTP payload of the largest packet: 1200 octets at the IP layer."""

CONTROL_MAGIC = 0xD1656D63
CONTROL_VERSION = 1
OPEN_MIN_BYTES = 256

_NTP_UNIX_SECONDS = 2_208_988_800
_OPEN_SENDER = struct.Struct(">IQHH")
_OPEN_REFLECTOR = struct.Struct(">IQHHQIQHxxBxxx")
_AUTH_SENDER = struct.Struct(">I12xQHH68x")
_AUTH_REFLECTOR = struct.Struct(">I12xQHH4xQ8xI12xQH6xB15x")
REHEARSAL = struct.Struct(">BBHIIQQIIHHHH")
"""V/P/X/CC, M/PT, RTP sequence, RTP time, SSRC, token, send ns, sequence, frame, packet in frame,
packets in frame, step, zero."""
_CONTROL = struct.Struct(">IBBHI")


class PacketFault(StrEnum):
    """Why a packet is dropped (fixed set: it is a metric label)."""

    TOO_SHORT = "too_short"
    NOT_OURS = "not_ours"
    BAD_VERSION = "bad_version"
    UNKNOWN_KIND = "unknown_kind"
    BAD_FIELD = "bad_field"
    BAD_HMAC = "bad_hmac"


class PacketError(ContractError):
    """Octets that are no packet of SPEC 5; ``reason`` is counted, the text says what is wrong."""

    def __init__(self, reason: PacketFault, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class PacketClass(StrEnum):
    """The three families, told apart by the first two bits (SPEC 5)."""

    STAMP = "stamp"
    REHEARSAL = "rehearsal"
    CONTROL = "control"


def packet_class(octets: Octets) -> PacketClass:
    """Tell the family of a packet.

    Raises:
        PacketError: when it is empty.
    """
    if not len(octets):
        raise PacketError(PacketFault.TOO_SHORT, "an empty datagram")
    first = octets[0] >> 6
    if first < 2:  # noqa: PLR2004  # the top bit is 0
        return PacketClass.STAMP
    return PacketClass.REHEARSAL if first == 2 else PacketClass.CONTROL  # noqa: PLR2004  # bits 10


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


def hmac_128(key: bytes, octets: Octets) -> bytes:
    """Return HMAC-SHA-256 truncated to 128 bits (RFC 8762 section 4.4)."""
    return hmac.digest(key, octets, hashlib.sha256)[:HMAC_BYTES]


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
    """A Session-Sender's packet; ``time_ns`` is T1."""

    sequence: int
    time_ns: int
    error: int
    ssid: int = 0


@dataclass(frozen=True, slots=True)
class StampReply:
    """A reflector's packet: ``received_ns`` is T2, ``time_ns`` T3, ``sender_time_ns`` T1."""

    sequence: int
    time_ns: int
    error: int
    ssid: int
    received_ns: int
    sender_sequence: int
    sender_time_ns: int
    sender_error: int
    sender_ttl: int


def pack_stamp_request(request: StampRequest, key: bytes | None = None) -> bytes:
    """Return the octets, authenticated where ``key`` is given."""
    values = (request.sequence, ntp_from_unix_ns(request.time_ns), request.error, request.ssid)
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
        _need(octets, TWAMP_LIGHT_BYTES, "STAMP request")
        head = bytes(octets[: _OPEN_SENDER.size]).ljust(_OPEN_SENDER.size, b"\0")
        sequence, time, error, ssid = _OPEN_SENDER.unpack(head)
    else:
        _verify_stamp(octets, key)
        sequence, time, error, ssid = _AUTH_SENDER.unpack_from(octets)
    return StampRequest(sequence, unix_ns_from_ntp(time), error, ssid)


def pack_stamp_reply(reply: StampReply, key: bytes | None = None) -> bytes:
    """Return the octets of the base packet, authenticated where ``key`` is given."""
    values = (
        reply.sequence,
        ntp_from_unix_ns(reply.time_ns),
        reply.error,
        reply.ssid,
        ntp_from_unix_ns(reply.received_ns),
        reply.sender_sequence,
        ntp_from_unix_ns(reply.sender_time_ns),
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
        PacketError: too short, or not genuine.
    """
    if key is None:
        _need(octets, STAMP_OPEN_BYTES, "STAMP reply")
        fields = _OPEN_REFLECTOR.unpack_from(octets)
    else:
        _verify_stamp(octets, key)
        fields = _AUTH_REFLECTOR.unpack_from(octets)
    sequence, t3, error, ssid, t2, sender_sequence, t1, sender_error, ttl = fields
    return StampReply(
        sequence, unix_ns_from_ntp(t3), error, ssid, unix_ns_from_ntp(t2),
        sender_sequence, unix_ns_from_ntp(t1), sender_error, ttl,
    )  # fmt: skip


def stamp_ssid(octets: Octets, *, authenticated: bool) -> int:
    """Return the session id of a STAMP packet without trusting it: it only selects the key.

    Raises:
        PacketError: too short.
    """
    offset = 26 if authenticated else 14
    _need(octets, STAMP_AUTHENTICATED_BYTES if authenticated else offset + 2, "STAMP packet")
    return octets[offset] << 8 | octets[offset + 1]


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
    _need(octets, REHEARSAL_BYTES, "rehearsal packet")
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


class ControlKind(IntEnum):
    """Kinds of control packets (SPEC 5.4)."""

    OPEN = 1
    ACCEPT = 2
    REFUSE = 3
    STOP = 4
    STEP_END = 5


@dataclass(frozen=True, slots=True)
class Open:
    """A point asks to be let in."""

    flow: int
    time_ns: int
    ticket: str


@dataclass(frozen=True, slots=True)
class Accept:
    """The hub lets a flow in and tells how its OPEN arrived; None is not known."""

    flow: int
    open_time_ns: int
    received_ns: int
    time_ns: int
    dscp: int | None
    ttl: int | None


@dataclass(frozen=True, slots=True)
class Refuse:
    """The hub lets a flow not in; ``reason`` is a number of REFUSE_REASONS."""

    flow: int
    open_time_ns: int
    reason: int


@dataclass(frozen=True, slots=True)
class Stop:
    """One end stops the flow's traffic."""

    flow: int


@dataclass(frozen=True, slots=True)
class StepEnd:
    """The sender's own count of one step: ``first`` to before ``stop`` sent, but ``errors``."""

    flow: int
    step: int
    first: int
    stop: int
    errors: int


Control = Open | Accept | Refuse | Stop | StepEnd
REFUSE_REASONS = ("", "malformed", "bad_signature", "expired", "replayed", "unknown_flow", "closed")
_UNKNOWN_OCTET = 255


def pack_control(packet: Control, secret: bytes | None) -> bytes:
    """Return the octets with their HMAC; without ``secret`` it is zeros (only for REFUSE)."""
    kind, special, body = _control_parts(packet)
    head = _CONTROL.pack(CONTROL_MAGIC, CONTROL_VERSION, kind, special, packet.flow) + body
    return head + (hmac_128(secret, head) if secret is not None else bytes(HMAC_BYTES))


def control_flow(octets: Octets) -> tuple[ControlKind, int]:
    """Return kind and flow of a control packet, unverified: they only select the secret.

    Raises:
        PacketError: when it is none.
    """
    _need(octets, _CONTROL.size + 8 + HMAC_BYTES, "control packet")
    magic, version, kind, _, flow = _CONTROL.unpack_from(octets)
    if magic != CONTROL_MAGIC:
        raise PacketError(PacketFault.NOT_OURS, f"begins with 0x{magic:08x}")
    if version != CONTROL_VERSION:
        raise PacketError(PacketFault.BAD_VERSION, f"version {version}, expected 1")
    if kind not in list(ControlKind):
        raise PacketError(PacketFault.UNKNOWN_KIND, f"kind {kind}")
    return ControlKind(kind), flow


def parse_control(octets: Octets, secret: bytes | None) -> Control:
    """Read a control packet; its HMAC is verified first unless ``secret`` is None.

    Raises:
        PacketError: when it is none, not genuine or damaged.
    """
    kind, flow = control_flow(octets)
    signed, seal = octets[:-HMAC_BYTES], bytes(octets[-HMAC_BYTES:])
    if secret is not None and not hmac.compare_digest(seal, hmac_128(secret, signed)):
        raise PacketError(PacketFault.BAD_HMAC, f"{kind.name} of flow {flow}")
    special = octets[6] << 8 | octets[7]
    if kind is ControlKind.OPEN:
        return _parse_open(octets, flow, special)
    if kind is ControlKind.ACCEPT:
        _need(octets, _CONTROL.size + 24 + HMAC_BYTES, "ACCEPT")
        opened, received, sent = struct.unpack_from(">QQQ", octets, _CONTROL.size)
        return Accept(flow, opened, received, sent, _known(special >> 8), _known(special & 0xFF))
    if kind is ControlKind.REFUSE:
        return Refuse(flow, int.from_bytes(octets[12:20], "big"), special)
    if kind is ControlKind.STOP:
        return Stop(flow)
    _need(octets, _CONTROL.size + 12 + HMAC_BYTES, "STEP END")
    first, stop, errors = struct.unpack_from(">III", octets, _CONTROL.size)
    return StepEnd(flow, special, first, stop, errors)


def _control_parts(packet: Control) -> tuple[ControlKind, int, bytes]:
    match packet:
        case Open():
            ticket = packet.ticket.encode("ascii")
            body = packet.time_ns.to_bytes(8, "big") + ticket
            padded = body.ljust(OPEN_MIN_BYTES - _CONTROL.size - HMAC_BYTES, b"\0")
            return ControlKind.OPEN, len(ticket), padded
        case Accept():
            special = _octet(packet.dscp) << 8 | _octet(packet.ttl)
            times = (packet.open_time_ns, packet.received_ns, packet.time_ns)
            return ControlKind.ACCEPT, special, struct.pack(">QQQ", *times)
        case Refuse():
            return ControlKind.REFUSE, packet.reason, packet.open_time_ns.to_bytes(8, "big")
        case Stop():
            return ControlKind.STOP, 0, bytes(8)
        case StepEnd():
            counts = struct.pack(">III", packet.first, packet.stop, packet.errors)
            return ControlKind.STEP_END, packet.step, counts


def _parse_open(octets: Octets, flow: int, length: int) -> Open:
    _need(octets, OPEN_MIN_BYTES, "OPEN")
    end = _CONTROL.size + 8 + length
    if end > len(octets) - HMAC_BYTES:
        raise PacketError(PacketFault.BAD_FIELD, f"ticket length {length} beyond the packet")
    ticket = bytes(octets[_CONTROL.size + 8 : end])
    if not ticket.isascii():
        raise PacketError(PacketFault.BAD_FIELD, "ticket is not ASCII")
    return Open(flow, int.from_bytes(octets[12:20], "big"), ticket.decode("ascii"))


def _verify_stamp(octets: Octets, key: bytes) -> None:
    _need(octets, STAMP_AUTHENTICATED_BYTES, "authenticated STAMP packet")
    seal = bytes(octets[STAMP_HMAC_OFFSET:STAMP_AUTHENTICATED_BYTES])
    if not hmac.compare_digest(seal, hmac_128(key, octets[:STAMP_HMAC_OFFSET])):
        raise PacketError(PacketFault.BAD_HMAC, "STAMP packet")


def _need(octets: Octets, size: int, what: str) -> None:
    if len(octets) < size:
        detail = f"{what} of {len(octets)} octets, at least {size}"
        raise PacketError(PacketFault.TOO_SHORT, detail)


def _octet(value: int | None) -> int:
    return _UNKNOWN_OCTET if value is None else value


def _known(octet: int) -> int | None:
    return None if octet == _UNKNOWN_OCTET else octet
