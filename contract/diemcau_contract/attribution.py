"""Whose line is it: each point's own, or the hub's that all share (SPEC 6.5); pure.

Delays of independent lines move together by chance, so correlation proves nothing. The test
intervenes instead: points carry their traffic in small groups and then all at once. What is bad in
a group already is the point's own; what is good in its group, and bad for nearly everybody with
all, is shared. What is equally bad for everybody at any load is shared as well.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from diemcau_contract.evidence import LoadEvidence, PointEvidence
from diemcau_contract.line_rules import clearly_bad, worst_status
from diemcau_contract.measurements import TrafficStatistics
from diemcau_contract.profiles import Limits, Profile
from diemcau_contract.validity import (
    line_is_valid,
    losses_are_valid,
    sent_late,
    sent_share,
    without_steps_cut_short,
)
from diemcau_contract.witnesses import interfaces_agree, simultaneous, together
from diemcau_contract.words import Direction, Status, StepKind

NEARLY_ALL = 0.8
"""Share of the points that a shared queue must reach; the rest may fare worse or start late."""
COMPARED_MIN = 2
"""With one point alone nothing tells its line from the hub's."""
EQUAL_MIN = 4
"""Fewer points that are equally bad at any load may well each have a bad line."""
_SHARE_OF_WARN = 0.5
"""A common floor above half of a warning is no chance: everybody must bear it."""
_GROUP_SHARE = 0.5
"""In a group, a quarter of the load, a queue that only all together fill stays far below."""
_OWN_EXCESS = 2.0
_LOAD_SLACK = 0.02
"""A line that bore 98 % of the plan of all bore it: a sender may give up a packet or two."""
_COUNTERS_SLACK = 0.05
"""The counters are read some milliseconds before and after the traffic."""


class Place(StrEnum):
    """Where a fault of the line lies."""

    OWN = "own"
    HUB = "hub"


class Shared(StrEnum):
    """What all points have in common in one direction."""

    NOTHING = "nothing"
    CONGESTION = "congestion"  # it comes with the load of all
    LOSS = "loss"  # the same at any load
    MARGIN = "margin"  # it carries the plan, but not more


@dataclass(frozen=True, slots=True)
class HubDirectionFigures:
    """One direction of the hub's line; sums over the validly measured points, bits/s at IP."""

    shared: Shared = Shared.NOTHING
    offered_bits_per_second: float = 0.0
    carried_bits_per_second: float = 0.0
    load_ratio: float | None = None
    """Largest load that the test put on the line, as a share of the plan of all points that are
    to take part; None where no point was to."""
    other_bits_per_second: float | None = None
    """What else crossed the hub's interfaces meanwhile, by their own counters; None: not known."""
    works_ratio: float | None = None
    """Largest share of the plan at which all points were good; None where none was tried."""
    confirmed: bool | None = None
    """Whether a second witness confirms or contradicts that it is shared; None: it has nothing to
    say. It never decides ``shared``, and changes nothing but the confidence."""
    status: Status = Status.UNKNOWN
    """Worst status that the hub's line is to blame for; unknown where it could not be told."""
    only_load_missing: bool = False
    """It is unknown for no other reason than that not all loaded it: so far it was good."""

    @property
    def bore_the_plan(self) -> bool:
        """Tell whether the test put the plan of all on the line."""
        return _bears_the_plan(self.load_ratio)


@dataclass(frozen=True, slots=True)
class Attribution:
    """Blame of every valid point and direction, and the hub's line."""

    hub: Mapping[Direction, HubDirectionFigures] = field(default_factory=dict)
    blamed: Mapping[tuple[str, Direction], Place] = field(default_factory=dict)
    compared: int = 0
    """Points that were measured validly, and so could be compared."""
    planned: int = 0
    """Points that are to take part in the conference."""

    def place(self, point: str, direction: Direction) -> Place:
        """Return where a fault of ``point`` lies; its own line unless the hub's is proven."""
        return self.blamed.get((point, direction), Place.OWN)

    def figures(self, direction: Direction) -> HubDirectionFigures:
        """Return the hub's line in one direction."""
        return self.hub.get(direction, HubDirectionFigures())


