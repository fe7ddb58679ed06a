"""Plays scenarios one after another in one running district and holds results against the truth."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Timer
from typing import Any

import psutil

from diemcau_contract.causes import Cause
from diemcau_contract.words import Verdict
from diemcau_server.steps import GROUPS
from tests.lab import plan
from tests.lab.expectations import expected_of, pace_of
from tests.lab.kernel import LabError
from tests.lab.naming import NAMED_EARLY, NamingWatch
from tests.lab.scenarios import (
    Background,
    BusyPc,
    ClockStep,
    Expected,
    Fault,
    KillAgent,
    Scenario,
    line_of,
)
from tests.lab.stack import Stack, point_id
from tests.lab.truth import Passed, TruthRecorder, rehearsal

_SETTLE_SECONDS = 1.0
_BUSY_RATIO = 0.85
_WAIT_SECONDS = 0.15
_POINT_LATE = "test.up.schedule_error="
_HUB_LATE = "test.down.schedule_error="
_DIRECTIONS = ("up", "down")
_IPERF_PORT = 5200


@dataclass(frozen=True, slots=True)
class PointOutcome:
    """One point: what was right to say, what was said, and how far the numbers were off."""

    scenario: str
    point: int
    expected: Expected
    verdict: str
    cause: str | None
    findings: tuple[str, ...] = ()
    """What was not ok, as ``rule=value``."""
    losses: Mapping[str, float] = field(default_factory=dict)
    """Reported loss ratio of the rehearsal, by direction."""
    loss_errors: Mapping[str, float] = field(default_factory=dict)
    """Reported minus true loss ratio, by direction."""
    count_errors: Mapping[str, int] = field(default_factory=dict)
    """Packets counted by the receiver minus those that arrived, by direction."""
    rtt_error_seconds: float | None = None
    """Reported idle median minus the delays that were set."""
    named_seconds: float | None = None
    """From the end of the step that can see it until the cause was named; None where it was not
    named before the result, or is none that must be."""
    host_warning: bool = False
    """Only the PC itself was complained of (its clock, its load): as for the line, ready."""
    capacity_errors: Mapping[str, float] = field(default_factory=dict)
    """Reported over true rate, minus 1, by direction."""

    @property
    def verdict_right(self) -> bool:
        """Tell whether the verdict is the expected one."""
        return self.verdict == self.expected.verdict

    @property
    def cause_right(self) -> bool:
        """Tell whether the cause is one of the expected ones."""
        return self.cause in self.expected.causes

    @property
    def false_ready(self) -> bool:
        """Tell whether a point far from ready was called ready."""
        return self.verdict == Verdict.READY and self.expected.verdict is Verdict.NOT_READY


@dataclass(frozen=True, slots=True)
class Outcome:
    """One scenario."""

    scenario: Scenario
    seconds: float
    points: tuple[PointOutcome, ...]
    failure: str = ""
    """Why there was no result at all."""
    machine_busy_ratio: float = 0.0
    """Busy share of all processors during the test."""
    machine_wait_seconds: float = 0.0
    """Longest time that the lab's own sampling had to wait for a processor."""
    tries: int = 1

    @property
    def disturbed(self) -> bool:
        """Tell whether foreign load made this no trial of the project.

        All ends share this machine, and only a busy PC is to be overloaded: an end that finds that
        it sent late is right to say unknown, and says nothing of the lines.
        """
        return bool(self.disturbances)

    @property
    def disturbances(self) -> list[str]:
        """Say what disturbed the scenario."""
        busy = {fault.point for fault in self.scenario.faults if isinstance(fault, BusyPc)}
        late = any(
            one.startswith(_HUB_LATE) or (one.startswith(_POINT_LATE) and point.point not in busy)
            for point in self.points
            for one in point.findings
        )
        return [
            *(["sent late"] if late else []),
            *(
                [f"waited {self.machine_wait_seconds:.2f} s"]
                if self.machine_wait_seconds > _WAIT_SECONDS
                else []
            ),
            *(["too busy"] if self.machine_busy_ratio > _BUSY_RATIO else []),
        ]

    @property
    def loss_spread(self) -> float | None:
        """Largest minus least loss ratio of points whose lines are equal, of the worse direction.

        None where the lines are not equal or nothing was measured.
        """
        if self.scenario.lines or self.scenario.faults or self.scenario.background:
            return None
        spreads = [
            max(losses) - min(losses)
            for way in _DIRECTIONS
            if (losses := [one.losses[way] for one in self.points if way in one.losses])
        ]
        return max(spreads, default=None)

    @property
    def counted(self) -> list[PointOutcome]:
        """Points that are not near a limit."""
        return [point for point in self.points if not point.expected.near]

    @property
    def is_right(self) -> bool:
        """Tell whether each counted point has the right verdict and cause."""
        right = all(point.verdict_right and point.cause_right for point in self.counted)
        return right and not self.failure


