"""The capacity step at one end: load one way, feedback the other, figures at the end (SPEC 5.8)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from diemcau_contract.measurements import CapacityStatistics, EndStatistics, LimitedBy
from diemcau_contract.packets.capacity import Feedback, LoadEnd, SenderLimit
from diemcau_contract.packets.common import IP_UDP_BYTES
from diemcau_contract.packets.control import Control, Stop, pack_control
from diemcau_contract.packets.rehearsal import REHEARSAL, REHEARSAL_BYTES
from diemcau_contract.words import Direction
from diemcau_line.arrivals import Arrivals, Best, best_rate, queue_delays
from diemcau_line.engine import EndMeter, Engine
from diemcau_line.ladder import Ladder
from diemcau_line.load import LoadOrder, LoadSender
from diemcau_line.pacer import Repeated
from diemcau_line.protocol import CAPACITY_GRACE_SECONDS
from diemcau_line.sockets import MeasuringSocket
from diemcau_line.steps import Peer

_PREPARE_NS = 100_000_000
_FEEDBACK_NS = 50_000_000
_TURN_NS = 2_000_000
"""A receiver that looks this often takes packets in batches; without, each would wake it."""
_LOAD_END_NS = (0, 100_000_000, 300_000_000, 600_000_000)
_LOCAL_DROPS_MAX_RATIO = 0.001
_NS = 1_000_000_000

_LIMITS: Mapping[SenderLimit, LimitedBy] = {
    SenderLimit.LINE: "line",
    SenderLimit.SENDER: "sender",
    SenderLimit.CAP: "cap",
    SenderLimit.LOSS: "loss",
    SenderLimit.TIME: "time",
}


@dataclass(frozen=True, slots=True)
class CapacityPlan:
    """One direction of one flow; ``start_ns`` on this end's clock."""

    test: str
    step: int
    direction: Direction
    start_ns: int
    duration_seconds: float
    start_bits_per_second: float
    max_bits_per_second: float

    @property
    def end_ns(self) -> int:
        """The end on this end's clock."""
        return self.start_ns + int(self.duration_seconds * _NS)

    def overlaps(self, other: "CapacityPlan") -> bool:
        """Tell whether both have a moment in common."""
        return self.start_ns < other.end_ns and other.start_ns < self.end_ns


class _Phase(Enum):
    PLANNED = auto()
    RUNNING = auto()
    GRACE = auto()
    DONE = auto()


class CapacityRun:
    """One step at this end, driven by ticks; ``statistics`` stays None where it sends."""

    def __init__(
        self, engine: Engine, plan: CapacityPlan, peer: Peer, lines: Sequence[MeasuringSocket]
    ) -> None:
        self.plan = plan
        self.peer = peer
        self.arrivals = Arrivals(plan.start_ns, plan.duration_seconds, CAPACITY_GRACE_SECONDS)
        self.statistics: CapacityStatistics | None = None
        self.end = EndStatistics(0, None, None, None)
        self.own_cpu_ratio = self.loop_lag_max_seconds = 0.0
        self._engine = engine
        self._lines = lines
        self._phase = _Phase.PLANNED
        self._meter: EndMeter | None = None
        self._sender: LoadSender | None = None
        self._load_end: LoadEnd | None = None
        self._repeats: list[Repeated] = []
        self._feedback_ns = plan.start_ns

    @property
    def is_sending(self) -> bool:
        """Whether this end sends the load."""
        return self.plan.direction is self.peer.sending

    @property
    def is_receiving(self) -> bool:
        """Whether load is taken now."""
        return not self.is_sending and self._phase in {_Phase.RUNNING, _Phase.GRACE}

    def tick(self, now_ns: int) -> bool:
        """Go on when it is time; True once, when all is done."""
        grace_ns = int(CAPACITY_GRACE_SECONDS * _NS)
        if self._phase is _Phase.PLANNED and now_ns >= self.plan.start_ns - _PREPARE_NS:
            self._begin()
        elif self._phase is _Phase.RUNNING and now_ns >= self.plan.end_ns:
            self._finish(now_ns)
        elif self._phase is _Phase.GRACE and now_ns >= self.plan.end_ns + grace_ns:
            self._phase = _Phase.DONE
            if not self.is_sending and not self.peer.stopped:
                self.statistics = self._figures()
            return True
        return False

    def take(self, packet: Feedback | LoadEnd) -> None:
        """Take the other end's word."""
        if isinstance(packet, LoadEnd):
            self._load_end = packet
        elif self._sender is not None:
            self._sender.take(packet, self._engine.clock.now_ns())

    def stop_sending(self) -> None:
        """Stop the load; figures still come."""
        if self._sender is not None:
            self._sender.stop()

    def cancel(self) -> None:
        """Stop all; no figures come any more."""
        self._phase = _Phase.DONE
        self.stop_sending()
        for repeat in self._repeats:
            repeat.cancelled = True

    def fire(self) -> int:
        """Send FEEDBACK when it is due; an item of the receiver's pacer."""
        now = self._engine.clock.now_ns()
        if self._phase is not _Phase.RUNNING or now >= self.plan.end_ns:
            return -1
        if now >= self._feedback_ns:
            self._feedback_ns += _FEEDBACK_NS
            self._send(self.arrivals.feedback(self.peer.flow, self.plan.step, now))
        return min(self._feedback_ns, now + _TURN_NS)

    def _begin(self) -> None:
        self._phase = _Phase.RUNNING
        self._meter = EndMeter(self._engine, self._lines)
        plan, peer = self.plan, self.peer
        if not self.is_sending:
            self._engine.pacer.add(self, plan.start_ns)
        elif peer.line is not None and not peer.stopped:
            order = LoadOrder(
                peer.flow, peer.token, plan.step, plan.start_ns, plan.end_ns, peer.bytes_left
            )
            ladder = Ladder(plan.start_bits_per_second, plan.max_bits_per_second)
            self._sender = LoadSender(self._engine.clock, peer.line, peer.address, order, ladder)
            self._engine.pacer.add(self._sender, plan.start_ns)

    def _finish(self, now_ns: int) -> None:
        self._phase = _Phase.GRACE
        if self._meter is not None:
            self.end = self._meter.stop()
            self.own_cpu_ratio = self._meter.own_cpu_ratio
            self.loop_lag_max_seconds = self._meter.loop_lag_max_seconds
        if self._sender is None:
            return
        self._sender.stop()
        self.peer.bytes_left -= self._sender.bytes_sent
        word = self._sender.end()
        times = [now_ns + pause for pause in _LOAD_END_NS]
        repeat = Repeated(lambda: self._send(word), times)
        self._repeats.append(repeat)
        self._engine.pacer.add(repeat, now_ns)

    def _send(self, packet: Feedback | LoadEnd) -> None:
        peer = self.peer
        if peer.line is not None and not peer.stopped:
            peer.line.send(pack_control(packet, peer.secret), peer.address)

    def _figures(self) -> CapacityStatistics:
        arrivals, word = self.arrivals, self._load_end
        best = best_rate(arrivals.slots)
        sent = max(word.packets if word else 0, arrivals.highest + 1)
        received = min(arrivals.packets, sent)
        return CapacityStatistics(
            bits_per_second=best.bits_per_second if best else None,
            limited_by=self._limited_by(best),
            duration_seconds=arrivals.lasted_seconds,
            packets_sent=sent,
            bytes_sent=word.octets if word else arrivals.octets,
            packets_received=received,
            loss_ratio=(sent - received) / sent if sent else 0.0,
            queue_delay_seconds=queue_delays(arrivals.slots),
            rtt_min_seconds=_seconds(word.rtt_min_us if word else None),
            rtt_max_seconds=_seconds(word.rtt_max_us if word else None),
        )

    def _limited_by(self, best: Best | None) -> LimitedBy:
        if self.end.local_drops > self.arrivals.packets * _LOCAL_DROPS_MAX_RATIO:
            return "receiver"
        if best is not None and best.queued:
            return "line"
        # Without the sender's word losses alone prove nothing: a line may lose at any rate.
        return _LIMITS[self._load_end.limit] if self._load_end else "loss"


