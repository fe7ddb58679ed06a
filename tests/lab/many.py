"""Plays many scenarios, some of them at once, each in a district of its own."""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue

from diemcau_contract.profiles import PlanInFile, Profile
from tests.lab.runner import Outcome, play, say
from tests.lab.scenarios import Scenario
from tests.lab.stack import Stack

_PLAN = PlanInFile(
    audio_bits_per_second=64_000, video_bits_per_second=1_936_000, frames_per_second=30
)
_SMALL_POINTS = 8
PROFILE = Profile(id="h323-720p", name="H.323 720p", up=_PLAN, down=_PLAN)


def play_all(scenarios: Sequence[Scenario], *, jobs: int = 1) -> list[Outcome]:
    """Play scenarios in ``jobs`` districts at once; outcomes come in the given order.

    Raises:
        LabError: a district or the programs in it could not be started.
    """
    waiting: SimpleQueue[tuple[int, Scenario]] = SimpleQueue()
    for entry in enumerate(scenarios):
        waiting.put(entry)
    points = max(scenario.points for scenario in scenarios)

    def work() -> list[tuple[int, Outcome]]:
        done: list[tuple[int, Outcome]] = []
        with Stack(points, PROFILE) as running:
            while True:
                try:
                    number, scenario = waiting.get_nowait()
                except Empty:
                    return done
                outcome = play(running, scenario)
                say(outcome)
                done.append((number, outcome))

    if jobs == 1:
        return [outcome for _, outcome in work()]
    with ThreadPoolExecutor(jobs) as pool:
        parts = [part.result() for part in [pool.submit(work) for _ in range(jobs)]]
    done = sorted(itertools.chain.from_iterable(parts), key=lambda entry: entry[0])
    return [outcome for _, outcome in done]


def by_size(scenarios: Sequence[Scenario]) -> list[list[Scenario]]:
    """Part small districts from large ones, whose many idle programs cost the small ones time."""
    small = [scenario for scenario in scenarios if scenario.points <= _SMALL_POINTS]
    large = [scenario for scenario in scenarios if scenario.points > _SMALL_POINTS]
    return [group for group in (small, large) if group]
