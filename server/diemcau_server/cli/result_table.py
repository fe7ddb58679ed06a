"""A finished test on standard output: the table, then who must do what, then one line overall."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from diemcau_contract.causes import WORDING, Cause, action
from diemcau_contract.guard_words import guard_name, hub_load_name
from diemcau_contract.result import PointResult, TestResult
from diemcau_contract.value_words import changes
from diemcau_contract.words import Direction, Status, Verdict
from diemcau_server.speech.collation import vietnamese_key
from diemcau_server.speech.duties import CARRIER, COMMUNE, TECHNICIAN, duty
from diemcau_server.speech.language import Speech
from diemcau_server.speech.wording import (
    COLOURS,
    VERDICTS,
    at_least,
    cause_name,
    device_fault,
    device_words,
    milliseconds,
    percent,
    verdict_words,
)


def print_result(
    result: TestResult, console: Console, say: Speech, *, asked_for_capacity: bool = False
) -> None:
    """Print the whole result; what was asked for and is not there is named."""
    console.print(result_table(result, say))
    if result.hub_line.cause is not None:
        words = verdict_words(result.hub_line.verdict, say)
        cause = _hub_cause_words(result, result.hub_line.cause, say)
        console.print(Text(say("Hub line: {words}: {cause}", words=words, cause=cause)))
        console.print()
    _print_capacity(result, console, say, asked=asked_for_capacity)
    _print_duties(result, console, say)
    console.print(Text(overall(result, say), style="bold"), soft_wrap=True)


def result_table(result: TestResult, say: Speech) -> Table:
    """Return one row a point, in Vietnamese order."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(say("Point"))
    for title in (say("RTT"), say("Loss up"), say("Loss down")):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column(say("Devices"))
    table.add_column(say("Verdict"))
    for point in in_order(result):
        line = point.line
        table.add_row(
            Text(point.name),
            milliseconds(_rtt_seconds(point), say),
            percent(line.up.loss_ratio if line.up else None, say),
            percent(line.down.loss_ratio if line.down else None, say),
            Text(device_words(point.devices, say)),
            Text(verdict_and_cause(point, say), style=COLOURS[point.verdict]),
        )
    return table


def in_order(result: TestResult) -> list[PointResult]:
    """Return the points in Vietnamese order of their names."""
    return sorted(result.points, key=lambda point: vietnamese_key(point.name))


def verdict_and_cause(point: PointResult, say: Speech) -> str:
    """Return the verdict of a point with its cause in a few words."""
    words = verdict_words(point.verdict, say)
    return words if point.cause is None else f"{words}: {_cause_words(point, point.cause, say)}"


def overall(result: TestResult, say: Speech) -> str:
    """Return the one line about all points."""
    total = say.count("{number} point", "{number} points", len(result.points))
    parts = []
    for verdict in Verdict:
        number = sum(point.verdict is verdict for point in result.points)
        if number:
            parts.append(f"{number} {say(VERDICTS[verdict])}")
    duration = say("measured in {seconds} s", seconds=say.number(result.duration_seconds, 1))
    test = say("test {test}", test=result.test)
    return f"{total}: {', '.join(parts)} ({duration}; {test})"


def _print_capacity(result: TestResult, console: Console, say: Speech, *, asked: bool) -> None:
    """Print what this test measured; what is known from before stands in the JSON with its age."""
    measured = [
        one for one in in_order(result) if one.line.capacity.measured_at == result.started_at
    ]
    missing = [one.name for one in in_order(result) if one not in measured]
    if not measured and not asked:
        return
    console.print(Text(say("Capacity of each line"), style="bold"))
    for one in measured:
        capacity, bounds = one.line.capacity, lower_bounds(one)
        words = say(
            "up {up}, down {down}",
            up=at_least(capacity.up_bits_per_second, say, bound="up" in bounds),
            down=at_least(capacity.down_bits_per_second, say, bound="down" in bounds),
        )
        console.print(_hanging(f"{one.name}: {words}"))
    if any(lower_bounds(one) for one in measured):
        console.print(_hanging(say("≥: at least this; the line may carry more.")))
    if asked and missing:
        names = ", ".join(missing)
        console.print(
            _hanging(say("Not measured: {names}; the server's log says why.", names=names))
        )
    console.print()


