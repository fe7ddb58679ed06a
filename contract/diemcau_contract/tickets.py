"""Tickets that let one flow of one test onto the measuring port (SPEC 5.3)."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from diemcau_contract.errors import ContractError

TICKET_VERSION = 1
MAX_TICKET_BYTES = 1200
MAX_FLOW = 2**31 - 1


class TicketFault(StrEnum):
    """Why a ticket is not taken (fixed set: reasons of REFUSE and a metric label)."""

    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad_signature"
    EXPIRED = "expired"
    REPLAYED = "replayed"
    UNKNOWN_FLOW = "unknown_flow"
    CLOSED = "closed"


class TicketError(ContractError):
    """A ticket that is not taken, with its ``reason``."""

    def __init__(self, reason: TicketFault, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a flow may do.

    ``max_bytes`` counts both directions together and ``max_bits_per_second`` each one, both at
    the IP layer. ``not_after`` is Unix time in seconds on the hub's clock; ``nonce`` is 32
    hexadecimal digits, never used twice.
    """

    test: str
    point: str
    flow: int
    max_bytes: int
    max_bits_per_second: int
    not_after: float
    nonce: str


def issue(ticket: Ticket, key: bytes) -> str:
    """Return ``ticket`` signed with ``key``.

    Raises:
        ValueError: when it would be longer than a ticket may be, or its flow is out of range.
    """
    if not 1 <= ticket.flow <= MAX_FLOW:
        message = f"flow {ticket.flow} is not in 1..{MAX_FLOW}"
        raise ValueError(message)
    content = json.dumps({"v": TICKET_VERSION, **asdict(ticket)}, separators=(",", ":"))
    body = _to_text(content.encode())
    text = f"{body}.{_to_text(_signature(body, key))}"
    if len(text) > MAX_TICKET_BYTES:
        message = f"ticket of {len(text)} octets, at most {MAX_TICKET_BYTES}"
        raise ValueError(message)
    return text


def verify(text: str, key: bytes, now: float, flows: Collection[int]) -> Ticket:
    """Return the ticket in ``text`` when it is genuine, in time and for one of ``flows``.

    The signature is checked before anything in the ticket is read. ``now`` is Unix time in
    seconds. Single use is TicketBook's part.

    Raises:
        TicketError: with the first fault found.
    """
    body, dot, signature = text.partition(".")
    if not dot or len(text) > MAX_TICKET_BYTES or not text.isascii():
        raise TicketError(TicketFault.MALFORMED, "not two parts of base64url")
    if not hmac.compare_digest(signature, _to_text(_signature(body, key))):
        raise TicketError(TicketFault.BAD_SIGNATURE)
    ticket = _read(body)
    if now > ticket.not_after:
        raise TicketError(TicketFault.EXPIRED, f"{now - ticket.not_after:.1f} s ago")
    if ticket.flow not in flows:
        raise TicketError(TicketFault.UNKNOWN_FLOW, str(ticket.flow))
    return ticket


def flow_token(secret: bytes, flow: int) -> int:
    """Return the 64-bit number that every rehearsal packet of ``flow`` bears."""
    digest = hmac.digest(secret, b"diemcau token" + flow.to_bytes(4, "big"), hashlib.sha256)
    return int.from_bytes(digest[:8], "big")


class TicketBook:
    """Verifies tickets and remembers the used ones until they expire.

    The same ticket from the same holder is taken again, because the answer to the first may have
    been lost; from another holder it is ``replayed``.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._used: dict[str, tuple[str, float]] = {}

    def take(self, text: str, holder: str, now: float, flows: Collection[int]) -> Ticket:
        """Verify the ticket and note that ``holder`` (an address) has used it.

        Raises:
            TicketError: with the first fault found.
        """
        ticket = verify(text, self._key, now, flows)
        self._used = {nonce: use for nonce, use in self._used.items() if use[1] >= now}
        used_by, _ = self._used.setdefault(ticket.nonce, (holder, ticket.not_after))
        if used_by != holder:
            raise TicketError(TicketFault.REPLAYED, f"first used by {used_by}")
        return ticket


def _read(body: str) -> Ticket:
    try:
        content = json.loads(_from_text(body))
        fields: dict[str, Any] = dict(content)
        version = fields.pop("v", None)
        ticket = Ticket(**fields)
    except (ValueError, TypeError, binascii.Error) as error:
        raise TicketError(TicketFault.MALFORMED, str(error)) from error
    if version != TICKET_VERSION:
        raise TicketError(TicketFault.MALFORMED, f"version {version!r}")
    _check_types(ticket)
    return ticket


def _check_types(ticket: Ticket) -> None:
    texts = (ticket.test, ticket.point, ticket.nonce)
    counts = (ticket.flow, ticket.max_bytes, ticket.max_bits_per_second)
    if not all(isinstance(text, str) for text in texts):
        raise TicketError(TicketFault.MALFORMED, "test, point and nonce are texts")
    if not all(type(count) is int and count > 0 for count in counts):
        raise TicketError(TicketFault.MALFORMED, "flow and limits are positive whole numbers")
    if not isinstance(ticket.not_after, int | float):
        raise TicketError(TicketFault.MALFORMED, "not_after is a number")


def _signature(body: str, key: bytes) -> bytes:
    return hmac.digest(key, b"diemcau ticket" + body.encode("ascii"), hashlib.sha256)


def _to_text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def _from_text(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
