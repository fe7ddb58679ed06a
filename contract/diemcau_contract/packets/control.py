"""Control packets: our own, how a flow is let in, stopped and counted (SPEC 5.4)."""

import hmac
import struct
from dataclasses import dataclass
from enum import IntEnum

from diemcau_contract.packets.capacity import (
    Feedback,
    LoadEnd,
    feedback_body,
    load_end_body,
    parse_feedback,
    parse_load_end,
)
from diemcau_contract.packets.common import (
    HMAC_BYTES,
    Octets,
    PacketError,
    PacketFault,
    hmac_128,
    need,
)

CONTROL_MAGIC = 0xD1656D63
CONTROL_VERSION = 1
OPEN_MIN_BYTES = 256

_CONTROL = struct.Struct(">IBBHI")


class ControlKind(IntEnum):
    """Kinds of control packets (SPEC 5.4)."""

    OPEN = 1
    ACCEPT = 2
    REFUSE = 3
    STOP = 4
    STEP_END = 5
    FEEDBACK = 6
    LOAD_END = 7


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


Control = Open | Accept | Refuse | Stop | StepEnd | Feedback | LoadEnd
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
    need(octets, _CONTROL.size + 8 + HMAC_BYTES, "control packet")
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
        need(octets, _CONTROL.size + 24 + HMAC_BYTES, "ACCEPT")
        opened, received, sent = struct.unpack_from(">QQQ", octets, _CONTROL.size)
        return Accept(flow, opened, received, sent, _known(special >> 8), _known(special & 0xFF))
    if kind is ControlKind.REFUSE:
        return Refuse(flow, int.from_bytes(octets[12:20], "big"), special)
    if kind is ControlKind.STOP:
        return Stop(flow)
    return _parse_of_step(octets, kind, flow, special)


def _parse_of_step(octets: Octets, kind: ControlKind, flow: int, step: int) -> Control:
    if kind is ControlKind.FEEDBACK:
        return parse_feedback(octets, flow, step)
    if kind is ControlKind.LOAD_END:
        return parse_load_end(octets, flow, step)
    need(octets, _CONTROL.size + 12 + HMAC_BYTES, "STEP END")
    first, stop, errors = struct.unpack_from(">III", octets, _CONTROL.size)
    return StepEnd(flow, step, first, stop, errors)


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
        case Feedback() | LoadEnd():
            return _capacity_parts(packet)


def _capacity_parts(packet: Feedback | LoadEnd) -> tuple[ControlKind, int, bytes]:
    if isinstance(packet, Feedback):
        return ControlKind.FEEDBACK, packet.step, feedback_body(packet)
    return ControlKind.LOAD_END, packet.step, load_end_body(packet)


def _parse_open(octets: Octets, flow: int, length: int) -> Open:
    need(octets, OPEN_MIN_BYTES, "OPEN")
    end = _CONTROL.size + 8 + length
    if end > len(octets) - HMAC_BYTES:
        raise PacketError(PacketFault.BAD_FIELD, f"ticket length {length} beyond the packet")
    ticket = bytes(octets[_CONTROL.size + 8 : end])
    if not ticket.isascii():
        raise PacketError(PacketFault.BAD_FIELD, "ticket is not ASCII")
    return Open(flow, int.from_bytes(octets[12:20], "big"), ticket.decode("ascii"))


def _octet(value: int | None) -> int:
    return _UNKNOWN_OCTET if value is None else value


def _known(octet: int) -> int | None:
    return None if octet == _UNKNOWN_OCTET else octet
