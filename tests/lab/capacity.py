"""The capacity step over a shaped line: a hub and a point as processes in their namespaces."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Self

from diemcau_contract.measurements import CapacityStatistics
from diemcau_contract.words import Direction
from diemcau_line.protocol import (
    CapacityPlanned,
    HubCapacityResult,
    Opened,
    PointCapacity,
    PointCapacityResult,
    RunCapacity,
)
from tests.lab import kernel, plan
from tests.lab.district import District
from tests.line.ends import End, Hall, start_hall

START_BITS_PER_SECOND = 1_000_000
CAP_BITS_PER_SECOND = 400_000_000


@dataclass(frozen=True, slots=True)
class Measured:
    """One step: the figures, and what both ends said."""

    figures: CapacityStatistics
    at_hub: HubCapacityResult
    at_point: PointCapacityResult


@contextmanager
def opened(district: District, points: int) -> Iterator[tuple[Hall, dict[int, End]]]:
    """Start a hub and so many points in their namespaces, each with an open flow."""
    with ExitStack() as stack:
        hub = stack.enter_context(kernel.inside(district.names.hub, lambda: End("hub")))
        hall = start_hall(hub, points, address=(plan.HUB_ADDRESS, 0), expires_in_seconds=600.0)
        ends: dict[int, End] = {}
        for flow in range(1, points + 1):
            point = kernel.inside(district.names.point(flow), lambda: End("point"))
            ends[flow] = stack.enter_context(point)
            ticket = hall.ticket(
                flow, max_bytes=4_000_000_000, max_bits_per_second=CAP_BITS_PER_SECOND
            )
            point.ask(hall.open_point(flow, ticket=ticket), Opened)
        yield hall, ends


def measure_together(
    hall: Hall, points: Mapping[int, End], direction: Direction, caps: Mapping[int, int], step: int
) -> dict[int, CapacityStatistics]:
    """Let several flows measure one direction at once, each up to its cap; return the figures."""
    for flow, cap in caps.items():
        order = RunCapacity("t", step + flow, flow, direction, 0.4, 3.5, START_BITS_PER_SECOND, cap)
        planned = hall.hub.ask(order, CapacityPlanned)
        points[flow].send(
            PointCapacity(
                "t", planned.step, direction, planned.starts_at_hub_ns, 3.5,
                START_BITS_PER_SECOND, cap,
            )
        )  # fmt: skip
    at_hub = [hall.hub.wait(HubCapacityResult) for _ in caps]
    figures = {one.flow: one.statistics for one in at_hub}
    for flow in caps:
        at_point = points[flow].wait(PointCapacityResult)
        figures[flow] = figures[flow] or at_point.statistics
    return {flow: found for flow, found in figures.items() if found is not None}


@dataclass
class Pair:
    """A hub and point 1, whose flow is open."""

    hall: Hall
    point: End
    step: int = 0

    @classmethod
    @contextmanager
    def of(cls, district: District) -> Iterator[Self]:
        """Start both and open the flow."""
        with opened(district, 1) as (hall, points):
            yield cls(hall, points[1])

    def measure(
        self, direction: Direction, seconds: float = 3.0, cap: int = CAP_BITS_PER_SECOND
    ) -> Measured:
        """Do one step."""
        self.step += 1
        planned = self.hall.hub.ask(
            RunCapacity("t", self.step, 1, direction, 0.3, seconds, START_BITS_PER_SECOND, cap),
            CapacityPlanned,
        )
        self.point.send(
            PointCapacity(
                "t", self.step, direction, planned.starts_at_hub_ns, seconds,
                START_BITS_PER_SECOND, cap,
            )
        )  # fmt: skip
        at_hub = self.hall.hub.wait(HubCapacityResult)
        at_point = self.point.wait(PointCapacityResult)
        figures = at_hub.statistics or at_point.statistics
        assert figures is not None
        return Measured(figures, at_hub, at_point)
