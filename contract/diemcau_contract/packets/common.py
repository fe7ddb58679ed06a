"""What the three families of packets share: sizes, seals, faults, and how to tell them apart."""

import hashlib
import hmac
from enum import StrEnum

from diemcau_contract.errors import ContractError

Octets = bytes | bytearray | memoryview

HMAC_BYTES = 16
IP_UDP_BYTES = 28
"""IPv4 and UDP headers of a packet."""


class PacketFault(StrEnum):
    """Why a packet is dropped (fixed set: it is a metric label)."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
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


def hmac_128(key: bytes, octets: Octets) -> bytes:
    """Return HMAC-SHA-256 truncated to 128 bits (RFC 8762 section 4.4)."""
    return hmac.digest(key, octets, hashlib.sha256)[:HMAC_BYTES]


def need(octets: Octets, size: int, what: str) -> None:
    """Insist on at least ``size`` octets.

    Raises:
        PacketError: there are fewer.
    """
    if len(octets) < size:
        detail = f"{what} of {len(octets)} octets, at least {size}"
        raise PacketError(PacketFault.TOO_SHORT, detail)
