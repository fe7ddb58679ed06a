"""Why packets are dropped: every reason that a hub can count is known from the start."""

import ast
import inspect
import pkgutil
import typing
from collections.abc import Iterator
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from types import ModuleType

from prometheus_client import CollectorRegistry

import diemcau_contract
import diemcau_line
from diemcau_line.protocol import HubCounters
from diemcau_server.measure_metrics import REASONS, MeasureMetrics

LINE = Path(diemcau_line.__file__).parent
PASSED_ON = {"error.reason", "reason"}
"""What is counted as an error bears it: one of the members that its class takes."""


def modules(package: ModuleType) -> Iterator[ModuleType]:
    """Yield every module of a package but the one that runs it."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith("__main__"):
            yield import_module(found.name)


def faults() -> dict[str, type[StrEnum]]:
    """Return by name what the errors of packets, tickets and reflector may give as reasons.

    Of the contract's errors those that the measuring engine itself names.
    """
    found: dict[str, type[StrEnum]] = {}
    names = {name for module in modules(diemcau_line) for name in vars(module)}
    for package in (diemcau_contract, diemcau_line):
        for module in modules(package):
            for name, one in inspect.getmembers(module, inspect.isclass):
                if name in names and issubclass(one, Exception) and "__init__" in vars(one):
                    reason = typing.get_type_hints(one.__init__).get("reason")
                    if inspect.isclass(reason) and issubclass(reason, StrEnum):
                        found[reason.__name__] = reason
    return found


def written_reasons() -> Iterator[str]:
    """Yield what the sources of the measuring engine write as ``rejected[...] += 1``."""
    for file in LINE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Subscript):
                counts = ast.unparse(node.target.value)
                if counts.rpartition(".")[2] == "rejected":
                    yield ast.unparse(node.target.slice)


def test_every_reason_that_a_hub_can_count_is_known() -> None:
    """None is missing and none is dead: errors' members, and what is counted by its own word."""
    known = faults()
    assert {"PacketFault", "TicketFault", "NotReflectedFault"} <= set(known)
    counted = {str(member) for one in known.values() for member in one}
    for written in written_reasons():
        if written[0] in "'\"":
            counted.add(ast.literal_eval(written))
        elif written not in PASSED_ON:
            kind, _, member = written.partition(".")
            assert known[kind][member] in counted
    assert set(REASONS) == counted


def test_every_reason_stands_at_0_from_the_start() -> None:
    """No series is born by a packet: what had none before could not be seen to grow."""
    registry = CollectorRegistry()
    measure = MeasureMetrics(registry)
    measure.show(1, up=True)

    def series() -> dict[str, float]:
        return {
            sample.labels["reason"]: sample.value
            for family in registry.collect()
            for sample in family.samples
            if sample.name == "diemcau_measure_rejected_total"
        }

    assert series() == dict.fromkeys(REASONS, 0.0)
    measure.count(1, HubCounters(dict.fromkeys(REASONS, 1), 0, 0, 0, 0, 0.0))
    assert series() == dict.fromkeys(REASONS, 1.0)
