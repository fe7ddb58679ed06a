"""Scenarios from a seed: the same seed gives the same districts, on any machine."""

import random

from tests.lab.scenarios import Background, BusyPc, ClockStep, Fault, KillAgent, Scenario, Way, Ways
from tests.lab.shapes import BurstLoss

_SMALL, _LARGE = (4, 5, 6, 8), 16
_LARGE_SHARE = 0.05
_GOOD_HUB = Ways(up=Way(rate_ratio=1.5), down=Way(rate_ratio=1.5))

Chance = random.Random


def scenarios(count: int, seed: int) -> list[Scenario]:
    """Return ``count`` scenarios of ``seed``; scenario k does not depend on ``count``."""
    return [_scenario(seed, number) for number in range(count)]


def _scenario(seed: int, number: int) -> Scenario:
    chance = Chance(f"{seed}/{number}")
    points = _LARGE if chance.random() < _LARGE_SHARE else chance.choice(_SMALL)
    hub = _hub_line(chance) if chance.random() < 0.3 else _GOOD_HUB
    lines = {
        point: _bad_line(chance) if chance.random() < 0.3 else _good_line(chance)
        for point in range(1, points + 1)
    }
    if chance.random() < 0.08 and points >= 2:
        lines[1] = lines[2] = _equal_pair(chance)
    faults: tuple[Fault, ...] = ()
    if chance.random() < 0.12:
        faults = (_fault(chance, points),)
    background: tuple[Background, ...] = ()
    if chance.random() < 0.1 and hub is _GOOD_HUB:
        point = chance.randint(1, points)
        lines[point] = Ways()
        direction = chance.choice(("up", "down"))
        background = (Background(point=point, direction=direction, rate_ratio=0.3),)
    return Scenario(
        name=f"s{seed}-{number}",
        points=points,
        hub_line=hub,
        lines=lines,
        faults=faults,
        background=background,
        seed=chance.randrange(1_000_000),
    )


def _good_line(chance: Chance) -> Ways:
    if chance.random() < 0.5:
        return Ways()
    delay = chance.uniform(0.002, 0.035)
    up, down = (
        Way(
            rate_ratio=chance.uniform(1.6, 8.0),
            queue_seconds=chance.uniform(0.03, 0.5),
            delay_seconds=delay if chance.random() < 0.5 else 0.0,
        )
        for _ in range(2)
    )
    return Ways(up=up, down=down)


def _bad_line(chance: Chance) -> Ways:
    if chance.random() < 0.08:
        return Ways(udp_blocked=True)
    make = chance.choice((_short, _short, _lossy, _lossy, _bursty, _far, _shaky, _bloated))
    sides = chance.choice((("up",), ("down",), ("up", "down")))
    return Ways(**{side: make(chance) for side in sides})


def _short(chance: Chance) -> Way:
    return Way(rate_ratio=chance.uniform(0.5, 0.96), queue_seconds=chance.uniform(0.03, 0.4))


def _lossy(chance: Chance) -> Way:
    return Way(loss_ratio=10 ** chance.uniform(-3.3, -0.9))


def _bursty(chance: Chance) -> Way:
    length = chance.uniform(8, 40)
    every = chance.uniform(200, 1500)
    return Way(burst_loss=BurstLoss(enter_ratio=1 / every, leave_ratio=1 / length))


def _far(chance: Chance) -> Way:
    return Way(delay_seconds=chance.uniform(0.04, 0.25))


def _shaky(chance: Chance) -> Way:
    return Way(delay_seconds=0.005, jitter_seconds=chance.uniform(0.01, 0.2))


def _bloated(chance: Chance) -> Way:
    return Way(rate_ratio=chance.uniform(0.9, 0.99), queue_seconds=chance.uniform(0.5, 2.0))


def _equal_pair(chance: Chance) -> Ways:
    """Return one bad line for two points: the trap of delays that move together."""
    way = Way(rate_ratio=chance.uniform(0.8, 0.94), queue_seconds=0.1)
    return Ways(up=way) if chance.random() < 0.5 else Ways(down=way)


def _hub_line(chance: Chance) -> Ways:
    make = chance.choice((_hub_short, _hub_short, _hub_short, _lossy))
    sides = chance.choice((("up",), ("down",), ("up", "down")))
    room = {"up": Way(rate_ratio=1.5), "down": Way(rate_ratio=1.5)}
    return Ways(**(room | {side: make(chance) for side in sides}))


def _hub_short(chance: Chance) -> Way:
    return Way(rate_ratio=chance.uniform(0.75, 0.96), queue_seconds=chance.uniform(0.05, 0.3))


def _fault(chance: Chance, points: int) -> Fault:
    point = chance.randint(1, points)
    after = chance.uniform(8.0, 14.0)
    which = chance.randrange(3)
    if which == 0:
        return KillAgent(kind="kill_agent", point=point, after_seconds=after)
    if which == 1:
        return BusyPc(kind="busy_pc", point=point)
    step = chance.choice((-1, 1)) * chance.uniform(0.05, 5.0)
    return ClockStep(kind="clock_step", point=point, after_seconds=after, step_seconds=step)