def play(stack: Stack, scenario: Scenario) -> Outcome:
    """Shape the lines, run one test as the user does, compare."""
    begun, before = time.monotonic(), psutil.cpu_times()
    try:
        result, recorder, watch = _run(stack, scenario)
    except LabError as error:
        busy = _busy_ratio(before)
        seconds = time.monotonic() - begun
        return Outcome(scenario, seconds, (), failure=str(error), machine_busy_ratio=busy)
    busy = _busy_ratio(before)
    realised = {
        (number, way): passed
        for number in range(1, scenario.points + 1)
        for way in _DIRECTIONS
        if (passed := rehearsal(recorder.samples, number, way)) is not None
    }
    rows = {row["point"]: row for row in result["points"]}
    points = tuple(
        replace(
            _outcome(stack, scenario, number, rows[point_id(number)], realised),
            named_seconds=_named(watch, scenario, number, rows[point_id(number)]),
        )
        for number in range(1, scenario.points + 1)
    )
    return Outcome(
        scenario,
        time.monotonic() - begun,
        points,
        machine_busy_ratio=busy,
        machine_wait_seconds=recorder.longest_gap_seconds,
    )


def _busy_ratio(before: Any) -> float:
    after = psutil.cpu_times()
    spent = [end - start for start, end in zip(before, after, strict=True)]
    named = dict(zip(after._fields, spent, strict=True))
    total = sum(spent)
    # Programs started with nice leave the processor to the lab whenever it wants it.
    free = sum(named.get(kind, 0.0) for kind in ("idle", "iowait", "nice"))
    return 1 - free / total if total else 0.0


def _run(stack: Stack, scenario: Scenario) -> tuple[dict[str, Any], TruthRecorder, NamingWatch]:
    own = [fault.point for fault in scenario.faults if isinstance(fault, ClockStep)]
    for number in own:
        stack.restart_agent(number, own_clock=True)
    stack.make_ready(scenario.points, keep=own)
    lines = {
        number: line_of(scenario.line(number), stack.profile)
        for number in range(1, scenario.points + 1)
    }
    hub = line_of(scenario.hub_line, stack.profile, scenario.points)
    stack.district.reshape(lines, hub, seed=scenario.seed)
    time.sleep(_SETTLE_SECONDS)
    recorder = TruthRecorder(stack.district.counters)
    try:
        with _background(stack, scenario), recorder, NamingWatch(stack.running_test) as watch:
            command = stack.test(scenario.points, capacity=scenario.capacity)
            with _faults(stack, scenario.faults):
                return command.result(), recorder, watch
    finally:
        stack.district.reshape({})


def _named(
    watch: NamingWatch, scenario: Scenario, number: int, row: dict[str, Any]
) -> float | None:
    if row["cause"] not in NAMED_EARLY:
        return None
    came = [
        fault.after_seconds
        for fault in scenario.faults
        if fault.point == number and isinstance(fault, KillAgent | ClockStep)
    ]
    group = (number - 1) % min(GROUPS, scenario.points)
    return watch.delay_seconds(
        point_id(number), Cause(row["cause"]), came[0] if came else None, group
    )


