"""What a test has learned: plain frozen values that attribution and judge() reason on (SPEC 6)."""

from collections.abc import Iterator
from dataclasses import dataclass

from diemcau_contract.measurements import (
    EndStatistics,
    SenderStatistics,
    StampStatistics,
    TrafficStatistics,
)
from diemcau_contract.messages import DeviceResult, HostState
from diemcau_contract.words import Direction, StepKind


@dataclass(frozen=True, slots=True)
class LoadEvidence:
    """One direction in one step: the receiver's count and the sender's own figures."""

    traffic: TrafficStatistics | None = None
    sender: SenderStatistics | None = None


@dataclass(frozen=True, slots=True)
class StepEvidence:
    """One loaded step beside the rehearsal: in groups, or at another share of the plan."""

    kind: StepKind
    rate_ratio: float
    together: int
    """Points that carried traffic in this step, this one included."""
    up: LoadEvidence = LoadEvidence()
    down: LoadEvidence = LoadEvidence()

    def load(self, direction: Direction) -> LoadEvidence:
        """Return one direction."""
        return self.up if direction is Direction.UP else self.down


@dataclass(frozen=True, slots=True)
class PointEvidence:
    """All that a test has learned of one point; None is "not measured"."""

    point: str
    name: str
    agent_answered: bool
    udp_answered: bool | None
    slow_to_open: bool = False
    """Its agent accepted, and its measuring process was not ready before the steps began."""
    preflight: StampStatistics | None = None
    idle: StampStatistics | None = None
    loaded: StampStatistics | None = None
    up: LoadEvidence = LoadEvidence()
    down: LoadEvidence = LoadEvidence()
    steps: tuple[StepEvidence, ...] = ()
    """Groups and margin, in their order."""
    point_end: EndStatistics | None = None
    hub_end: EndStatistics | None = None
    devices: tuple[DeviceResult, ...] = ()
    devices_expected: bool = True
    """The room's account of its devices is owed and has not come; a room may have none."""
    host: HostState | None = None
    hub_port: int = 0
    complete: bool = True
    """False where the test ended early or skipped steps (``--quick``)."""
    margin_told: bool = True
    """False where the point owes an account of what it was tried at after its rehearsal."""

    def load(self, direction: Direction) -> LoadEvidence:
        """Return one direction of the rehearsal."""
        return self.up if direction is Direction.UP else self.down

    def of_kind(self, kind: StepKind) -> Iterator[StepEvidence]:
        """Yield the steps of ``kind``."""
        return (step for step in self.steps if step.kind is kind)