def lower_bounds(point: PointResult) -> frozenset[str]:
    """Return the directions in which a point's capacity is only known to be at least so much."""
    rules = {finding.rule for finding in point.findings}
    return frozenset(way for way in Direction if f"line.{way}.capacity_at_least" in rules)


def _print_duties(result: TestResult, console: Console, say: Speech) -> None:
    groups = _duties(result, say)
    console.print(Text(say("Who must do what"), style="bold"))
    if not any(groups.values()):
        console.print(Padding(Text(say("Nobody has anything to do.")), (0, 0, 1, 2)))
        return
    for who, duties in groups.items():
        if not duties:
            continue
        console.print(Padding(Text(f"{say(who)}:", style="underline"), (0, 0, 0, 2)))
        for what, names in duties.items():
            console.print(_hanging(f"{', '.join(names)}: {what}"))
    console.print()


def _duties(result: TestResult, say: Speech) -> dict[str, dict[str, list[str]]]:
    """Return what each has to do, with the names of the points where it is the same."""
    groups: dict[str, dict[str, list[str]]] = {COMMUNE: {}, TECHNICIAN: {}, CARRIER: {}}
    for point in in_order(result):
        if point.verdict is Verdict.READY:
            continue
        cause = point.cause or Cause.UNKNOWN
        words = f"{_cause_words(point, cause, say)}. {say.pick(point.action)}"
        for due, what in [(cause, words), *_other_faults(point, say)]:
            groups[duty(due)].setdefault(what, []).append(point.name)
    return groups


def _hanging(line: str) -> Table:
    """Return one point of a list, its further lines indented under the first."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=5, justify="right")
    grid.add_column()
    grid.add_row("-", Text(line))
    return grid


def _other_faults(point: PointResult, say: Speech) -> Iterator[tuple[Cause, str]]:
    """Yield the device faults beyond the one that the verdict names."""
    named = point.cause
    for device in point.devices:
        if device.status not in (Status.BAD, Status.WARN) or not device.causes:
            continue
        cause = device.causes[0]
        if cause == named:
            named = None
            continue
        what, numbers = device_fault(device, cause, say), changes([device])
        to_do = action(cause, device=device.kind, values=device.values, evidence=numbers)
        yield cause, f"{what}. {say.pick(to_do)}"


def _cause_words(point: PointResult, cause: Cause, say: Speech) -> str:
    for device in point.devices:
        if cause in device.causes and device.status is not Status.OK:
            return device_fault(device, cause, say)
        if cause is Cause.UNKNOWN and device.status is Status.BAD:
            return device_fault(device, cause, say)
    return say.pick(guard_name(cause, point.findings) or WORDING[cause].name)


def _hub_cause_words(result: TestResult, cause: Cause, say: Speech) -> str:
    """Return what is in the way of the hub's line: its guard, or too few that loaded it."""
    if cause is Cause.UNKNOWN:
        names = Counter(guard_name(cause, point.findings) for point in result.points)
        name, count = names.most_common(1)[0] if names else (None, 0)
        if name is not None and 2 * count >= len(result.points):
            return say.pick(name)
        loaded = hub_load_name(one for point in result.points for one in point.findings)
        if loaded is not None:
            return say.pick(loaded)
    return cause_name(cause, say)


def _rtt_seconds(point: PointResult) -> float | None:
    idle = point.line.idle
    if idle is not None and idle.rtt_seconds is not None:
        return idle.rtt_seconds.p50
    loaded = point.line.loaded_rtt_seconds
    return loaded.p50 if loaded else None


def all_ready(points: Sequence[PointResult]) -> bool:
    """Say whether every point is ready; no point at all is not."""
    return bool(points) and all(point.verdict is Verdict.READY for point in points)
