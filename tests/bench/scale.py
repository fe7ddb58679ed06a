"""How far the hub's measuring processes go: load raised until one of their limits says no.

All points are one lean process over loopback, which sends what real points send and throws away
what comes down: a process each would need more cores than they leave to the hub.
"""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection

from diemcau_contract.packets.control import Accept, Open, StepEnd, pack_control, parse_control
from diemcau_contract.plans import TrafficPlan
from diemcau_contract.profiles import Guards
from diemcau_contract.tickets import flow_token
from diemcau_contract.words import Direction, StepKind
from diemcau_line.clock import Clock
from diemcau_line.pacer import Pacer
from diemcau_line.priority import set_priority
from diemcau_line.protocol import HubStepResult, RunStep, StepPlanned
from diemcau_line.sender import FlowSender, SendOrder
from diemcau_line.sockets import MeasuringSocket
from diemcau_line.traffic import planned_sends, seed_of
from tests.bench import Row
from tests.line.ends import End, Hall, after, start_hall

LADDERS: Sequence[tuple[int, float, Sequence[int]]] = (
    (1, 2.5, (16, 64, 128, 192, 256)),
    (2, 2.5, (128, 192, 256)),
    (1, 10.0, (16, 32, 48)),
)
"""Processes, Mbit/s each way, numbers of points: each ends at the first load that is too much."""
SECONDS = 3.0
LADDER_SECONDS = 40.0
"""No new load of a ladder is begun after this."""
TRIES = 3
"""A load is too much when it was so each time: others may have wanted the machine once."""
_OPEN_SECONDS = 0.25
_OPEN_TRIES = 20
_QUANTUM_SECONDS = 0.0005
_LEAD_SECONDS = 1.5
"""The crowd draws its packets before the step."""
_CPU_FULL = 0.95
_GUARDS = Guards()


