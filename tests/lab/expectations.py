"""From the truth about a line to the verdict that a truthful test gives: own rules, not judge()'s.

Every measure is an interval: its value, widened by 10 % and by what chance does to it in 15 s.
Where the two ends of the intervals give different verdicts the point is near a limit.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from diemcau_contract.causes import Cause
from diemcau_contract.profiles import Limit, Profile
from diemcau_contract.words import Verdict
from tests.lab.scenarios import BusyPc, ClockStep, Expected, KillAgent, Pace, Scenario, Way
from tests.lab.truth import Passed

_NEAR_RATIO = 0.1
_SIGMAS = 2.6
_SECONDS = 15.0
_WINDOW_SECONDS = 0.2
_PLAYOUT_SECONDS = 0.1
_ROOMY = 1.25
"""Rate over need from which a queue stays short."""
_JITTER_SEEN = 0.6
"""Share of the added delay that is seen: the order of packets is kept, so that they wait for each
other, and the least delay, from which all is counted, is seldom seen."""
_ORDER = (Verdict.READY, Verdict.DEGRADED, Verdict.NOT_READY)

Realised = Mapping[tuple[int, str], Passed]
"""What really passed in the rehearsal, by point and direction."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A true value between two bounds, and the limit it is held against."""

    low: float
    high: float
    limit: Limit


def pace_of(profile: Profile, direction: str) -> Pace:
    """Return the pace of one direction."""
    return Pace.of(profile.up if direction == "up" else profile.down)


def expected_of(
    scenario: Scenario, number: int, profile: Profile, realised: Realised | None = None
) -> Expected:
    """Return what a truthful test says of a point; ``realised`` replaces expected by real loss."""
    written = scenario.expectation(number)
    return (
        written if written is not None else _from_truth(scenario, number, profile, realised or {})
    )


def _from_truth(scenario: Scenario, number: int, profile: Profile, realised: Realised) -> Expected:
    special = _special(scenario, number)
    if special is not None:
        return special
    own = {way: list(_own(scenario, number, way, profile, realised)) for way in ("up", "down")}
    hub = {way: list(_hub(scenario, number, way, profile, realised)) for way in ("up", "down")}
    trip = [_round_trip(scenario, number, profile, realised)]
    measures = [*own["up"], *own["down"], *hub["up"], *hub["down"], *trip]
    low = _worst([(one.low, one.limit) for one in measures])
    high = _worst([(one.high, one.limit) for one in measures])
    short = {way: own[way] + _short(scenario, number, way, profile) for way in own}
    causes = _causes(short, hub, trip, high)
    return Expected(verdict=high, causes=causes, near=low is not high)


def _special(scenario: Scenario, number: int) -> Expected | None:
    for fault in scenario.faults:
        if fault.point != number:
            continue
        cause = {
            KillAgent: Cause.AGENT_SILENT,
            BusyPc: Cause.PC_BUSY,
            ClockStep: Cause.CLOCK_STEP,
        }[type(fault)]
        return Expected(verdict=Verdict.UNKNOWN, causes=(cause,))
    if scenario.line(number).udp_blocked:
        return Expected(verdict=Verdict.UNKNOWN, causes=(Cause.FIREWALL,))
    return None


def _own(
    scenario: Scenario, number: int, direction: str, profile: Profile, realised: Realised
) -> Iterator[Measure]:
    way: Way = getattr(scenario.line(number), direction)
    passed = realised.get((number, direction))
    loss = passed.own_lost / passed.sent if passed and passed.sent else None
    yield from _measures(way, pace_of(profile, direction), profile, loss)


def _short(scenario: Scenario, number: int, direction: str, profile: Profile) -> list[Measure]:
    """Return what the plan alone does to a line too short for it.

    It stays so, and fails in its group, where the hub's line lets less than that through with all.
    """
    way: Way = getattr(scenario.line(number), direction)
    if way.rate_ratio is None or way.rate_ratio >= 1:
        return []
    return list(_own(scenario, number, direction, profile, {}))


def _hub(
    scenario: Scenario, number: int, direction: str, profile: Profile, realised: Realised
) -> Iterator[Measure]:
    carrying = _carrying(scenario, direction, profile, realised)
    way = _as_carried(getattr(scenario.hub_line, direction), scenario, carrying)
    passed = realised.get((number, direction))
    loss = None
    if passed and passed.sent:
        loss = max(0, passed.sent - passed.arrived - passed.own_lost) / passed.sent
    yield from _measures(way, pace_of(profile, direction), profile, loss)


def _carrying(scenario: Scenario, direction: str, profile: Profile, realised: Realised) -> int:
    """Count those who carry traffic over the hub's line: not who is blocked or killed.

    Whether a busy PC takes part is known by what it really sent.
    """
    away = {fault.point for fault in scenario.faults if isinstance(fault, KillAgent)}
    planned = pace_of(profile, direction).packets_per_second * _SECONDS
    for fault in scenario.faults:
        passed = realised.get((fault.point, direction))
        sent = passed.sent if passed else 0
        if isinstance(fault, BusyPc) and realised and sent < planned / 2:
            away.add(fault.point)
    numbers = range(1, scenario.points + 1)
    return sum(one not in away and not scenario.line(one).udp_blocked for one in numbers)


def _as_carried(hub: Way, scenario: Scenario, carrying: int) -> Way:
    """Return the hub's line as wide as those find it who carry traffic over it.

    Who does not leaves them the room that the plan had for all.
    """
    if hub.rate_ratio is None or not carrying:
        return hub
    wider = hub.rate_ratio * scenario.points / carrying
    return hub.model_copy(update={"rate_ratio": wider})


