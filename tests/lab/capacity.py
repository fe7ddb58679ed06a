"""The capacity step over a shaped line: a hub and a point as processes in their namespaces."""

from collections.abc import Iterator
from contextlib import contextmanager
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
        hub = kernel.inside(district.names.hub, lambda: End("hub"))
        with hub, kernel.inside(district.names.point(1), lambda: End("point")) as point:
            hall = start_hall(hub, 1, address=(plan.HUB_ADDRESS, 0), expires_in_seconds=600.0)
            ticket = hall.ticket(
                1, max_bytes=4_000_000_000, max_bits_per_second=CAP_BITS_PER_SECOND
            )
            point.ask(hall.open_point(1, ticket=ticket), Opened)
            yield cls(hall, point)

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