@contextlib.contextmanager
def _faults(stack: Stack, faults: Sequence[Fault]) -> Iterator[None]:
    timers = []
    busy = [fault for fault in faults if isinstance(fault, BusyPc)]
    for fault in faults:
        if isinstance(fault, KillAgent):
            timers.append(Timer(fault.after_seconds, stack.kill_agent, [fault.point]))
        elif isinstance(fault, ClockStep):
            order = [fault.point, fault.step_seconds]
            timers.append(Timer(fault.after_seconds, stack.step_clock, order))
    for timer in timers:
        timer.start()
    for one in busy:
        stack.pc(one.point).overload(one.processes, one.cores)
    try:
        yield
    finally:
        for one in busy:
            stack.pc(one.point).relieve()
        for timer in timers:
            timer.cancel()
            timer.join()


@contextlib.contextmanager
def _background(stack: Stack, scenario: Scenario) -> Iterator[None]:
    """Run TCP transfers by iperf3 for as long as the test takes."""
    names, started = stack.district.names, []
    try:
        for index in range(len(scenario.background)):
            port = str(_IPERF_PORT + index)
            server = ["iperf3", "-s", "-p", port, "-B", plan.HUB_ADDRESS]
            started.append(stack.district.run_in(names.hub, server))
        time.sleep(0.3 if started else 0)
        for index, one in enumerate(scenario.background):
            client = _iperf_client(stack, one, _IPERF_PORT + index)
            started.append(stack.district.run_in(names.point(one.point), client))
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def _iperf_client(stack: Stack, one: Background, port: int) -> list[str]:
    argv = ["iperf3", "-c", plan.HUB_ADDRESS, "-p", str(port), "-t", "120"]
    if one.rate_ratio is not None:
        rate = pace_of(stack.profile, one.direction).ip_bits_per_second * one.rate_ratio
        # Small blocks: the default of 128 kB at once would fill a slow line's queue by itself.
        argv += ["-b", f"{rate:.0f}", "-l", "2K"]
    return [*argv, *(["-R"] if one.direction == "down" else [])]


def _outcome(
    stack: Stack,
    scenario: Scenario,
    number: int,
    row: dict[str, Any],
    realised: Mapping[tuple[int, str], Passed],
) -> PointOutcome:
    line = row["line"]
    errors = {
        way: line[way]["loss_ratio"] - realised[number, way].loss_ratio
        for way in _DIRECTIONS
        if line[way] is not None and (number, way) in realised
    }
    counts = {way: line[way]["packets_received"] - realised[number, way].arrived for way in errors}
    bare = _only_host(row)
    return PointOutcome(
        scenario=scenario.name,
        point=number,
        expected=expected_of(scenario, number, stack.profile, realised),
        verdict=str(Verdict.READY) if bare else row["verdict"],
        cause=None if bare else row["cause"],
        host_warning=bare,
        findings=tuple(
            f"{one['rule']}={'none' if one['value'] is None else format(one['value'], '.3g')}"
            for one in row["findings"]
            if one["status"] != "ok"
        ),
        losses={way: line[way]["loss_ratio"] for way in errors},
        loss_errors=errors,
        count_errors=counts,
        rtt_error_seconds=_rtt_error(scenario, number, line),
        capacity_errors=dict(_capacity_errors(stack, scenario, number, line)),
    )


def _only_host(row: dict[str, Any]) -> bool:
    """Tell whether nothing but the machine's own state is not ok.

    All PCs of a lab are this one machine, whose clock and load are no part of a scenario.
    """
    rules = {finding["rule"] for finding in row["findings"] if finding["status"] != "ok"}
    return rules == {"host"}


def _rtt_error(scenario: Scenario, number: int, line: dict[str, Any]) -> float | None:
    idle = line["idle"]
    ways = scenario.line(number)
    if idle is None or idle["rtt_seconds"] is None or ways.up.jitter_seconds:
        return None
    if ways.down.jitter_seconds:
        return None
    median: float = idle["rtt_seconds"]["p50"]
    return median - ways.up.delay_seconds - ways.down.delay_seconds


def _capacity_errors(
    stack: Stack, scenario: Scenario, number: int, line: dict[str, Any]
) -> Iterator[tuple[str, float]]:
    shaped = line_of(scenario.line(number), stack.profile)
    for way in _DIRECTIONS:
        found = line["capacity"][f"{way}_bits_per_second"]
        true = getattr(shaped, way).rate_bits_per_second
        if found is not None and true is not None:
            yield way, found / true - 1