@dataclass(frozen=True, slots=True)
class _Load:
    processes: int
    points: int
    megabits: float

    @property
    def name(self) -> str:
        processes = "1 process" if self.processes == 1 else f"{self.processes} processes"
        return f"{processes}, {self.points} points x {self.megabits:g} Mbit/s both ways"

    @property
    def plan(self) -> TrafficPlan:
        video = round(self.megabits * 1e6) - 64_000
        return TrafficPlan(
            audio_bits_per_second=64_000, video_bits_per_second=video, frames_per_second=30
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """Worst figures over the processes of one load."""

    cpu_ratio: float
    late_seconds: float
    sent: int
    lost: int
    dropped: int
    crowd_late_seconds: float

    @property
    def limits(self) -> list[str]:
        """Name what is too much."""
        late = _GUARDS.schedule_error_p99_seconds
        said = {
            "the core of the process is full": self.cpu_ratio >= _CPU_FULL,
            "sends come late": self.late_seconds > late,
            "the receive buffer overflows": self.dropped > _GUARDS.local_drop_ratio * self.sent,
            "packets are lost": self.lost > _GUARDS.local_drop_ratio * self.sent,
        }
        found = [text for text, holds in said.items() if holds]
        if self.crowd_late_seconds > late:
            return [f"not told, the far end is late itself ({', '.join(found) or 'all good'})"]
        return found

    @property
    def text(self) -> str:
        """Say what came beside the cost."""
        late, crowd = self.late_seconds * 1e3, self.crowd_late_seconds * 1e3
        return (
            f"late p99 {late:.1f} ms (far end {crowd:.1f}), lost {self.lost} of {self.sent} up, "
            f"{self.dropped} by its socket"
        )


def run() -> list[Row]:
    """Return what each load cost and what each ladder ended at; at most two minutes."""
    return [row for ladder in LADDERS for row in _climbed(*ladder)]


def _climbed(processes: int, megabits: float, numbers: Sequence[int]) -> Iterator[Row]:
    began = time.monotonic()
    carried, limits = 0, ["none on this ladder"]
    for points in numbers:
        if time.monotonic() - began > LADDER_SECONDS:
            limits = ["the time of this benchmark"]
            break
        load = _Load(processes, points, megabits)
        found = _best_of(load)
        yield Row("scale", f"{load.name}: CPU", found.cpu_ratio * 100, "% of a core", found.text)
        if found.limits:
            limits = found.limits
            break
        carried = points
    name = _Load(processes, carried, megabits).name
    limit = f"limit: {', '.join(limits)}"
    yield Row("scale", f"{name}: carried", carried * megabits, "Mbit/s each way", limit)


def _best_of(load: _Load) -> _Found:
    for _ in range(TRIES):
        found = _measured(load)
        if not found.limits:
            break
    return found


def _measured(load: _Load) -> _Found:
    with ExitStack() as stack:
        hubs = [stack.enter_context(End("hub")) for _ in range(load.processes)]
        shares = [range(1 + first, load.points + 1, load.processes) for first in range(len(hubs))]
        halls = [start_hall(hub, load.points, load.plan) for hub in hubs]
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        members = [
            _Member(flow, hall.port, hall.secret(flow), hall.ticket(flow))
            for hall, share in zip(halls, shares, strict=True)
            for flow in share
        ]
        crowd = multiprocessing.get_context("spawn").Process(
            target=_crowd, args=(theirs, members, load.plan), daemon=True
        )
        crowd.start()
        if ours.recv() != "open":
            raise RuntimeError("the crowd was not let in")
        start = after(_LEAD_SECONDS + load.points * load.megabits / 200)
        for hall, share in zip(halls, shares, strict=True):
            _plan(hall, share, start)
        ours.send(start)
        results = [hub.wait(HubStepResult) for hub in hubs]
        crowd_late: float = ours.recv()
        crowd.join()
    return _found(results, crowd_late)


def _plan(hall: Hall, share: range, start: int) -> None:
    step = RunStep("t", 1, StepKind.REHEARSAL, tuple(share), 1.0, start, SECONDS)
    hall.hub.ask(step, StepPlanned)


def _found(results: Sequence[HubStepResult], crowd_late: float) -> _Found:
    flows = [flow for result in results for flow in result.flows]
    up = [flow.up for flow in flows if flow.up]
    return _Found(
        cpu_ratio=max(result.own_cpu_ratio for result in results),
        late_seconds=max(
            flow.down_sender.schedule_error_p99_seconds for flow in flows if flow.down_sender
        ),
        sent=sum(one.packets_sent for one in up),
        lost=sum(one.packets_sent - one.packets_received for one in up),
        dropped=sum(result.end.local_drops for result in results),
        crowd_late_seconds=crowd_late,
    )


@dataclass(frozen=True, slots=True)
class _Member:
    """One point of the crowd."""

    flow: int
    port: int
    secret: str
    ticket: str


def _crowd(parent: Connection, members: Sequence[_Member], plan: TrafficPlan) -> None:
    """Be all points: come in, send up in the step, tell how much and how late that was."""
    set_priority(above_others=True)
    clock = Clock()
    lines = {one: _let_in(clock, one) for one in members}
    parent.send("open")
    start = clock.now_ns() + parent.recv() - time.monotonic_ns()
    senders = {one: _sender(clock, one, line, plan, start) for one, line in lines.items()}
    pacer = Pacer(clock)
    for sender in senders.values():
        pacer.add(sender, sender.due_ns)
    while pacer.next_ns is not None:
        pacer.run()
        ahead = (pacer.next_ns or 0) - clock.now_ns()
        if ahead > 0:
            time.sleep(max(_QUANTUM_SECONDS, ahead / 1e9))
    for one, sender in senders.items():
        count = sender.count()
        told = StepEnd(one.flow, 1, count.first, count.stop, count.errors)
        lines[one].send(pack_control(told, bytes.fromhex(one.secret)))
    parent.send(max(one.statistics().schedule_error_p99_seconds for one in senders.values()))


def _let_in(clock: Clock, one: _Member) -> MeasuringSocket:
    line = MeasuringSocket(clock, bind=None, peer=("127.0.0.1", one.port), dscp=34)
    for _ in range(_OPEN_TRIES):
        line.send(
            pack_control(Open(one.flow, clock.now_ns(), one.ticket), bytes.fromhex(one.secret))
        )
        line.socket.settimeout(_OPEN_SECONDS)
        try:
            answer = line.socket.recv(4096)
        except TimeoutError:
            continue
        finally:
            line.socket.setblocking(False)  # noqa: FBT003  # the library's own signature
        if isinstance(parse_control(answer, bytes.fromhex(one.secret)), Accept):
            return line
    raise RuntimeError(f"flow {one.flow} was not let in")


def _sender(
    clock: Clock, one: _Member, line: MeasuringSocket, plan: TrafficPlan, start_ns: int
) -> FlowSender:
    order = SendOrder(
        one.flow, flow_token(bytes.fromhex(one.secret), one.flow), 1, start_ns, 1 << 40
    )
    drawn = list(planned_sends(plan, seed_of(one.flow, 1, Direction.UP), SECONDS, 1.0))
    return FlowSender(clock, line, None, order, iter(drawn))
