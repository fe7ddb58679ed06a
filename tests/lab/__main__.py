"""``python -m tests.lab``: play scenarios, print the table; exit 1 when something was wrong."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.lab import generator, stack
from tests.lab.district import ended_by_signals
from tests.lab.kernel import LabError
from tests.lab.many import groups_of, play_all
from tests.lab.runner import Outcome
from tests.lab.scenarios import NAMED, Scenario, named_scenarios
from tests.lab.table import document, print_table


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
    try:
        with ended_by_signals():
            groups = groups_of(chosen)
            outcomes: list[Outcome] = []
            for group in groups:
                outcomes += play_all(group, jobs=asked.jobs)
                # After each group: what is cut short has not played for nothing.
                _write(asked.json, outcomes)
    except LabError as error:
        sys.stderr.write(f"the lab: {error}\n")
        return 3
    print_table(outcomes)
    return 0 if all(outcome.is_right for outcome in outcomes) else 1


def _chosen(asked: argparse.Namespace, named: dict[str, Scenario]) -> list[Scenario]:
    fixed = [named[name] for name in asked.named or ()]
    if not fixed and asked.scenarios is None and not asked.number:
        fixed = list(named.values())
    fixed = [scenario for scenario in fixed for _ in range(asked.repeat)]
    count = max(asked.scenarios or 0, *(number + 1 for number in asked.number or [-1]))
    generated = generator.scenarios(count, asked.seed)
    if asked.number:
        generated = [generated[number] for number in asked.number]
    return [*fixed, *generated]


def _write(file: Path | None, outcomes: Sequence[Outcome]) -> None:
    if file is not None:
        file.write_text(json.dumps(document(outcomes), indent=1), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--scenarios", type=int, help="how many to generate (default: none)")
    parser.add_argument("--seed", type=int, default=1, help="of the generated ones (default: 1)")
    parser.add_argument(
        "--number", type=int, action="append", help="only this one of the generated, repeatable"
    )
    parser.add_argument("--named", action="append", metavar="NAME", help="a fixed one, repeatable")
    parser.add_argument("--repeat", type=int, default=1, help="play each fixed one this often")
    parser.add_argument("--file", type=Path, default=NAMED, help="YAML with the fixed ones")
    parser.add_argument(
        "--jobs",
        type=float,
        default=1,
        help="districts of 8 points at once, more of smaller ones (default: 1)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