def _measures(way: Way, pace: Pace, profile: Profile, loss: float | None) -> Iterator[Measure]:
    limits = profile.limits
    packets = pace.packets_per_second * _SECONDS
    nominal = _loss(way)
    run = 1 / way.burst_loss.leave_ratio if way.burst_loss else 1.0
    if loss is None:
        spread = _SIGMAS * math.sqrt(2 * run * nominal / packets)
        low, high = max(0.0, nominal - spread), nominal + spread
    else:
        low = high = loss
    yield Measure(low * (1 - _NEAR_RATIO), high * (1 + _NEAR_RATIO), limits.loss_ratio)
    yield _window(way, pace, (low, high), run, limits.loss_ratio_worst_200ms)
    queue = _queue(way)
    yield Measure(*queue, limits.queue_delay_p95_seconds)
    yield Measure(0.0, way.jitter_seconds / 2, limits.jitter_seconds)
    frames = _frames(way, pace, (low, high), run, profile)
    yield Measure(*frames, limits.late_frame_ratio)


def _loss(way: Way) -> float:
    short = max(0.0, 1 - way.rate_ratio) if way.rate_ratio is not None else 0.0
    burst = way.burst_loss.mean_loss_ratio if way.burst_loss else 0.0
    return 1 - (1 - short) * (1 - burst) * (1 - way.loss_ratio)


def _window(way: Way, pace: Pace, loss: tuple[float, float], run: float, limit: Limit) -> Measure:
    """Bound the worst 200 ms: chance gathers losses, bursts are gathered losses."""
    size = max(1.0, pace.packets_per_second * _WINDOW_SECONDS)
    low, high = loss
    if high == 0:
        return Measure(0.0, 0.0, limit)
    if way.burst_loss is not None:
        bursts = high * pace.packets_per_second * _SECONDS / run
        longest = run * (1 + math.log(max(1.0, bursts)))
        share = 0.5 * run / size if bursts >= 1 else 0.0
        return Measure(max(low, min(1.0, share)), min(1.0, high + 2 * longest / size), limit)
    most = high * size + 4.5 * math.sqrt(high * size) + 1
    return Measure(low, min(1.0, most / size), limit)


def _queue(way: Way) -> tuple[float, float]:
    """Bound the 95th percentile of the queueing delay."""
    jitter = way.jitter_seconds
    if way.rate_ratio is None or way.rate_ratio >= _ROOMY:
        return _JITTER_SEEN * jitter, 1.15 * jitter + 0.010
    if way.rate_ratio <= 1 - _NEAR_RATIO / 2:
        return 0.8 * (way.queue_seconds + jitter), 1.1 * (way.queue_seconds + jitter)
    return _JITTER_SEEN * jitter, 1.1 * way.queue_seconds + 1.15 * jitter


def _frames(
    way: Way, pace: Pace, loss: tuple[float, float], run: float, profile: Profile
) -> tuple[float, float]:
    """Bound the share of frames with a lost or late packet; chance counts over all frames."""
    plan = profile.up
    frames = plan.frames_per_second * _SECONDS
    touched = max(1.0, pace.frame_packets / run)
    low, high = (1 - (1 - min(1.0, one)) ** touched for one in loss)
    spread = _SIGMAS * math.sqrt(high * (1 - high) / frames)
    _, queue = _queue(way)
    late = 1.0 if queue > _PLAYOUT_SECONDS else 0.0
    bottom = max(0.0, low * (1 - _NEAR_RATIO) - spread)
    return bottom, min(1.0, max(late, high * (1 + _NEAR_RATIO) + spread))


def _round_trip(scenario: Scenario, number: int, profile: Profile, realised: Realised) -> Measure:
    line = scenario.line(number)
    hub = (
        _as_carried(
            getattr(scenario.hub_line, way), scenario, _carrying(scenario, way, profile, realised)
        )
        for way in ("up", "down")
    )
    ways = (line.up, line.down, *hub)
    delay = sum(way.delay_seconds for way in ways)
    queues = [_queue(way) for way in ways]
    low = delay + max(queue[0] for queue in queues)
    high = delay + sum(queue[1] for queue in queues)
    return Measure(
        low * (1 - _NEAR_RATIO), high * (1 + _NEAR_RATIO), profile.limits.rtt_p95_seconds
    )


def _worst(values: list[tuple[float, Limit]]) -> Verdict:
    found = {_verdict(value, limit) for value, limit in values}
    return max(found, key=_ORDER.index, default=Verdict.READY)


def _verdict(value: float, limit: Limit) -> Verdict:
    if value > limit.bad:
        return Verdict.NOT_READY
    return Verdict.DEGRADED if value > limit.warn else Verdict.READY


def _causes(
    own: Mapping[str, list[Measure]],
    hub: Mapping[str, list[Measure]],
    trip: list[Measure],
    verdict: Verdict,
) -> tuple[Cause | None, ...]:
    """Return the causes that explain ``verdict``; the round trip alone names no direction.

    A direction that only may be as bad as that may be named or not.
    """
    if verdict is Verdict.READY:
        return (None,)
    causes: list[Cause] = []
    for name, sides in (("own_line", own), ("hub_line", hub)):
        sure, possible = (
            {
                way
                for way, measures in sides.items()
                if _worst([(getattr(one, bound), one.limit) for one in measures]) is verdict
            }
            for bound in ("low", "high")
        )
        causes += [
            Cause(name if len(ways) == 2 else f"{name}_{min(ways)}")
            for ways in {frozenset(possible), *(frozenset({way}) for way in possible)}
            if ways and sure <= ways
        ]
    if not causes and _worst([(one.high, one.limit) for one in trip]) is verdict:
        causes = [Cause.OWN_LINE, Cause.OWN_LINE_UP, Cause.OWN_LINE_DOWN]
    return tuple(causes)