def attribute(points: Sequence[PointEvidence], profile: Profile, planned: int = 0) -> Attribution:
    """Compare all points of one test.

    ``planned`` are the points that are to take part in the conference; a test may be of fewer, and
    of those some may not have joined.
    """
    planned = max(planned, len(points))
    load_ratio = {way: _load_ratio(points, way, planned) for way in Direction}
    points = [without_steps_cut_short(one, profile) for one in points]
    valid = [one for one in points if line_is_valid(one, profile)]
    counted = [one for one in points if losses_are_valid(one, profile)]
    hub: dict[Direction, HubDirectionFigures] = {}
    blamed: dict[tuple[str, Direction], Place] = {}
    for direction in Direction:
        compared = _Compared(valid, direction, profile.limits, counted, load_ratio[direction])
        hub[direction] = compared.figures(proven=2 * len(valid) >= len(points))
        for one in valid:
            blamed[one.point, direction] = compared.place(one)
    return Attribution(hub, blamed, len(valid), planned)


def failed_in_group(one: PointEvidence, profile: Profile) -> tuple[Direction, ...]:
    """Return the directions in which a point was clearly bad in its group already.

    It can be said as soon as the group is over; a sender that was late says nothing.
    """
    one = without_steps_cut_short(one, profile)
    return tuple(
        way
        for way in Direction
        for step in one.of_kind(StepKind.GROUPS)
        if (traffic := _traffic(step.load(way))) is not None
        and clearly_bad(traffic, profile.limits)
        and not sent_late(step.load(way).sender, profile)
    )


def every_group_failed(points: Sequence[PointEvidence], profile: Profile) -> bool:
    """Tell whether in one direction each point was bad in a group of several.

    Then either the hub's line carries not even a group, or every line is bad: only points that go
    alone can tell.
    """
    points = [without_steps_cut_short(one, profile) for one in points]
    valid = [one for one in points if line_is_valid(one, profile)]

    def failed(one: PointEvidence, direction: Direction) -> bool:
        steps = [step for step in one.of_kind(StepKind.GROUPS) if step.together > 1]
        loads = [_traffic(step.load(direction)) for step in steps]
        return any(load is not None and clearly_bad(load, profile.limits) for load in loads)

    enough = len(valid) >= COMPARED_MIN
    return enough and any(all(failed(one, way) for one in valid) for way in Direction)


