"""How a point comes in: OPEN until the hub answers, then the preflight (SPEC 5.4)."""

from dataclasses import replace

from diemcau_contract.measurements import StampStatistics
from diemcau_contract.packets.common import IP_UDP_BYTES
from diemcau_contract.packets.control import (
    REFUSE_REASONS,
    Accept,
    Open,
    Refuse,
    pack_control,
    parse_control,
)
from diemcau_line.engine import Engine
from diemcau_line.protocol import NoAnswer, Opened, OpenPoint, Refused
from diemcau_line.sockets import KERNEL_STAMPS, MeasuringSocket
from diemcau_line.stamp import SessionSender

PREFLIGHT_PACKETS = 20
PREFLIGHT_WINDOW = -2
MTU_SIZES = (1500, 1492, 1460, 1400, 1280)
"""Octets at the IP layer: Ethernet, PPPoE, common tunnels, IPv6's minimum."""
_OPEN_PERIOD_NS = 250_000_000
_STAMP_PERIOD_NS = 40_000_000
_PATIENCE_NS = 700_000_000
_NS = 1_000_000_000


class Opening:
    """One attempt; driven by ticks until ``finished``, then ``outcome`` says how it went."""

    def __init__(
        self, engine: Engine, line: MeasuringSocket, session: SessionSender, command: OpenPoint
    ) -> None:
        self.command = command
        self.accepted: Accept | None = None
        self.finished = False
        self._engine = engine
        self._line = line
        self._session = session
        self._secret = bytes.fromhex(command.secret)
        self._begun_ns = engine.clock.now_ns()
        self._open_ns = self._begun_ns
        self._stamp_ns = 0
        self._sent = 0
        self._deadline_ns = 0
        self._refused: str | None = None
        self._dscp_down: int | None = None
        self._probe: MeasuringSocket | None = None
        self._probe_session: SessionSender | None = None
        self._probe_sizes: dict[int, int] = {}
        self._mtu: int | None = None

    @property
    def sockets(self) -> list[MeasuringSocket]:
        """The socket of the path MTU probes, while there is one."""
        return [self._probe] if self._probe is not None else []

    def tick(self, now_ns: int) -> None:
        """Send what is due, see what has come."""
        if self.accepted is None:
            self._knock(now_ns)
        elif self._sent < PREFLIGHT_PACKETS:
            if now_ns >= self._stamp_ns:
                self._stamp_ns = now_ns + _STAMP_PERIOD_NS
                self._line.send(self._session.request(PREFLIGHT_WINDOW))
                self._sent += 1
                self._deadline_ns = now_ns + _PATIENCE_NS
        elif not self._session.waiting or now_ns >= self._deadline_ns:
            self.finished = True

    def datagram(self, line: MeasuringSocket, octets: memoryview) -> None:
        """Take an answer to OPEN, STAMP or a probe.

        Raises:
            PacketError: when it is none, or not genuine.
        """
        if line is self._probe:
            self._take_probe(line, octets)
        elif len(octets) and octets[0] >> 6 == 3:  # noqa: PLR2004  # control
            self._take_control(line, octets)
        else:
            self._session.answer(octets, line.received_ns)

    def outcome(self) -> Opened | Refused | NoAnswer:
        """Return the event for the agent."""
        test = self.command.test
        if self.accepted is not None:
            return Opened(
                test, self._stamp(), self.accepted.dscp, self._dscp_down,
                self._session.error.synchronised, KERNEL_STAMPS,
            )  # fmt: skip
        if self._refused is not None:
            return Refused(test, self._refused)
        waited = (self._engine.clock.now_ns() - self._begun_ns) / _NS
        place = f"{self.command.host} UDP port {self.command.port}"
        if self._line.refusals:
            return NoAnswer(test, f"{place} is closed: it answers 'port unreachable'")
        return NoAnswer(test, f"no answer from {place} in {waited:.1f} s")

    def close(self) -> None:
        """Give the probe's socket back."""
        if self._probe is not None:
            self._probe.close()
            self._probe = None

    def _knock(self, now_ns: int) -> None:
        if now_ns - self._begun_ns >= self.command.patience_seconds * _NS:
            self.finished = True
        elif now_ns >= self._open_ns:
            self._open_ns = now_ns + _OPEN_PERIOD_NS
            packet = Open(self.command.flow, self._engine.clock.now_ns(), self.command.ticket)
            self._line.send(pack_control(packet, self._secret))

    def _take_control(self, line: MeasuringSocket, octets: memoryview) -> None:
        packet = parse_control(octets, None)
        if packet.flow != self.command.flow or self.accepted is not None:
            return
        if isinstance(packet, Refuse) and packet.reason < len(REFUSE_REASONS):
            self._refused = REFUSE_REASONS[packet.reason]
            if any(octets[-16:]):
                parse_control(octets, self._secret)
                self.finished = True
            return
        genuine = parse_control(octets, self._secret)
        if isinstance(genuine, Accept):
            self.accepted = genuine
            _, self._dscp_down = line.ttl_and_dscp()
            self._send_probes()

    def _send_probes(self) -> None:
        """Ask for the path MTU: unfragmentable STAMP packets, each answered by one as long.

        From a socket of their own, so that a lost probe is no lost packet of the preflight.
        """
        if not KERNEL_STAMPS:
            return
        try:
            self._probe = MeasuringSocket(
                self._engine.clock, bind=None, peer=(self.command.host, self.command.port),
                dscp=self.command.dscp,
            )  # fmt: skip
            self._probe.forbid_fragments()
        except OSError:
            self.close()
            return
        key = bytes.fromhex(self.command.stamp_key)
        self._probe_session = SessionSender(self.command.ssid, key, self._engine.clock)
        for size in MTU_SIZES:
            self._probe.send(self._probe_session.request(0, size - IP_UDP_BYTES))

    def _take_probe(self, line: MeasuringSocket, octets: memoryview) -> None:
        if self._probe_session is not None and self._probe_session.answer(octets, line.received_ns):
            self._mtu = max(self._mtu or 0, len(octets) + IP_UDP_BYTES)

    def _stamp(self) -> StampStatistics:
        nothing = StampStatistics(0, 0, None, None, None, None, None, None, None)
        stamp = self._session.close_window(PREFLIGHT_WINDOW, -1) or nothing
        dscp = self.accepted.dscp if self.accepted else None
        return replace(
            stamp, dscp_sent=self.command.dscp, dscp_received=dscp, path_mtu_bytes=self._mtu
        )
