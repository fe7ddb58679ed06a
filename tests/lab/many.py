"""Plays many scenarios, some of them at once, each in a district of its own."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

from diemcau_contract.profiles import PlanInFile, Profile
from tests.lab.runner import Outcome, play
from tests.lab.scenarios import BusyPc, Scenario
from tests.lab.stack import Stack
from tests.lab.table import say, say_again

_PLAN = PlanInFile(
    audio_bits_per_second=64_000, video_bits_per_second=960_000, frames_per_second=30
)
"""Of the default profile of config/bu-dang.yaml."""
_SMALL_POINTS = 8
_TRIES = 4

PROFILE = Profile(id="h323-720p", name="H.323 720p", up=_PLAN, down=_PLAN)


def play_all(scenarios: Sequence[Scenario], *, jobs: float = 1) -> list[Outcome]:
    """Play scenarios in ``jobs`` districts of eight points at once; outcomes come in their order.

    Of smaller districts so many more run at once, but never more points (1.5: twelve). Where one
    of the scenarios needs the machine for itself, they are played one after the other. All play in
    rounds: programs that start take a processor each, so all start together, and then all measure.
    What ran while the machine was too busy is no trial, right or wrong: it is played again, three
    times at most, after the first time by itself, for the others are some of what the machine is
    busy with.

    Raises:
        LabError: a district or the programs in it could not be started.
    """
    points = max(scenario.points for scenario in scenarios)
    at_once = max(1, int(jobs * _SMALL_POINTS / points)) if all(map(may_share, scenarios)) else 1
    count = min(at_once, len(scenarios))
    waiting = deque(enumerate(scenarios))
    again: deque[tuple[int, Scenario]] = deque()
    tried = [0] * len(scenarios)
    done: dict[int, Outcome] = {}
    # Left in this order: what still plays ends at once when its district is closed.
    with ThreadPoolExecutor(count) as pool, ExitStack() as running:
        districts = [Stack(points, PROFILE) for _ in range(count)]
        for district in districts:
            running.callback(district.close)
        list(pool.map(Stack.__enter__, districts))
        while waiting or again:
            turn = [waiting.popleft() for _ in range(min(count, len(waiting)))]
            turn = turn or [again.popleft()]
            played = pool.map(play, districts, [scenario for _, scenario in turn])
            for (number, scenario), outcome in zip(turn, played, strict=True):
                tried[number] += 1
                if outcome.disturbed and tried[number] < _TRIES:
                    # What the machine did once, it may not do again: then it was the others.
                    (waiting if tried[number] == 1 else again).append((number, scenario))
                    say_again(outcome)
                    continue
                done[number] = replace(outcome, tries=tried[number])
                say(done[number])
    return [done[number] for number in range(len(scenarios))]


def groups_of(scenarios: Sequence[Scenario]) -> list[list[Scenario]]:
    """Part what may be played at once, by its size, from what has the machine for itself.

    Alone are large districts, whose many programs cost the small ones time, and busy PCs: they
    would be busy for the others as well.
    """
    alone = [one for one in scenarios if not may_share(one)]
    large = [one for one in alone if one.points > _SMALL_POINTS]
    busy = [one for one in alone if one.points <= _SMALL_POINTS]
    shared = [one for one in scenarios if may_share(one)]
    sizes = sorted({one.points for one in shared})
    same = [[one for one in shared if one.points == size] for size in sizes]
    return [group for group in (*same, busy, large) if group]


def may_share(scenario: Scenario) -> bool:
    """Tell whether a scenario may be played beside others."""
    busy = any(isinstance(fault, BusyPc) for fault in scenario.faults)
    return scenario.points <= _SMALL_POINTS and not busy
