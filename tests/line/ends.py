"""Real measuring processes over loopback for tests and benchmarks: one hub, points, a relay."""

import queue
import secrets
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from diemcau_contract.plans import TrafficPlan
from diemcau_contract.tickets import Ticket, issue
from diemcau_contract.words import StepKind
from diemcau_line.protocol import (
    Command,
    HubFlow,
    HubReady,
    OpenPoint,
    OpenTest,
    PointStep,
    RunStep,
    SetStampSessions,
    StampSession,
    StartHub,
    StepPlanned,
    TestOpened,
)
from diemcau_line.worker import Role, WorkerProcess

if TYPE_CHECKING:
    from diemcau_line.protocol import (
        Event,
    )

PLAN = TrafficPlan(
    audio_bits_per_second=64_000, video_bits_per_second=960_000, frames_per_second=30
)
TICKET_KEY = bytes(range(32))
WAIT_SECONDS = 40.0
Kind = TypeVar("Kind")


class End:
    """A worker whose events can be waited for."""

    def __init__(self, role: Role) -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        self.exits: queue.Queue[int] = queue.Queue()
        self.worker = WorkerProcess(role, self.events.put, self.exits.put)
        self.worker.start()

    def send(self, command: Command) -> None:
        """Hand a command over."""
        self.worker.send(command)

    def wait(self, kind: type[Kind]) -> Kind:
        """Return the next event of ``kind``, leaving out others before it."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            event = self.events.get(timeout=max(0.01, deadline - time.monotonic()))
            if isinstance(event, kind):
                return event

    def ask(self, command: Command, kind: type[Kind]) -> Kind:
        """Hand a command over and return its answer."""
        self.send(command)
        return self.wait(kind)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.stop()


def after(seconds: float) -> int:
    """Return the time in ``seconds`` as a step's start is told."""
    return time.monotonic_ns() + int(seconds * 1e9)


@dataclass
class Hall:
    """A hub process that waits for the points of test ``t``."""

    hub: End
    port: int
    points: int
    plan: TrafficPlan = PLAN
    host: str = "127.0.0.1"

    def secret(self, flow: int) -> str:
        """Return the flow's secret."""
        return f"{flow:032x}"

    def ticket(self, flow: int, **changes: Any) -> str:
        """Return a good ticket, single fields changed."""
        fields: dict[str, Any] = {
            "test": "t", "point": f"p{flow}", "flow": flow, "max_bytes": 500_000_000,
            "max_bits_per_second": 20_000_000, "not_after": time.time() + 60,
            "nonce": secrets.token_hex(16),
        }  # fmt: skip
        return issue(Ticket(**{**fields, **changes}), TICKET_KEY)

    def open_point(
        self, flow: int, port: int | None = None, ticket: str | None = None
    ) -> OpenPoint:
        """Return the point's first command."""
        return OpenPoint(
            test="t", host=self.host, port=port or self.port,
            ticket=ticket or self.ticket(flow), flow=flow, secret=self.secret(flow), ssid=flow,
            stamp_key=self.secret(flow) * 2, up=self.plan, down=self.plan,
        )  # fmt: skip

    def step(
        self, points: dict[int, End], *, number: int = 1, seconds: float = 1.0,
        ratio: float = 1.0, kind: StepKind = StepKind.REHEARSAL,
    ) -> StepPlanned:  # fmt: skip
        """Let the points of ``points`` (flow → end) do one step."""
        planned = self.hub.ask(
            RunStep("t", number, kind, tuple(points), ratio, after(0.3), seconds), StepPlanned
        )
        for point in points.values():
            point.send(PointStep("t", number, kind, planned.starts_at_hub_ns, seconds, ratio))
        return planned


def start_hall(
    hub: End,
    points: int,
    plan: TrafficPlan = PLAN,
    address: tuple[str, int] = ("127.0.0.1", 0),
    expires_in_seconds: float = 60.0,
    **how: Any,
) -> Hall:
    """Start the hub on ``address`` and open test ``t`` for flows 1 to ``points``.

    ``how`` is what StartHub takes beside.
    """
    host, port = address
    ready = hub.ask(StartHub(TICKET_KEY.hex(), (host,), port, **how), HubReady)
    hall = Hall(hub, ready.port, points, plan, host)
    flows = range(1, points + 1)
    hub.send(SetStampSessions(tuple(StampSession(flow, hall.secret(flow) * 2) for flow in flows)))
    order = tuple(HubFlow(f"p{flow}", flow, hall.secret(flow), plan, plan) for flow in flows)
    hub.ask(OpenTest("t", order, expires_in_seconds), TestOpened)
    return hall


class Relay:
    """A UDP relay on loopback to ``port``; ``drop(octets, up)`` decides what is lost."""

    def __init__(self, port: int, drop: Callable[[bytes, bool], bool]) -> None:
        self._drop = drop
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind(("127.0.0.1", 0))
        self._back: dict[tuple[str, int], socket.socket] = {}
        self._target = ("127.0.0.1", port)
        self.port: int = self._front.getsockname()[1]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for end in (self._front, *self._back.values()):
            end.close()

    def _run(self) -> None:
        while not self._over.is_set():
            clients = {back: client for client, back in self._back.items()}
            ready = select.select([self._front, *clients], [], [], 0.05)[0]
            for end in ready:
                octets, sender = end.recvfrom(4096)
                up = end is self._front
                if self._drop(octets, up):
                    continue
                if up:
                    self._back_of(sender).send(octets)
                else:
                    self._front.sendto(octets, clients[end])

    def _back_of(self, client: tuple[str, int]) -> socket.socket:
        if client not in self._back:
            back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            back.connect(self._target)
            self._back[client] = back
        return self._back[client]
