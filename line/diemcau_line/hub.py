"""The hub's measuring end: lets points in by ticket, sends down, counts up, reflects STAMP."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from diemcau_contract.packets.capacity import LOAD_PAYLOAD_TYPE
from diemcau_contract.packets.common import IP_UDP_BYTES, PacketError
from diemcau_contract.packets.control import (
    ControlKind,
    StepEnd,
    Stop,
    control_flow,
    pack_control,
    parse_control,
)
from diemcau_contract.packets.rehearsal import REHEARSAL, REHEARSAL_BYTES
from diemcau_contract.words import Direction
from diemcau_line.capacity import CapacityPlan, CapacityRun, CapacityRuns
from diemcau_line.door import Door
from diemcau_line.engine import Engine
from diemcau_line.pacer import Repeated
from diemcau_line.protocol import (
    START_AHEAD_SECONDS,
    Abort,
    Aborted,
    CapacityPlanned,
    CloseTest,
    Command,
    CutStep,
    Failed,
    HubCapacityResult,
    HubCounters,
    HubFlowResult,
    HubReady,
    HubStepResult,
    OpenTest,
    Progress,
    ReportCounters,
    RunCapacity,
    RunStep,
    SetStampSessions,
    StartHub,
    StepPlanned,
    TestClosed,
    TestOpened,
)
from diemcau_line.ratecap import RateCap
from diemcau_line.sockets import KERNEL_STAMPS, MeasuringSocket
from diemcau_line.stamp import NotReflectedError, SessionReflector
from diemcau_line.steps import Peer, StepPlan, StepRun
from diemcau_line.traffic import offered_bits_per_second

if TYPE_CHECKING:
    from diemcau_line.tally import Tally

_NS = 1_000_000_000
_SILENCE_NS = 5 * _NS
_PROGRESS_NS = _NS
_STOP_PAUSES_NS = (0, 50_000_000, 150_000_000)


class Hub:
    """Role ``hub`` of a measuring process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lines: list[MeasuringSocket] = []
        self._door: Door | None = None
        self._reflector = SessionReflector(engine.clock)
        self._test: str | None = None
        self._expires_ns = 0
        self._peers: dict[int, Peer] = {}
        self._bits_per_second_max = 0.0
        self._steps: list[StepRun] = []
        self._tallies: dict[tuple[int, int], tuple[Tally, Peer]] = {}
        self._capacity = CapacityRuns(engine, self._capacity_done)
        self._progress_ns = 0
        self._received = 0
        self._sent = 0

    @property
    def sockets(self) -> Sequence[MeasuringSocket]:
        """Sockets to listen on."""
        return self._lines

    @property
    def resting(self) -> bool:
        """Whether no test is open."""
        return self._test is None

    def command(self, command: Command) -> None:
        """Do what the server wants."""
        if not self._lines and not isinstance(command, StartHub):
            detail = "start_hub comes first"
            self._engine.emit(Failed(command.command, "not_started", detail))
            return
        match command:
            case StartHub():
                self._start(command)
            case SetStampSessions():
                sessions = {one.ssid: bytes.fromhex(one.key) for one in command.sessions}
                self._reflector.set_sessions(sessions)
            case OpenTest():
                self._open_test(command)
            case RunStep() | RunCapacity():
                self._plan(command)
            case CutStep() | Abort() | CloseTest():
                self._shorten(command)
            case ReportCounters():
                self._report_counters()
            case _:
                self._engine.emit(Failed(command.command, "wrong_role", "this is a hub"))

    def datagram(self, line: MeasuringSocket, size: int) -> None:
        """Take one datagram; whatever it is, it is counted and never raises."""
        view = line.view
        if size and view[0] >> 6 == 2:  # noqa: PLR2004  # RTP version 2
            if size > 1 and view[1] & 0x7F == LOAD_PAYLOAD_TYPE:
                self._capacity.load(line, size)
            else:
                self._rehearsal(line, size)
            return
        try:
            if size and view[0] >> 6 == 3:  # noqa: PLR2004  # control
                self._control(line, size)
            else:
                self._stamp(line, size)
        except PacketError as error:
            self._engine.rejected[error.reason] += 1
        except NotReflectedError as error:
            self._engine.rejected[error.reason] += 1

    def tick(self, now_ns: int) -> None:
        """Drive the steps, tell progress, stop what is silent or expired."""
        if self._test is None:
            return
        for run in list(self._steps):
            run.tick(now_ns)
            if run.running:
                self._stop_silent(run, now_ns)
        self._capacity.tick(now_ns)
        if now_ns >= self._progress_ns:
            self._progress_ns = now_ns + _PROGRESS_NS
            self._tell_progress(now_ns)
        if now_ns >= self._expires_ns:
            self._close("expired")

    def _start(self, command: StartHub) -> None:
        if self._lines:
            self._engine.emit(Failed(command.command, "already_started", "one start a process"))
            return
        port = command.port
        lines: list[MeasuringSocket] = []
        for host in command.bind:
            try:
                line = MeasuringSocket(
                    self._engine.clock, bind=(host, port), peer=None, dscp=command.dscp
                )
            except OSError as error:
                for opened in lines:
                    opened.close()
                detail = f"{host} UDP port {port}: {error.strerror or error}"
                number = error.errno or 0
                self._engine.emit(
                    Failed(command.command, "cannot_bind", detail, error_number=number)
                )
                return
            lines.append(line)
            port = line.port
        self._lines = lines
        self._bits_per_second_max = command.max_bits_per_second
        in_all = RateCap(command.max_bits_per_second)
        self._door = Door(self._engine, bytes.fromhex(command.ticket_key), in_all)
        self._reflector = SessionReflector(self._engine.clock, answer_open=command.open_stamp)
        self._engine.emit(HubReady(port, KERNEL_STAMPS))

    def _open_test(self, command: OpenTest) -> None:
        if self._test is not None:
            detail = f"test {self._test} is open"
            self._engine.emit(Failed(command.command, "test_running", detail, command.test))
            return
        self._engine.analyst.prepare()
        self._engine.take_clock_step_seconds()  # what was before is none of this test's
        self._test = command.test
        now = self._engine.clock.now_ns()
        self._expires_ns = now + int(command.expires_in_seconds * _NS)
        self._peers = {
            one.flow: Peer(
                flow=one.flow, secret=bytes.fromhex(one.secret), sending=Direction.DOWN,
                outgoing=one.down, incoming=one.up, point=one.point,
            )
            for one in command.flows
        }  # fmt: skip
        self._engine.emit(TestOpened(command.test))

    def _plan(self, command: RunStep | RunCapacity) -> None:
        if isinstance(command, RunStep):
            self._plan_step(command)
        else:
            self._plan_capacity(command)

    def _plan_step(self, command: RunStep) -> None:
        if command.test != self._test:
            self._engine.emit(
                Failed(command.command, "unknown_test", f"{command.test} is not open", command.test)
            )
            return
        unknown = [flow for flow in command.flows if flow not in self._peers]
        if unknown:
            self._engine.emit(
                Failed(command.command, "unknown_flow", f"flows {unknown}", command.test)
            )
            return
        peers = [self._peers[flow] for flow in command.flows]
        wait = max(0, command.starts_at_monotonic_ns - time.monotonic_ns())
        over = self._over_limit(peers, command.rate_ratio)
        if wait > START_AHEAD_SECONDS * _NS:
            over = f"a start in {wait / _NS:.0f} s, the most is {START_AHEAD_SECONDS:.0f} s"
        if over:
            self._engine.emit(Failed(command.command, "over_limit", over, command.test))
            return
        start = self._engine.clock.now_ns() + wait
        plan = StepPlan(
            command.test, command.step, command.kind, start, command.duration_seconds,
            command.rate_ratio,
        )  # fmt: skip
        run = StepRun(self._engine, plan, peers, self._lines, self._step_done)
        self._steps.append(run)
        for leg in run.legs.values():
            self._tallies[leg.peer.token, command.step] = (leg.tally, leg.peer)
        self._engine.emit(StepPlanned(command.test, command.step, start, command.duration_seconds))

    def _over_limit(self, peers: Sequence[Peer], rate_ratio: float) -> str:
        for peer in peers:
            allowed = peer.rate.bits_per_second
            for plan in (peer.outgoing, peer.incoming):
                offered = offered_bits_per_second(plan, rate_ratio)
                if allowed is not None and offered > allowed:
                    return f"flow {peer.flow}: {offered:.0f} bit/s, its ticket allows {allowed:.0f}"
        down = sum(offered_bits_per_second(peer.outgoing, rate_ratio) for peer in peers)
        up = sum(offered_bits_per_second(peer.incoming, rate_ratio) for peer in peers)
        return self._over_in_all(max(up, down))

    def _over_in_all(self, bits_per_second: float) -> str:
        most = self._bits_per_second_max
        if bits_per_second <= most:
            return ""
        return f"{bits_per_second:.0f} bit/s in all, this hub's bound is {most:.0f}"

    def _plan_capacity(self, command: RunCapacity) -> None:
        start = self._engine.clock.now_ns() + int(command.starts_in_seconds * _NS)
        plan = CapacityPlan(
            command.test, command.step, command.direction, start, command.duration_seconds,
            command.start_bits_per_second, command.max_bits_per_second,
        )  # fmt: skip
        peer = self._peers.get(command.flow)
        failed = self._capacity_refusal(plan, peer, command.flow)
        if failed is not None or peer is None:
            self._engine.emit(failed or Failed(command.command, "unknown_flow", "", command.test))
            return
        self._capacity.add(plan, peer, self._lines)
        self._engine.emit(
            CapacityPlanned(command.test, command.step, start, command.duration_seconds)
        )

    def _capacity_refusal(self, plan: CapacityPlan, peer: Peer | None, flow: int) -> Failed | None:
        name, test = "run_capacity", plan.test
        if test != self._test:
            return Failed(name, "unknown_test", f"{test} is not open", test)
        if peer is None or peer.line is None or peer.stopped:
            return Failed(name, "unknown_flow", f"flow {flow} is not open", test)
        wanted, allowed = plan.max_bits_per_second, peer.rate.bits_per_second
        if allowed is not None and wanted > allowed:
            detail = f"flow {flow}: {wanted:.0f} bit/s, its ticket allows {allowed:.0f}"
            return Failed(name, "over_limit", detail, test)
        over = self._over_in_all(self._capacity.beside(plan) + wanted)
        if over:
            return Failed(name, "over_limit", over, test)
        if self._capacity.is_busy(flow, plan):
            return Failed(name, "over_limit", f"flow {flow} measures its capacity then", test)
        return None

    def _capacity_done(self, run: CapacityRun) -> None:
        plan = run.plan
        self._engine.emit(
            HubCapacityResult(
                plan.test, plan.step, run.peer.point, run.peer.flow, plan.direction,
                run.statistics, run.end, run.own_cpu_ratio, run.loop_lag_max_seconds,
            )
        )  # fmt: skip

    def _shorten(self, command: CutStep | Abort | CloseTest) -> None:
        if command.test != self._test:
            self._engine.emit(
                Failed(command.command, "unknown_test", f"{command.test} is not open", command.test)
            )
        elif isinstance(command, CutStep):
            for run in self._steps:
                if run.plan.step == command.step:
                    run.cut(command.duration_seconds)
        elif isinstance(command, Abort):
            self._stop_traffic()
            self._engine.emit(Aborted(command.test))
        else:
            self._close("asked")

    def _stop_traffic(self) -> None:
        now = self._engine.clock.now_ns()
        for run in self._steps:
            run.cancel()
        self._steps.clear()
        self._tallies.clear()
        self._capacity.cancel()
        times = [now + pause for pause in _STOP_PAUSES_NS]
        for peer in self._peers.values():
            if peer.line is not None:
                octets = pack_control(Stop(peer.flow), peer.secret)
                self._engine.pacer.add(_sender_of(peer.line, octets, peer, times), now)

    def _close(self, reason: str) -> None:
        test = self._test
        if test is None:
            return
        self._stop_traffic()
        self._test = None
        self._peers = {}
        self._engine.emit(TestClosed(test, "expired" if reason == "expired" else "asked"))

    def _step_done(self, run: StepRun) -> None:
        self._steps.remove(run)
        flows: list[HubFlowResult] = []
        for leg in run.legs.values():
            self._tallies.pop((leg.peer.token, run.plan.step), None)
            self._sent += leg.sent.packets_sent if leg.sent else 0
            flows.append(
                HubFlowResult(leg.peer.point, leg.peer.flow, leg.opened, leg.traffic, leg.sent)
            )
        self._engine.emit(
            HubStepResult(
                run.plan.test, run.plan.step, run.plan.kind, tuple(flows), run.end,
                run.own_cpu_ratio, run.loop_lag_max_seconds,
            )
        )  # fmt: skip

    def _rehearsal(self, line: MeasuringSocket, size: int) -> None:
        if size < REHEARSAL_BYTES:
            self._engine.rejected["too_short"] += 1
            return
        _, _, _, _, _, token, sent_ns, number, _, _, _, step, _ = REHEARSAL.unpack_from(line.view)
        known = self._tallies.get((token, step))
        if known is None:
            self._engine.rejected["unknown_flow"] += 1
            return
        tally, peer = known
        if line.sender != peer.address:
            self._engine.rejected["wrong_address"] += 1
            return
        if not peer.rate.takes(size + IP_UDP_BYTES, line.received_ns):
            self._engine.rejected["over_rate"] += 1
            return
        peer.bytes_left -= size + IP_UDP_BYTES
        if peer.bytes_left < 0 or len(tally.rows) >= tally.rows_max or sent_ns >> 63:
            self._engine.rejected["over_budget"] += 1
            return
        peer.heard_ns = line.received_ns
        self._received += 1
        tally.rows.extend((number, sent_ns, line.received_ns))

    def _stamp(self, line: MeasuringSocket, size: int) -> None:
        received = line.received_ns
        ttl, _ = line.ttl_and_dscp()
        reply = self._reflector.reflect(line.view[:size], line.sender, received, ttl)
        line.send(reply, line.sender)
        for peer in self._peers.values():
            if peer.address == line.sender:
                peer.heard_ns = received

    def _control(self, line: MeasuringSocket, size: int) -> None:
        octets = line.view[:size]
        kind, flow = control_flow(octets)
        peer = self._peers.get(flow)
        if kind is ControlKind.OPEN:
            if self._door is not None:
                self._door.knock(line, octets, self._test, self._peers)
            return
        if peer is None:
            self._engine.rejected["unknown_flow"] += 1
            return
        packet = parse_control(octets, peer.secret)
        if line.sender != peer.address:
            self._engine.rejected["wrong_address"] += 1
            return
        peer.heard_ns = line.received_ns
        peer.stopped = peer.stopped or isinstance(packet, Stop)
        self._capacity.control(packet)
        for run in self._steps:
            if isinstance(packet, StepEnd) and packet.step == run.plan.step:
                run.step_end(packet)
            elif isinstance(packet, Stop):
                run.stop_sending(flow)

    def _stop_silent(self, run: StepRun, now_ns: int) -> None:
        for leg in run.legs.values():
            if leg.opened and now_ns - leg.peer.heard_ns > _SILENCE_NS:
                run.stop_sending(leg.peer.flow)

    def _tell_progress(self, now_ns: int) -> None:
        for run in self._steps:
            if run.running and now_ns >= run.plan.start_ns:
                received = {str(flow): leg.tally.received for flow, leg in run.legs.items()}
                elapsed = (now_ns - run.plan.start_ns) / _NS
                self._engine.emit(Progress(run.plan.test, run.plan.step, elapsed, received))

    def _report_counters(self) -> None:
        self._engine.emit(
            HubCounters(
                rejected={str(reason): count for reason, count in self._engine.rejected.items()},
                stamp_answered=self._reflector.answered,
                rehearsal_received=self._received,
                rehearsal_sent=self._sent,
                socket_drops=sum(line.drops for line in self._lines),
                cpu_seconds=time.process_time(),
            )
        )


def _sender_of(line: MeasuringSocket, octets: bytes, peer: Peer, times: Sequence[int]) -> Repeated:
    return Repeated(lambda: line.send(octets, peer.address), times)
