"""One step at one end: its senders and tallies, its guards, its figures in the end."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from diemcau_contract.measurements import EndStatistics, TrafficStatistics
from diemcau_contract.packets.control import StepEnd, pack_control
from diemcau_contract.plans import TrafficPlan
from diemcau_contract.tickets import flow_token
from diemcau_contract.words import Direction, StepKind
from diemcau_line.analyst import Job
from diemcau_line.engine import EndMeter, Engine
from diemcau_line.pacer import Repeated
from diemcau_line.protocol import GRACE_SECONDS
from diemcau_line.ratecap import RateCap
from diemcau_line.sender import FlowSender, SendOrder
from diemcau_line.sockets import Address, MeasuringSocket
from diemcau_line.tally import SentCount, Tally
from diemcau_line.traffic import Planned, planned_sends, seed_of

if TYPE_CHECKING:
    from diemcau_contract import measurements

_PREPARE_NS = 100_000_000
_STEP_END_NS = (0, 100_000_000, 300_000_000, 600_000_000)
_NS = 1_000_000_000


@dataclass(slots=True)
class Peer:
    """The other end of one flow; ``line`` is None until the flow is open."""

    flow: int
    secret: bytes
    sending: Direction
    outgoing: TrafficPlan
    incoming: TrafficPlan
    point: str = ""
    line: MeasuringSocket | None = None
    address: Address | None = None
    bytes_left: int = 1 << 62
    rate: RateCap = field(default_factory=RateCap)
    """What the ticket allows to come in."""
    heard_ns: int = 0
    stopped: bool = False
    """The other end wants no more traffic: it has left the test."""
    token: int = 0

    def __post_init__(self) -> None:
        self.token = flow_token(self.secret, self.flow)

    @property
    def receiving(self) -> Direction:
        """Direction that this end receives."""
        return Direction.DOWN if self.sending is Direction.UP else Direction.UP


@dataclass(frozen=True, slots=True)
class StepPlan:
    """When and how much; ``start_ns`` on this end's clock."""

    test: str
    step: int
    kind: StepKind
    start_ns: int
    duration_seconds: float
    rate_ratio: float

    @property
    def end_ns(self) -> int:
        """The end on this end's clock."""
        return self.start_ns + int(self.duration_seconds * _NS)


class Leg:
    """One flow in one step."""

    def __init__(self, peer: Peer, plan: StepPlan) -> None:
        self.peer = peer
        self.tally = Tally(peer.incoming, plan.rate_ratio, plan.duration_seconds)
        self.sender: FlowSender | None = None
        self.opened = False
        self.traffic: TrafficStatistics | None = None
        self.sent: measurements.SenderStatistics | None = None


class _Phase(Enum):
    PLANNED = auto()
    RUNNING = auto()
    GRACE = auto()
    ANALYSING = auto()
    DONE = auto()


