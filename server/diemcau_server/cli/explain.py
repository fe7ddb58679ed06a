"""``--explain``: every finding with its limit, every device's numbers, every probe's own log."""

from collections.abc import Mapping, Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from diemcau_contract.evidence import PointEvidence
from diemcau_contract.result import DeviceLine, Finding, PointResult
from diemcau_contract.value_words import label, number
from diemcau_server.cli.answers import Detail
from diemcau_server.cli.line_detail import capacity_facts, facts, seconds_table, steps_table
from diemcau_server.cli.result_table import verdict_and_cause
from diemcau_server.speech.language import Speech, mark
from diemcau_server.speech.wording import COLOURS, STATUSES, SYMBOLS, device_name, said

_RULES: Final[Mapping[str, str]] = {
    "agent.answered": mark("agent answered"),
    "line.udp": mark("UDP passes"),
    "line.idle.rtt": mark("round trip at rest (p95)"),
    "line.loaded.rtt": mark("round trip under load (p95)"),
    "devices": mark("devices checked"),
    "host": mark("the PC"),
    "schedule_error": mark("sender's timing error (p99)"),
    "not_sent": mark("packets that were not sent"),
    "line.clock_offset": mark("clock offset, hub minus PC (known to within)"),
    "local_drops": mark("packets dropped inside the PC"),
    "cpu": mark("processor load"),
    "clock_step": mark("step of the clock"),
    "loss": mark("packet loss, worst 15 s"),
    "loss_worst_200ms": mark("packet loss, worst 200 ms"),
    "queue_delay": mark("queueing delay (p95)"),
    "jitter": mark("jitter"),
    "reorder": mark("reordered packets"),
    "late_frames": mark("late frames"),
    "margin": mark("packet loss at 120 % of the plan"),
    "hub_load": mark("load of the hub line beside it, of the plan of all"),
    "capacity": mark("capacity (RFC 9097)"),
    "capacity_at_least": mark("capacity, at least"),
    "line.path_mtu": mark("largest packet of the path"),
    "line.dscp": mark("priority mark (DSCP) on arrival"),
}
_PLACES: Final[Mapping[str, str]] = {
    "line.up": mark("line up"),
    "line.down": mark("line down"),
    "test.up": mark("test validity, up"),
    "test.down": mark("test validity, down"),
    "test.point": mark("test validity, PC of the room"),
    "test.hub": mark("test validity, hub"),
}
_CONFIDENCES: Final[Mapping[str, str]] = {
    "high": mark("high"), "medium": mark("medium"), "low": mark("low"),
}  # fmt: skip
_MEGA: Final = 1_000_000
_FINE_MILLISECONDS: Final = 10
_DEVICE_RULE_PARTS: Final = 3


def print_explanation(
    points: Sequence[PointResult], detail: Detail, console: Console, say: Speech
) -> None:
    """Print all that led to each verdict."""
    known = {point.point: point for point in detail.points}
    for point in points:
        heading = f"{point.name} ({point.point})"
        console.print(Text(f"\n{heading}", style="bold"))
        console.print(Text(f"  {verdict_and_cause(point, say)}", style=COLOURS[point.verdict]))
        confidence = said(_CONFIDENCES, point.confidence, say)
        words = say("Confidence: {confidence}", confidence=confidence)
        console.print(Padding(Text(words), (0, 0, 0, 2)))
        console.print(Padding(Text(say.pick(point.action)), (0, 0, 0, 2)))
        console.print(Padding(_findings(point.findings, say), (0, 0, 0, 2)))
        behind = known.get(point.point)
        if behind is not None and behind.evidence is not None:
            _print_line(behind.evidence, console, say)
        for line in capacity_facts(behind.capacity if behind else {}, say):
            console.print(Padding(Text(line), (0, 0, 0, 2)))
        for device in point.devices:
            _print_device(device, console, say)
        _print_logs(behind.logs if behind else {}, console, say)


def rule_words(rule: str, say: Speech) -> str:
    """Return a rule's name in words; a rule that is not known stays as it is."""
    if rule in _RULES:
        return say(_RULES[rule])
    place, _, name = rule.rpartition(".")
    if place in _PLACES and name in _RULES:
        return f"{say(_PLACES[place])}: {say(_RULES[name])}"
    parts = rule.split(".")
    if parts[0] == "device" and len(parts) == _DEVICE_RULE_PARTS:
        return device_name(parts[1], parts[2], say)
    return rule


def amount(value: float | None, unit: str, say: Speech) -> str:
    """Return a value in the form in which people say it: %, ms, kbit/s."""
    if value is None:
        return "–"
    if unit == "ratio":
        return f"{say.number(value * 100, 2)} %"
    if unit == "seconds":
        shown = value * 1000
        return f"{say.number(shown, 2 if shown < _FINE_MILLISECONDS else 1)} ms"
    if unit == "bits_per_second":
        mega = value >= _MEGA
        return f"{say.number(value / (_MEGA if mega else 1000), 1)} {'M' if mega else 'k'}bit/s"
    return f"{say.number(value, 0 if value == int(value) else 2)} {unit}".rstrip()


def _findings(findings: Sequence[Finding], say: Speech) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(say("Finding"))
    table.add_column(say("Outcome"))
    table.add_column(say("Value"), justify="right")
    table.add_column(say("Limit"), justify="right")
    for finding in findings:
        status = f"{SYMBOLS[finding.status]} {said(STATUSES, finding.status, say)}"
        measured = bool(finding.unit)
        table.add_row(
            Text(rule_words(finding.rule, say)),
            Text(status, style=COLOURS.get(finding.status, "")),
            amount(finding.value, finding.unit, say) if measured else "",
            amount(finding.limit, finding.unit, say) if measured else "",
        )
    return table


def _print_line(evidence: PointEvidence, console: Console, say: Speech) -> None:
    for line in facts(evidence, say):
        console.print(Padding(Text(line), (0, 0, 0, 2)))
    if evidence.up.traffic is None and evidence.down.traffic is None:
        return
    console.print(Padding(steps_table(evidence, say), (0, 0, 0, 2)))
    console.print(Padding(Text(say("The rehearsal second by second")), (0, 0, 0, 2)))
    console.print(Padding(seconds_table(evidence, say), (0, 0, 0, 2)))


def _print_device(device: DeviceLine, console: Console, say: Speech) -> None:
    status = f"{SYMBOLS[device.status]} {said(STATUSES, device.status, say)}"
    causes = ", ".join(device.causes)
    heading = f"{device_name(device.kind, device.role, say)}: {status}"
    console.print(Text(f"  {heading}{f' ({causes})' if causes else ''}"))
    values = [
        f"{say.pick(label(name))}: {number(name, value, say.language)}"
        for name, value in device.values.items()
    ]
    if values:
        console.print(Padding(Text("; ".join(values)), (0, 0, 0, 4)))


def _print_logs(logs: Mapping[str, str], console: Console, say: Speech) -> None:
    for name, log in sorted(logs.items()):
        if not log.strip():
            continue
        kind, _, role = name.partition(".")
        title = say("Log of {probe}", probe=device_name(kind, role or "main", say))
        console.print(Text(f"  {title}:"))
        console.print(Padding(Text(log.strip()), (0, 0, 0, 4)))