class _Compared:
    """All valid points in one direction; ``counted`` are those and others with valid losses.

    ``load_ratio`` is what the test put on the hub's line, of the plan of all.
    """

    def __init__(
        self,
        points: Sequence[PointEvidence],
        direction: Direction,
        limits: Limits,
        counted: Sequence[PointEvidence],
        load_ratio: float | None,
    ) -> None:
        self._load_ratio = load_ratio
        self._points = points
        self._counted = [
            traffic for one in counted if (traffic := _traffic(one.load(direction))) is not None
        ]
        self._direction = direction
        self._limits = limits
        self._with_all = {one.point: _traffic(one.load(direction)) for one in points}
        self._alone = {
            one.point: list(_loads(one, direction, StepKind.GROUPS, len(points))) for one in points
        }
        self.shared = self._find_shared()

    def place(self, one: PointEvidence) -> Place:
        """Return where a fault of this point in this direction lies."""
        if self.shared is Shared.NOTHING or self._is_bad_by_itself(one):
            return Place.OWN
        return Place.HUB

    def figures(self, *, proven: bool) -> HubDirectionFigures:
        """Return the hub's line; ``proven`` where at least half of the points count."""
        traffic = [one for one in self._with_all.values() if one is not None]
        worst = [
            worst_status(self._with_all[one.point], self._limits)
            for one in self._points
            if self.place(one) is Place.HUB
        ]
        so_far = Status.OK if proven and traffic else Status.UNKNOWN
        bore = _bears_the_plan(self._load_ratio)
        status = so_far if bore else Status.UNKNOWN
        if self.shared is Shared.MARGIN:
            status = Status.WARN
        elif self.shared is not Shared.NOTHING:
            status = Status.BAD if Status.BAD in worst else Status.WARN
        elif self._cannot_tell():
            status = so_far = Status.UNKNOWN
        return HubDirectionFigures(
            shared=self.shared,
            offered_bits_per_second=sum(one.offered_bits_per_second for one in traffic),
            carried_bits_per_second=sum(one.carried_bits_per_second for one in traffic),
            load_ratio=self._load_ratio,
            other_bits_per_second=self._other_traffic(traffic),
            works_ratio=self._works_ratio(),
            confirmed=self._confirmed(),
            status=status,
            only_load_missing=status is Status.UNKNOWN and so_far is Status.OK,
        )

    def _find_shared(self) -> Shared:
        if len(self._points) < COMPARED_MIN:
            return Shared.NOTHING
        with_all = [one for one in self._with_all.values() if one is not None]
        if _bad_floor(with_all, self._limits):
            return self._kind_of_floor(with_all)
        above = [
            load
            for one in self._points
            for load in _loads(one, self._direction, StepKind.MARGIN, above=1.0)
        ]
        # A few of many may well each have a line without reserve.
        least = COMPARED_MIN if _bears_the_plan(self._load_ratio) else EQUAL_MIN
        tried = len(above) >= max(least, NEARLY_ALL * len(self._points))
        return Shared.MARGIN if tried and _bad_floor(above, self._limits) else Shared.NOTHING

    def _kind_of_floor(self, with_all: Sequence[TrafficStatistics]) -> Shared:
        """Tell what is behind a floor that nearly all points bear."""
        loads = [one for rows in self._alone.values() for one in rows]
        if not loads:
            return Shared.NOTHING
        singles = self._singles()
        if not self._floor_stays(with_all, loads) or (
            singles and not _bad_floor(singles, self._limits)
        ):
            return Shared.CONGESTION
        enough = len(self._counted) >= EQUAL_MIN
        return Shared.LOSS if enough and _equal(self._counted) else Shared.NOTHING

    def _floor_stays(
        self, with_all: Sequence[TrafficStatistics], loads: Sequence[TrafficStatistics]
    ) -> bool:
        """Tell whether a quarter of the load shows much the same as the load of all."""
        return all(
            _median(loads, value) > _GROUP_SHARE * _median(with_all, value)
            for value, least in _floors(self._limits)
            if _floor(with_all, value) > least
        )

    def _singles(self) -> list[TrafficStatistics]:
        return [
            traffic
            for one in self._points
            for step in one.of_kind(StepKind.GROUPS)
            if step.together == 1 and (traffic := _traffic(step.load(self._direction))) is not None
        ]

    def _is_bad_by_itself(self, one: PointEvidence) -> bool:
        """Tell whether the point is bad beyond what it shares with all."""
        alone = self._alone[one.point]
        if self.shared in {Shared.CONGESTION, Shared.MARGIN}:
            return any(clearly_bad(load, self._limits) for load in alone)
        own = self._with_all[one.point]
        common = _median([load for load in self._with_all.values() if load], _loss)
        return own is not None and own.loss_ratio_low > _OWN_EXCESS * common

    def _cannot_tell(self) -> bool:
        """Tell whether most points are bad and no step in groups says whose line it is."""
        bad = [
            one
            for one in self._points
            if worst_status(self._with_all[one.point], self._limits) is Status.BAD
        ]
        untold = [one for one in bad if not self._alone[one.point]]
        return len(untold) > len(self._points) / 2

    def _confirmed(self) -> bool | None:
        """Ask the moments of what the hub is blamed for, and its interfaces."""
        if self.shared not in {Shared.CONGESTION, Shared.LOSS}:
            return None
        blamed = [
            traffic
            for one in self._points
            if self.place(one) is Place.HUB and (traffic := self._with_all[one.point]) is not None
        ]
        _, (_, queue) = _floors(self._limits)
        # Loss at any load comes packet by packet: its moments are nobody's.
        moments = simultaneous(blamed, queue) if self.shared is Shared.CONGESTION else None
        every = [one for one in self._with_all.values() if one is not None]
        agree = interfaces_agree(
            next((one.hub_end for one in self._points if one.hub_end is not None), None),
            sum(one.packets_sent - one.packets_received for one in every),
            sum(one.offered_bits_per_second for one in every),
            self._other_traffic(every) if self.shared is Shared.CONGESTION else None,
        )
        return together(moments, agree)

    def _other_traffic(self, traffic: Sequence[TrafficStatistics]) -> float | None:
        """Return what the hub's interfaces carried beyond the test; the points' own sum is known.

        Where they carried less than that, the test went another way (loopback).
        """
        ends = [one.hub_end for one in self._points if one.hub_end is not None]
        if not ends or not traffic:
            return None
        up = self._direction is Direction.UP
        crossed = ends[0].interface_received_bytes if up else ends[0].interface_sent_bytes
        if crossed is None:
            return None
        tested = sum(
            one.carried_bits_per_second if up else one.offered_bits_per_second for one in traffic
        )
        other = crossed * 8 / traffic[0].duration_seconds - tested
        return other if other > -_COUNTERS_SLACK * tested else None

    def _works_ratio(self) -> float | None:
        """Return the largest share of the plan at which every point that was tried was good."""
        tried: dict[float, list[Status]] = {}
        for one in self._points:
            for step in one.of_kind(StepKind.MARGIN):
                traffic = _traffic(step.load(self._direction))
                if traffic is not None:
                    found = worst_status(traffic, self._limits)
                    tried.setdefault(step.rate_ratio, []).append(found)
        good = [
            ratio
            for ratio, found in tried.items()
            if len(found) > len(self._points) / 2 and Status.BAD not in found
        ]
        return max(good, default=None)