class CapacityRuns:
    """All capacity steps of one end; ``done`` is called once for each that comes to its end."""

    def __init__(self, engine: Engine, done: Callable[[CapacityRun], None]) -> None:
        self._engine = engine
        self._done = done
        self._runs: dict[tuple[int, int], CapacityRun] = {}

    @property
    def resting(self) -> bool:
        """Whether there is none."""
        return not self._runs

    def is_busy(self, flow: int, plan: CapacityPlan) -> bool:
        """Tell whether another step of ``flow`` touches the time of ``plan``, or has its number."""
        return any(
            run.peer.flow == flow and (run.plan.step == plan.step or run.plan.overlaps(plan))
            for run in self._runs.values()
        )

    def beside(self, plan: CapacityPlan) -> float:
        """Return what goes the way of ``plan`` at most, in bit/s, while it runs."""
        return sum(
            run.plan.max_bits_per_second
            for run in self._runs.values()
            if run.plan.direction is plan.direction and run.plan.overlaps(plan)
        )

    def add(self, plan: CapacityPlan, peer: Peer, lines: Sequence[MeasuringSocket]) -> None:
        """Plan one step."""
        self._runs[peer.token, plan.step] = CapacityRun(self._engine, plan, peer, lines)

    def tick(self, now_ns: int) -> None:
        """Drive all steps."""
        for key, run in list(self._runs.items()):
            if run.tick(now_ns):
                self._runs.pop(key, None)
                self._done(run)

    def load(self, line: MeasuringSocket, size: int) -> None:
        """Take a datagram of payload type 96; what is not ours is counted and dropped."""
        rejected = self._engine.rejected
        if size < REHEARSAL_BYTES:
            rejected["too_short"] += 1
            return
        fields = REHEARSAL.unpack_from(line.view)
        run = self._runs.get((fields[5], fields[11]))
        if run is None or not run.is_receiving:
            rejected["unknown_flow"] += 1
            return
        peer = run.peer
        if peer.address is not None and line.sender != peer.address:
            rejected["wrong_address"] += 1
            return
        octets = size + IP_UDP_BYTES
        if not peer.rate.takes(octets, line.received_ns):
            rejected["over_rate"] += 1
            return
        peer.bytes_left -= octets
        if peer.bytes_left < 0:
            rejected["over_budget"] += 1
            return
        peer.heard_ns = line.received_ns
        run.arrivals.take(fields[7], fields[6], line.received_ns, octets)

    def control(self, packet: Control) -> None:
        """Take an authenticated packet of the other end; those of no capacity step are left."""
        for run in self._runs.values():
            if run.peer.flow != packet.flow:
                continue
            if isinstance(packet, Stop):
                run.stop_sending()
            elif isinstance(packet, Feedback | LoadEnd) and packet.step == run.plan.step:
                run.take(packet)

    def cancel(self) -> None:
        """Stop and forget all."""
        for run in self._runs.values():
            run.cancel()
        self._runs.clear()


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1e6
