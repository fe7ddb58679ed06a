"""What a line carries at most: the figures as they are kept, and who is measured beside whom; pure.

A figure is a point's own only where nothing shared was the limit. So points go together only where
the hub's line has room for twice what all of them carried before, and each one's load stays within
that: together they cannot fill it (decision 0021).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from diemcau_contract.measurements import LimitedBy
from diemcau_contract.result import Capacity, Finding
from diemcau_contract.words import Direction, Status

TOGETHER_MARGIN = 2.0
"""A ladder doubles its rate until the line answers: so much may be on its way for a moment."""
CONFIRMED_RATIO = 0.95
"""Two measurements of an unchanged line are within 2 % of its rate each. What shows less beside
others may be a share of something, and is measured again alone."""


@dataclass(frozen=True, slots=True)
class DirectionCapacity:
    """One direction's figure at the IP layer (RFC 9097), and what kept it from being larger."""

    bits_per_second: float
    limited_by: LimitedBy

    @property
    def is_lower_bound(self) -> bool:
        """Whether the line may carry more."""
        return self.limited_by != "line"


@dataclass(frozen=True, slots=True)
class LineCapacity:
    """Both directions of a point's line; None where nothing could be told."""

    measured_at: datetime
    up: DirectionCapacity | None = None
    down: DirectionCapacity | None = None
    duration_seconds: float | None = None
    """How long load was on the line for it, in both directions and all tries; None: not known."""

    def way(self, way: Direction) -> DirectionCapacity | None:
        """Return one direction's figure."""
        return self.up if way is Direction.UP else self.down

    def as_result(self) -> Capacity:
        """Return the form of ``diemcau.test/1``, which has no place for the bound (SPEC 8)."""
        return Capacity(
            up_bits_per_second=self.up.bits_per_second if self.up else None,
            down_bits_per_second=self.down.bits_per_second if self.down else None,
            measured_at=self.measured_at,
        )

    def findings(self) -> Iterator[Finding]:
        """Say each figure as a finding; its rule tells a lower bound from a capacity."""
        for way in Direction:
            found = self.way(way)
            if found is not None:
                name = "capacity_at_least" if found.is_lower_bound else "capacity"
                yield Finding(
                    rule=f"line.{way}.{name}", status=Status.OK, value=found.bits_per_second,
                    limit=None, unit="bits_per_second",
                )  # fmt: skip


HubRates = Mapping[Direction, float]
"""What the hub's line carries in each direction, in bit/s at the IP layer."""


def hub_rates(configured: HubRates | None, known: Mapping[str, LineCapacity]) -> HubRates:
    """Return what the hub's line carries: as configured, else at least what one point got alone."""
    if configured is not None:
        return configured
    return {
        way: max((found.bits_per_second for one in known.values() if (found := one.way(way))),
                 default=0.0)
        for way in Direction
    }  # fmt: skip


def batches(
    points: Sequence[str], known: Mapping[str, LineCapacity], room: HubRates
) -> tuple[tuple[str, ...], ...]:
    """Return who is measured at once, in the order of ``points``.

    ``room`` is what may be on the hub's line in each direction. A point of whose line nothing is
    known, or only a lower bound, goes alone.
    """
    groups: list[tuple[list[str], dict[Direction, float]]] = []
    for point in points:
        need = _need(known.get(point))
        for members, taken in groups:
            if all(taken[way] + need[way] <= room[way] for way in Direction):
                members.append(point)
                taken.update({way: taken[way] + need[way] for way in Direction})
                break
        else:
            groups.append(([point], dict(need)))
    return tuple(tuple(members) for members, _ in groups)


def share_of(known: DirectionCapacity) -> float:
    """Return the rate in bit/s that a point's load may have beside others."""
    return known.bits_per_second * TOGETHER_MARGIN


def is_confirmed(found: DirectionCapacity, known: DirectionCapacity) -> bool:
    """Tell whether a figure that was taken beside others is the line's own."""
    least = known.bits_per_second * CONFIRMED_RATIO
    return not found.is_lower_bound and found.bits_per_second >= least


def _need(known: LineCapacity | None) -> dict[Direction, float]:
    need: dict[Direction, float] = {}
    for way in Direction:
        found = known.way(way) if known else None
        sure = found is not None and not found.is_lower_bound
        need[way] = share_of(found) if found is not None and sure else float("inf")
    return need