def _load_ratio(
    points: Sequence[PointEvidence], direction: Direction, planned: int
) -> float | None:
    """Return the most that the hub's line was loaded with, as a share of what ``planned`` bring.

    Whatever a sender put on its line counts, valid or not: the hub's line had to bear it. Steps
    above and below the plan run side by side, of the latter one after another: the least counts.
    """
    if not planned:
        return None
    rehearsal = sum(_share(one.load(direction)) for one in points)
    beside = 0.0
    for one in points:
        tried = [
            step.rate_ratio * _share(step.load(direction)) for step in one.of_kind(StepKind.MARGIN)
        ]
        beside += min(tried, default=0.0)
    return max(rehearsal, beside) / planned


def _bears_the_plan(load_ratio: float | None) -> bool:
    return load_ratio is not None and load_ratio >= 1 - _LOAD_SLACK


def _share(load: LoadEvidence) -> float:
    """Return what a sender put on the line of what it was to, 0 where nothing is known of it."""
    return sent_share(load.sender) if _traffic(load) is not None else 0.0


def _loads(
    one: PointEvidence,
    direction: Direction,
    kind: StepKind,
    points: int | None = None,
    *,
    above: float = 0.0,
) -> Iterator[TrafficStatistics]:
    """Yield what one point carried in steps of ``kind`` with fewer than ``points`` others."""
    for step in one.of_kind(kind):
        traffic = _traffic(step.load(direction))
        fewer = points is None or step.together < points
        if traffic is not None and fewer and step.rate_ratio > above:
            yield traffic


def _traffic(load: LoadEvidence) -> TrafficStatistics | None:
    traffic = load.traffic
    return traffic if traffic is not None and traffic.packets_sent else None


def _loss(traffic: TrafficStatistics) -> float:
    return traffic.loss_ratio


def _queue(traffic: TrafficStatistics) -> float:
    return traffic.queue_delay_seconds.p95 if traffic.queue_delay_seconds else 0.0


def _floor(
    traffic: Sequence[TrafficStatistics], value: Callable[[TrafficStatistics], float]
) -> float:
    """Return what nearly all bear at least."""
    ordered = sorted(map(value, traffic))
    return ordered[int((1 - NEARLY_ALL) * (len(ordered) - 1))] if ordered else 0.0


def _median(
    traffic: Sequence[TrafficStatistics], value: Callable[[TrafficStatistics], float]
) -> float:
    return statistics.median(map(value, traffic)) if traffic else 0.0


def _floors(limits: Limits) -> tuple[tuple[Callable[[TrafficStatistics], float], float], ...]:
    """Return what is compared, and the common floor from which it is no chance."""
    return (
        (_loss, _SHARE_OF_WARN * limits.loss_ratio.warn),
        (_queue, _SHARE_OF_WARN * limits.queue_delay_p95_seconds.warn),
    )


def _bad_floor(traffic: Sequence[TrafficStatistics], limits: Limits) -> bool:
    return any(_floor(traffic, value) > least for value, least in _floors(limits))


def _equal(traffic: Sequence[TrafficStatistics]) -> bool:
    """Tell whether some loss lies in nearly all intervals: one cause explains them all.

    Of four points one may have a fault of its own beside it, which moves their median.
    """
    most = max(
        sum(one.loss_ratio_low <= common.loss_ratio_low <= one.loss_ratio_high for one in traffic)
        for common in traffic
    )
    return _median(traffic, _loss) > 0 and most >= NEARLY_ALL * len(traffic) - 1
