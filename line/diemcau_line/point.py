"""The point's measuring end: opens its flow, does the preflight, sends up, counts down."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from diemcau_contract.measurements import StampStatistics
from diemcau_contract.packets.capacity import LOAD_PAYLOAD_TYPE, Feedback, LoadEnd
from diemcau_contract.packets.common import PacketError
from diemcau_contract.packets.control import StepEnd, Stop, pack_control, parse_control
from diemcau_contract.packets.rehearsal import REHEARSAL, REHEARSAL_BYTES
from diemcau_contract.words import Direction
from diemcau_line.capacity import CapacityPlan, CapacityRun, CapacityRuns
from diemcau_line.engine import Engine
from diemcau_line.opening import Opening
from diemcau_line.pacer import Repeated
from diemcau_line.protocol import (
    Abort,
    Aborted,
    Command,
    CutStep,
    Failed,
    OpenPoint,
    PointCapacity,
    PointCapacityResult,
    PointStep,
    PointStepResult,
)
from diemcau_line.sockets import MeasuringSocket
from diemcau_line.stamp import SessionSender
from diemcau_line.steps import Peer, StepPlan, StepRun

if TYPE_CHECKING:
    from diemcau_line.tally import Tally

IDLE_PERIOD_NS = 20_000_000
"""STAMP alone: 50 a second."""
LOADED_PERIOD_NS = 100_000_000
"""STAMP beside the traffic: 10 a second, for the round trip under load."""
_STOP_PAUSES_NS = (0, 50_000_000, 150_000_000)
_NS = 1_000_000_000
_NO_WINDOW = -1


class StampBeat:
    """STAMP packets of one step at a fixed rate."""

    def __init__(self, line: MeasuringSocket, session: SessionSender, plan: StepPlan) -> None:
        self._line = line
        self._session = session
        self._plan = plan
        self._period = LOADED_PERIOD_NS if plan.rate_ratio else IDLE_PERIOD_NS
        self.due_ns = plan.start_ns
        self.cancelled = False

    def follow(self, plan: StepPlan) -> None:
        """Take over a changed plan of the same step."""
        if plan.step == self._plan.step:
            self._plan = plan

    def fire(self) -> int:
        """Send one; return when the next is due."""
        if self.cancelled:
            return -1
        self._line.send(self._session.request(self._plan.step))
        self.due_ns += self._period
        return self.due_ns if self.due_ns < self._plan.end_ns else -1


class Point:
    """Role ``point`` of a measuring process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._opening: Opening | None = None
        self._test: str | None = None
        self._peer: Peer | None = None
        self._line: MeasuringSocket | None = None
        self._session: SessionSender | None = None
        self._dscp: tuple[int, int | None] = (0, None)
        self._steps: list[StepRun] = []
        self._beats: list[StampBeat] = []
        self._tallies: dict[int, Tally] = {}
        self._capacity = CapacityRuns(engine, self._capacity_done)

    @property
    def sockets(self) -> Sequence[MeasuringSocket]:
        """Sockets to listen on."""
        lines = [self._line] if self._line is not None else []
        return lines if self._opening is None else [*lines, *self._opening.sockets]

    @property
    def resting(self) -> bool:
        """Whether nothing is going on."""
        return self._opening is None and not self._is_running

    @property
    def _is_running(self) -> bool:
        return bool(self._steps) or not self._capacity.resting

    def command(self, command: Command) -> None:
        """Do what the agent wants."""
        match command:
            case OpenPoint():
                self._open(command)
            case PointStep():
                self._plan_step(command)
            case CutStep():
                self._cut(command)
            case PointCapacity():
                self._plan_capacity(command)
            case Abort():
                self._abort(command)
            case _:
                self._engine.emit(Failed(command.command, "wrong_role", "this is a point"))

    def datagram(self, line: MeasuringSocket, size: int) -> None:
        """Take one datagram; whatever it is, it is counted and never raises."""
        octets = line.view[:size]
        try:
            if size and octets[0] >> 6 == 2:  # noqa: PLR2004  # RTP version 2
                if size > 1 and octets[1] & 0x7F == LOAD_PAYLOAD_TYPE:
                    self._capacity.load(line, size)
                else:
                    self._rehearsal(line, size)
            elif self._opening is not None:
                self._opening.datagram(line, octets)
            elif size and octets[0] >> 6 == 3:  # noqa: PLR2004  # control
                self._control(octets)
            elif self._session is not None:
                self._session.answer(octets, line.received_ns)
        except PacketError as error:
            self._engine.rejected[error.reason] += 1

    def tick(self, now_ns: int) -> None:
        """Drive the opening and the steps."""
        if self._opening is not None:
            self._opening.tick(now_ns)
            if self._opening.finished:
                self._settle(self._opening)
        for run in list(self._steps):
            run.tick(now_ns)
        self._capacity.tick(now_ns)

    def _open(self, command: OpenPoint) -> None:
        self._stop_traffic()
        self._forget()
        self._engine.analyst.prepare()
        try:
            line = MeasuringSocket(
                self._engine.clock, bind=None, peer=(command.host, command.port), dscp=command.dscp
            )
        except OSError as error:
            detail = f"{command.host} UDP port {command.port}: {error.strerror or error}"
            self._engine.emit(Failed(command.command, "cannot_connect", detail, command.test))
            return
        self._line = line
        self._test = command.test
        key = bytes.fromhex(command.stamp_key)
        self._session = SessionSender(command.ssid, key, self._engine.clock)
        self._opening = Opening(self._engine, line, self._session, command)

    def _settle(self, opening: Opening) -> None:
        self._opening = None
        opening.close()
        if opening.accepted is None or self._line is None:
            self._forget()
        else:
            command = opening.command
            self._dscp = (command.dscp, opening.accepted.dscp)
            self._peer = Peer(
                flow=command.flow, secret=bytes.fromhex(command.secret), sending=Direction.UP,
                outgoing=command.up, incoming=command.down, line=self._line,
            )  # fmt: skip
        self._engine.emit(opening.outcome())

    def _forget(self) -> None:
        if self._opening is not None:
            self._opening.close()
        if self._line is not None:
            self._line.close()
        self._opening = self._line = self._session = self._peer = self._test = None

    def _opened(
        self, command: PointStep | PointCapacity
    ) -> tuple[Peer, SessionSender, MeasuringSocket, int] | None:
        """Return the open flow and the start on our own clock; refuse what is of no open test."""
        peer, session, line = self._peer, self._session, self._line
        if command.test != self._test or peer is None or session is None or line is None:
            self._engine.emit(
                Failed(command.command, "unknown_test", f"{command.test} is not open", command.test)
            )
            return None
        offset = session.best.offset_ns if session.best is not None else 0
        return peer, session, line, command.starts_at_hub_ns - offset

    def _plan_step(self, command: PointStep) -> None:
        opened = self._opened(command)
        if opened is None:
            return
        peer, session, line, start_ns = opened
        plan = StepPlan(
            command.test, command.step, command.kind, start_ns,
            command.duration_seconds, command.rate_ratio,
        )  # fmt: skip
        run = StepRun(self._engine, plan, [peer], [line], self._step_done)
        self._steps.append(run)
        self._tallies[command.step] = run.legs[peer.flow].tally
        beat = StampBeat(line, session, plan)
        beat.due_ns = max(beat.due_ns, self._engine.clock.now_ns())
        self._beats.append(beat)
        self._engine.pacer.add(beat, beat.due_ns)

    def _cut(self, command: CutStep) -> None:
        for run in self._steps:
            if (run.plan.test, run.plan.step) == (command.test, command.step):
                run.cut(command.duration_seconds)
                for beat in self._beats:
                    beat.follow(run.plan)

    def _plan_capacity(self, command: PointCapacity) -> None:
        opened = self._opened(command)
        if opened is None:
            return
        peer, _, line, start_ns = opened
        plan = CapacityPlan(
            command.test, command.step, command.direction, start_ns,
            command.duration_seconds, command.start_bits_per_second, command.max_bits_per_second,
        )  # fmt: skip
        if self._capacity.is_busy(peer.flow, plan):
            detail = "a capacity step of this flow stands there already"
            self._engine.emit(Failed(command.command, "over_limit", detail, command.test))
            return
        self._capacity.add(plan, peer, [line])

    def _capacity_done(self, run: CapacityRun) -> None:
        plan = run.plan
        self._engine.emit(
            PointCapacityResult(
                plan.test, plan.step, plan.direction, run.statistics, run.end,
                run.own_cpu_ratio, run.loop_lag_max_seconds,
            )
        )  # fmt: skip

    def _abort(self, command: Abort) -> None:
        if command.test != self._test:
            self._engine.emit(
                Failed(command.command, "unknown_test", f"{command.test} is not open", command.test)
            )
            return
        self._stop_traffic()
        peer, line = self._peer, self._line
        if peer is not None and line is not None:
            octets = pack_control(Stop(peer.flow), peer.secret)
            now = self._engine.clock.now_ns()
            times = [now + pause for pause in _STOP_PAUSES_NS]
            self._engine.pacer.add(Repeated(lambda: line.send(octets), times), now)
        self._engine.emit(Aborted(command.test))

    def _stop_traffic(self) -> None:
        for run in self._steps:
            run.cancel()
        for beat in self._beats:
            beat.cancelled = True
        self._capacity.cancel()
        self._steps.clear()
        self._beats.clear()
        self._tallies.clear()

    def _rehearsal(self, line: MeasuringSocket, size: int) -> None:
        if size < REHEARSAL_BYTES:
            self._engine.rejected["too_short"] += 1
            return
        _, _, _, _, _, token, sent_ns, number, _, _, _, step, _ = REHEARSAL.unpack_from(line.view)
        tally = self._tallies.get(step)
        peer = self._peer
        if tally is None or peer is None or token != peer.token:
            self._engine.rejected["unknown_flow"] += 1
        elif len(tally.rows) >= tally.rows_max or sent_ns >> 63:
            self._engine.rejected["over_budget"] += 1
        else:
            tally.rows.extend((number, sent_ns, line.received_ns))

    def _control(self, octets: memoryview) -> None:
        if self._peer is None:
            return
        packet = parse_control(octets, self._peer.secret)
        if packet.flow != self._peer.flow:
            self._engine.rejected["unknown_flow"] += 1
        elif isinstance(packet, StepEnd):
            for run in self._steps:
                if run.plan.step == packet.step:
                    run.step_end(packet)
        elif isinstance(packet, Feedback | LoadEnd):
            self._capacity.control(packet)
        elif isinstance(packet, Stop) and self._test is not None and self._is_running:
            self._stop_traffic()
            self._engine.emit(Aborted(self._test))

    def _step_done(self, run: StepRun) -> None:
        self._steps.remove(run)
        self._tallies.pop(run.plan.step, None)
        plan = run.plan
        (leg,) = run.legs.values()
        self._engine.emit(
            PointStepResult(
                plan.test, plan.step, plan.kind, leg.traffic, leg.sent, self._stamp_of(plan.step),
                run.end, run.own_cpu_ratio, run.loop_lag_max_seconds,
            )
        )  # fmt: skip

    def _stamp_of(self, step: int) -> StampStatistics | None:
        if self._session is None:
            return None
        stamp = self._session.close_window(step, _NO_WINDOW)
        sent, received = self._dscp
        return replace(stamp, dscp_sent=sent, dscp_received=received) if stamp else None
