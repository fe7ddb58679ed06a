"""Who is let in at the hub: OPEN with a good ticket, answered by ACCEPT or REFUSE (SPEC 5.4)."""

import time
from collections.abc import Mapping

from diemcau_contract.packets.control import (
    REFUSE_REASONS,
    Accept,
    Open,
    Refuse,
    control_flow,
    pack_control,
    parse_control,
)
from diemcau_contract.tickets import TicketBook, TicketError, TicketFault
from diemcau_line.engine import Engine
from diemcau_line.protocol import FlowOpened
from diemcau_line.ratecap import RateCap
from diemcau_line.sockets import MeasuringSocket
from diemcau_line.steps import Peer

_REFUSALS_PER_SECOND_MAX = 50
_NOT_OURS = frozenset({TicketFault.MALFORMED, TicketFault.BAD_SIGNATURE})
"""Faults of a ticket that nobody has shown this hub to have signed."""
_NS = 1_000_000_000


class Door:
    """Takes tickets signed with ``key``, each once; an answer is never longer than its question.

    A stranger, who has neither a flow's secret nor a ticket of this hub, gets none at all.

    ``in_all`` bounds what comes in from all whom it lets in, together.
    """

    def __init__(self, engine: Engine, key: bytes, in_all: RateCap) -> None:
        self._engine = engine
        self._book = TicketBook(key)
        self._in_all = in_all
        self._refusals = [0, 0]

    def knock(
        self, line: MeasuringSocket, octets: memoryview, test: str | None, peers: Mapping[int, Peer]
    ) -> None:
        """Take the OPEN that ``line`` has just received, for one of the ``peers`` of ``test``.

        Raises:
            PacketError: when it is none, or not genuine.
        """
        peer = peers.get(control_flow(octets)[1])
        packet = parse_control(octets, peer.secret if peer else None)
        if not isinstance(packet, Open):
            return
        host, port = line.sender[:2]
        try:
            ticket = self._book.take(packet.ticket, f"{host}:{port}", time.time(), peers)
        except TicketError as error:
            is_ours = error.reason not in _NOT_OURS
            reason = TicketFault.CLOSED if test is None and is_ours else error.reason
            self._engine.rejected[reason] += 1
            if is_ours or peer is not None:
                self._refuse(line, packet, peer, reason)
            return
        if test is None or peer is None or (ticket.flow, ticket.test, ticket.point) != (
            packet.flow, test, peer.point,
        ):  # fmt: skip
            self._engine.rejected[TicketFault.UNKNOWN_FLOW] += 1
            self._refuse(line, packet, peer, TicketFault.UNKNOWN_FLOW)
            return
        ttl, dscp = line.ttl_and_dscp()
        if peer.line is None:
            peer.line, peer.address = line, line.sender
            peer.bytes_left = ticket.max_bytes
            peer.rate = RateCap(ticket.max_bits_per_second, within=self._in_all)
            self._engine.emit(FlowOpened(test, peer.point, peer.flow, f"{host}:{port}", dscp))
        peer.heard_ns = line.received_ns
        peer.stopped = False
        now = self._engine.clock.now_ns()
        accept = Accept(packet.flow, packet.time_ns, line.received_ns, now, dscp, ttl)
        line.send(pack_control(accept, peer.secret), line.sender)

    def _refuse(
        self, line: MeasuringSocket, packet: Open, peer: Peer | None, reason: TicketFault
    ) -> None:
        second = line.received_ns // _NS
        if self._refusals[0] != second:
            self._refusals = [second, 0]
        self._refusals[1] += 1
        if self._refusals[1] <= _REFUSALS_PER_SECOND_MAX:
            answer = Refuse(packet.flow, packet.time_ns, REFUSE_REASONS.index(reason))
            line.send(pack_control(answer, peer.secret if peer else None), line.sender)
