"""``python -m tests.lab``: play scenarios, print the table; exit 1 when something was wrong."""

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue

from diemcau_contract.profiles import PlanInFile, Profile
from tests.lab import generator, stack
from tests.lab.district import ended_by_signals
from tests.lab.kernel import LabError
from tests.lab.runner import Outcome, play, say
from tests.lab.scenarios import NAMED, Scenario, named_scenarios
from tests.lab.stack import Stack
from tests.lab.table import document, print_table

_PLAN = PlanInFile(
    audio_bits_per_second=64_000, video_bits_per_second=1_936_000, frames_per_second=30
)
_SMALL_POINTS = 8
PROFILE = Profile(id="h323-720p", name="H.323 720p", up=_PLAN, down=_PLAN)


def main() -> int:
    """Run the command line; 0 all right, 1 something wrong, 2 usage, 3 the lab cannot run."""
    asked = _parser().parse_args()
    if lacking := stack.missing():
        sys.stderr.write(f"the lab: {lacking}\n")
        return 3
    named = named_scenarios(asked.file)
    if unknown := [name for name in asked.named or () if name not in named]:
        sys.stderr.write(f"no scenario {', '.join(unknown)}; there are: {', '.join(named)}\n")
        return 2
    chosen = _chosen(asked, named)
    outcomes: list[Outcome] = []
    try:
        with ended_by_signals():
            for group in _by_size(chosen):
                outcomes += play_all(group, PROFILE, jobs=asked.jobs)
    except LabError as error:
        sys.stderr.write(f"the lab: {error}\n")
        return 3
    print_table(outcomes)
    if asked.json is not None:
        asked.json.write_text(json.dumps(document(outcomes), indent=1), encoding="utf-8")
    return 0 if all(outcome.is_right for outcome in outcomes) else 1


def play_all(scenarios: Sequence[Scenario], profile: Profile, *, jobs: int = 1) -> list[Outcome]:
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
        with Stack(points, profile) as running:
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


def _chosen(asked: argparse.Namespace, named: dict[str, Scenario]) -> list[Scenario]:
    fixed = [named[name] for name in asked.named or ()]
    if not fixed and asked.scenarios is None:
        fixed = list(named.values())
    return [*fixed, *generator.scenarios(asked.scenarios or 0, asked.seed)]


def _by_size(scenarios: Sequence[Scenario]) -> list[list[Scenario]]:
    """Part small districts from large ones, whose many idle programs cost the small ones time."""
    small = [scenario for scenario in scenarios if scenario.points <= _SMALL_POINTS]
    large = [scenario for scenario in scenarios if scenario.points > _SMALL_POINTS]
    return [group for group in (small, large) if group]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--scenarios", type=int, help="how many to generate (default: none)")
    parser.add_argument("--seed", type=int, default=1, help="of the generated ones (default: 1)")
    parser.add_argument("--named", action="append", metavar="NAME", help="a fixed one, repeatable")
    parser.add_argument("--file", type=Path, default=NAMED, help="YAML with the fixed ones")
    parser.add_argument("--jobs", type=int, default=1, help="districts at once (default: 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
