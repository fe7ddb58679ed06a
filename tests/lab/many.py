"""Plays many scenarios, some of them at once, each in a district of its own."""

import contextlib
import itertools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from operator import itemgetter
from queue import Empty, SimpleQueue
from threading import Barrier, BrokenBarrierError

from diemcau_contract.profiles import PlanInFile, Profile
from tests.lab.runner import Outcome, play
from tests.lab.scenarios import BusyPc, Scenario
from tests.lab.stack import Stack
from tests.lab.table import say

_PLAN = PlanInFile(
    audio_bits_per_second=64_000, video_bits_per_second=960_000, frames_per_second=30
)
"""Of the default profile of config/bu-dang.yaml."""
_SMALL_POINTS = 8
_HALF_POINTS = _SMALL_POINTS // 2
_START_SECONDS = 120.0
_TEST_SECONDS = 38.0

PROFILE = Profile(id="h323-720p", name="H.323 720p", up=_PLAN, down=_PLAN)


Waiting = SimpleQueue[tuple[int, Scenario]]
"""Scenarios with their places in the order."""


def play_all(scenarios: Sequence[Scenario], *, jobs: int = 1) -> list[Outcome]:
    """Play scenarios in ``jobs`` districts of eight points at once; outcomes come in their order.

    Of districts half as large a third more run at once. Where one of the scenarios needs the
    machine for itself, they are played one after the other.

    Raises:
        LabError: a district or the programs in it could not be started.
    """
    waiting: Waiting = SimpleQueue()
    for entry in enumerate(scenarios):
        waiting.put(entry)
    points = max(scenario.points for scenario in scenarios)
    jobs = jobs * 4 // 3 if points <= _HALF_POINTS else jobs
    jobs = min(jobs, len(scenarios)) if all(map(may_share, scenarios)) else 1
    # Programs that start take a processor each: nobody measures until all of them stand.
    all_stand = Barrier(jobs, timeout=_START_SECONDS)
    if jobs == 1:
        return [outcome for _, outcome in _work(waiting, points, all_stand, 0)]
    with ThreadPoolExecutor(jobs) as pool:
        # One after the other: rehearsals of all districts at the same time are most to carry.
        working = [
            pool.submit(_work, waiting, points, all_stand, number * _TEST_SECONDS / jobs)
            for number in range(jobs)
        ]
        try:
            wait(working)
        except BaseException:  # somebody ends it: what is being played is the last
            _drain(waiting)
            raise
    failed = [error for one in working if (error := one.exception()) is not None]
    for error in sorted(failed, key=lambda one: isinstance(one, BrokenBarrierError)):
        raise error  # the first that failed by itself
    done = sorted(itertools.chain.from_iterable(one.result() for one in working), key=itemgetter(0))
    return [outcome for _, outcome in done]


def _work(
    waiting: Waiting, points: int, all_stand: Barrier, delay_seconds: float
) -> list[tuple[int, Outcome]]:
    """Play in one district whatever still waits."""
    done: list[tuple[int, Outcome]] = []
    with _all_or_none(all_stand), Stack(points, PROFILE) as running:
        all_stand.wait()
        time.sleep(delay_seconds)
        while True:
            try:
                number, scenario = waiting.get_nowait()
            except Empty:
                return done
            outcome = play(running, scenario)
            say(outcome)
            done.append((number, outcome))


def _drain(queue: Waiting) -> None:
    with contextlib.suppress(Empty):
        while True:
            queue.get_nowait()


@contextlib.contextmanager
def _all_or_none(barrier: Barrier) -> Iterator[None]:
    """Let nobody wait for one that has failed."""
    try:
        yield
    except BaseException:
        barrier.abort()
        raise


def groups_of(scenarios: Sequence[Scenario]) -> list[list[Scenario]]:
    """Part what may be played at once, by its size, from what has the machine for itself.

    Alone are large districts, whose many programs cost the small ones time, and busy PCs: they
    would be busy for the others as well.
    """
    alone = [one for one in scenarios if not may_share(one)]
    large = [one for one in alone if one.points > _SMALL_POINTS]
    busy = [one for one in alone if one.points <= _SMALL_POINTS]
    shared = [one for one in scenarios if may_share(one)]
    half = [one for one in shared if one.points <= _HALF_POINTS]
    whole = [one for one in shared if one.points > _HALF_POINTS]
    return [group for group in (half, whole, busy, large) if group]


def may_share(scenario: Scenario) -> bool:
    """Tell whether a scenario may be played beside others."""
    busy = any(isinstance(fault, BusyPc) for fault in scenario.faults)
    return scenario.points <= _SMALL_POINTS and not busy