class StepRun:
    """Drives one step by ticks; ``done`` is called once when all figures are there."""

    def __init__(
        self,
        engine: Engine,
        plan: StepPlan,
        peers: Sequence[Peer],
        lines: Sequence[MeasuringSocket],
        done: "Callable[[StepRun], None]",
    ) -> None:
        self.plan = plan
        self.legs = {peer.flow: Leg(peer, plan) for peer in peers}
        self._engine = engine
        self._lines = lines
        self._done = done
        self._phase = _Phase.PLANNED
        self._meter: EndMeter | None = None
        self._repeats: list[Repeated] = []
        self.end: EndStatistics = EndStatistics(0, None, None, None)
        self.own_cpu_ratio = 0.0
        self.loop_lag_max_seconds = 0.0

    @property
    def running(self) -> bool:
        """Whether traffic may flow now."""
        return self._phase is _Phase.RUNNING

    def tick(self, now_ns: int) -> None:
        """Go on to the next phase when it is time."""
        if self._phase is _Phase.PLANNED and now_ns >= self.plan.start_ns - _PREPARE_NS:
            self._begin(now_ns)
        elif self._phase is _Phase.RUNNING and now_ns >= self.plan.end_ns:
            self._end(now_ns)
        elif self._phase is _Phase.GRACE and (
            now_ns >= self.plan.end_ns + GRACE_SECONDS * _NS or self._nothing_missing()
        ):
            self._analyse()

    def step_end(self, packet: StepEnd) -> None:
        """Take the other end's own count."""
        leg = self.legs.get(packet.flow)
        if leg is not None and packet.first <= packet.stop:
            leg.tally.count = SentCount(packet.first, packet.stop, packet.errors)

    def stop_sending(self, flow: int) -> None:
        """Stop the traffic of one flow; its figures still come."""
        leg = self.legs.get(flow)
        if leg is not None and leg.sender is not None:
            leg.sender.stop()

    def cut(self, duration_seconds: float) -> None:
        """End earlier than planned; what is over stays as it was.

        Packets are numbered in the order of their times, so what a shorter step has sent is the
        beginning of what was planned (SPEC 5.6).
        """
        shorter = duration_seconds < self.plan.duration_seconds
        if shorter and self._phase in {_Phase.PLANNED, _Phase.RUNNING}:
            self.plan = replace(self.plan, duration_seconds=duration_seconds)

    def cancel(self) -> None:
        """Stop all traffic; no figures come any more."""
        self._phase = _Phase.DONE
        for flow in self.legs:
            self.stop_sending(flow)
        for repeat in self._repeats:
            repeat.cancelled = True

    def _begin(self, now_ns: int) -> None:
        self._phase = _Phase.RUNNING
        self._meter = EndMeter(self._engine, self._lines)
        for leg in self.legs.values():
            peer = leg.peer
            leg.opened = peer.line is not None
            if peer.line is None or peer.stopped or not self.plan.rate_ratio:
                continue
            peer.heard_ns = max(peer.heard_ns, now_ns)
            leg.sender = FlowSender(
                self._engine.clock, peer.line, peer.address, self._order(peer), self._drawn(peer)
            )
            self._engine.pacer.add(leg.sender, leg.sender.due_ns)

    def _order(self, peer: Peer) -> SendOrder:
        return SendOrder(peer.flow, peer.token, self.plan.step, self.plan.start_ns, peer.bytes_left)

    def _drawn(self, peer: Peer) -> Iterator[Planned]:
        return planned_sends(
            peer.outgoing,
            seed_of(peer.flow, self.plan.step, peer.sending),
            self.plan.duration_seconds,
            self.plan.rate_ratio,
        )

    def _end(self, now_ns: int) -> None:
        self._phase = _Phase.GRACE
        if self._meter is not None:
            self.end = self._meter.stop()
            self.own_cpu_ratio = self._meter.own_cpu_ratio
            self.loop_lag_max_seconds = self._meter.loop_lag_max_seconds
        for leg in self.legs.values():
            if leg.sender is None or leg.peer.line is None:
                continue
            leg.sender.stop()
            leg.sent = leg.sender.statistics()
            leg.peer.bytes_left -= leg.sender.bytes_sent
            count = leg.sender.count()
            packet = StepEnd(leg.peer.flow, self.plan.step, count.first, count.stop, count.errors)
            self._announce(leg.peer, leg.peer.line, pack_control(packet, leg.peer.secret), now_ns)

    def _announce(self, peer: Peer, line: MeasuringSocket, octets: bytes, now_ns: int) -> None:
        repeat = Repeated(
            lambda: line.send(octets, peer.address), [now_ns + pause for pause in _STEP_END_NS]
        )
        self._repeats.append(repeat)
        self._engine.pacer.add(repeat, now_ns)

    def _nothing_missing(self) -> bool:
        """Tell whether all that the other ends say they sent is here: then nothing is late."""
        legs = [leg for leg in self.legs.values() if leg.opened]
        return bool(self.plan.rate_ratio and legs) and all(leg.tally.is_whole for leg in legs)

    def _analyse(self) -> None:
        self._phase = _Phase.ANALYSING
        waiting = [
            leg
            for leg in self.legs.values()
            if leg.opened and not leg.peer.stopped and self.plan.rate_ratio
        ]
        left = len(waiting)

        def take(leg: Leg, figures: TrafficStatistics) -> None:
            nonlocal left
            leg.traffic = figures
            left -= 1
            if not left and self._phase is _Phase.ANALYSING:
                self._finish()

        for leg in waiting:
            peer = leg.peer
            job = Job(
                plan=peer.incoming,
                seed=seed_of(peer.flow, self.plan.step, peer.receiving),
                duration_seconds=self.plan.duration_seconds,
                rate_ratio=self.plan.rate_ratio,
                sent=leg.tally.count,
                rows=leg.tally.close(),
            )
            self._engine.analyst.submit(job, self._poster(take, leg))
        if not waiting:
            self._finish()

    def _poster(
        self, take: Callable[[Leg, TrafficStatistics], None], leg: Leg
    ) -> Callable[[TrafficStatistics], None]:
        return lambda figures: self._engine.post(lambda: take(leg, figures))

    def _finish(self) -> None:
        self._phase = _Phase.DONE
        self._done(self)
