"""What came out of the scenarios, as a table for people and as JSON for others."""

import statistics
import sys
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.lab.naming import NAMED_EARLY
from tests.lab.runner import Outcome, PointOutcome


def print_table(outcomes: Sequence[Outcome]) -> None:
    """Print one row per scenario, each wrong point, and the sums."""
    console = Console(width=150)
    table = Table("scenario", "n", "verdict right", "cause right", "near")
    for name in (
        "max loss error",
        "loss spread",
        "max RTT error",
        "max capacity error",
        "busy",
        "seconds",
    ):
        table.add_column(name, justify="right")
    for outcome in outcomes:
        table.add_row(*_row(outcome))
    console.print(table)
    for outcome in outcomes:
        for line in wrongs(outcome):
            console.print(line, markup=False)
    for name, value in summary(outcomes).items():
        console.print(f"{name}: {value}", markup=False)


def wrongs(outcome: Outcome) -> list[str]:
    """Return a line for each thing that is wrong in an outcome."""
    failure = [f"{outcome.scenario.name}: {outcome.failure}"] if outcome.failure else []
    return failure + [
        _wrong(point)
        for point in outcome.counted
        if not (point.verdict_right and point.cause_right)
    ]


def say(outcome: Outcome) -> None:
    """Tell the progress on stderr."""
    mark = "ok   " if outcome.is_right else "WRONG"
    lines = [f"{mark} {outcome.scenario.name} {outcome.seconds:.0f} s {_notes(outcome)}"]
    lines += [f"      {one}" for one in wrongs(outcome)]
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.stderr.flush()


def say_again(outcome: Outcome) -> None:
    """Tell on stderr what is to be played again, and why."""
    sys.stderr.write(f"again {outcome.scenario.name} {_notes(outcome)}\n")
    sys.stderr.flush()


def _notes(outcome: Outcome) -> str:
    notes = [f"machine {outcome.machine_busy_ratio:.0%} busy", *outcome.disturbances]
    if outcome.tries > 1:
        notes.append(f"try {outcome.tries}")
    return f"({', '.join(notes)})"


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the sums: shares of right verdicts and causes over points away from limits."""
    points = [point for outcome in outcomes for point in outcome.points]
    counted = [point for outcome in outcomes for point in outcome.counted]
    losses = [abs(error) for point in points for error in point.loss_errors.values()]
    counts = [abs(error) for point in points for error in point.count_errors.values()]
    trips = [abs(p.rtt_error_seconds) for p in points if p.rtt_error_seconds is not None]
    rates = [abs(error) for point in points for error in point.capacity_errors.values()]
    caused = [point for point in counted if point.expected.causes != (None,)]
    return {
        "scenarios": len(outcomes),
        "scenarios_right": sum(outcome.is_right for outcome in outcomes),
        "scenarios_failed": sum(bool(outcome.failure) for outcome in outcomes),
        "scenarios_disturbed": sum(outcome.disturbed for outcome in outcomes),
        "scenarios_replayed": sum(outcome.tries > 1 for outcome in outcomes),
        "points": len(points),
        "points_near": len(points) - len(counted),
        "verdict_right_ratio": _share(counted, lambda point: point.verdict_right),
        "cause_right_ratio": _share(caused, lambda point: point.cause_right),
        "host_warnings": sum(point.host_warning for point in points),
        "points_flipped": _flipped(points),
        "named_early_seconds": _spread(
            [point.named_seconds for point in counted if point.named_seconds is not None]
        ),
        "named_only_at_the_end": sum(
            point.cause in NAMED_EARLY and point.named_seconds is None for point in counted
        ),
        "false_ready": sum(point.false_ready for point in counted),
        "loss_error_ratio": _spread(losses),
        "count_error_packets": _spread(counts),
        "rtt_error_seconds": _spread(trips),
        "capacity_error_ratio": _spread(rates),
    }


def document(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return everything, for a file."""
    rows = [
        {
            "scenario": outcome.scenario.model_dump(mode="json"),
            "seconds": round(outcome.seconds, 1),
            "loss_spread": outcome.loss_spread,
            "failure": outcome.failure,
            "machine_busy_ratio": round(outcome.machine_busy_ratio, 3),
            "machine_wait_seconds": round(outcome.machine_wait_seconds, 3),
            "tries": outcome.tries,
            "points": [_document_point(point) for point in outcome.points],
        }
        for outcome in outcomes
    ]
    return {"summary": summary(outcomes), "scenarios": rows}


def _document_point(point: PointOutcome) -> dict[str, Any]:
    return {
        "point": point.point,
        "expected": point.expected.model_dump(mode="json"),
        "verdict": point.verdict,
        "cause": point.cause,
        "findings": list(point.findings),
        "named_seconds": point.named_seconds,
        "host_warning": point.host_warning,
        "losses": dict(point.losses),
        "loss_errors": dict(point.loss_errors),
        "count_errors": dict(point.count_errors),
        "rtt_error_seconds": point.rtt_error_seconds,
        "capacity_errors": dict(point.capacity_errors),
    }


def _row(outcome: Outcome) -> list[str]:
    counted, spread = outcome.counted, outcome.loss_spread
    losses = [abs(error) for point in outcome.points for error in point.loss_errors.values()]
    trips = [abs(p.rtt_error_seconds) for p in outcome.points if p.rtt_error_seconds is not None]
    rates = [abs(error) for point in outcome.points for error in point.capacity_errors.values()]
    return [
        outcome.scenario.name,
        str(outcome.scenario.points),
        f"{sum(point.verdict_right for point in counted)}/{len(counted)}",
        f"{sum(point.cause_right for point in counted)}/{len(counted)}",
        str(len(outcome.points) - len(counted)),
        f"{max(losses) * 100:.2f} pt" if losses else "-",
        f"{spread * 100:.2f} pt" if spread is not None else "-",
        f"{max(trips) * 1000:.2f} ms" if trips else "-",
        f"{max(rates) * 100:.1f} %" if rates else "-",
        f"{outcome.machine_busy_ratio:.0%}",
        f"{outcome.seconds:.0f}",
    ]


def _wrong(point: PointOutcome) -> str:
    causes = "|".join(str(cause) for cause in point.expected.causes)
    return (
        f"{point.scenario} point {point.point}: said {point.verdict}/{point.cause}, "
        f"right is {point.expected.verdict}/{causes}"
        f" [{' '.join(point.findings)}]"
    )


def _flipped(points: Sequence[PointOutcome]) -> int | None:
    """Return how many points of repeated scenarios got more than one verdict or cause."""
    said: dict[tuple[str, int], set[tuple[str, str | None]]] = {}
    for point in points:
        said.setdefault((point.scenario, point.point), set()).add((point.verdict, point.cause))
    repeated = len(said) < len(points)
    return sum(len(answers) > 1 for answers in said.values()) if repeated else None


def _share(
    points: Sequence[PointOutcome], is_right: Callable[[PointOutcome], bool]
) -> float | None:
    return round(sum(map(is_right, points)) / len(points), 4) if points else None


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {"median": round(statistics.median(values), 6), "max": round(max(values), 6)}
