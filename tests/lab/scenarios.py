"""Scenarios as data: lines, faults, and what a truthful test must say of each point."""

from dataclasses import dataclass as plain
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from diemcau_contract.causes import Cause
from diemcau_contract.documents import parse_document
from diemcau_contract.plans import TrafficPlan
from diemcau_contract.profiles import Profile
from diemcau_contract.words import Verdict
from tests.lab.shapes import LINK_HEADER_BYTES, REFERENCE_PACKET_BYTES, BurstLoss, Line, Shape

NAMED = Path(__file__).parent / "named.yaml"
_DEFAULT_ROOM = 3.0
"""Lines of which a scenario says nothing carry this many times their plan."""
_AUDIO_PER_SECOND = 50
_VIDEO_PAYLOAD_BYTES, _HEADER_BYTES = 1160, 40
"""RTP payload of a full packet; IP, UDP and RTP headers (together 1200 bytes)."""
PointNumber = Annotated[int, Field(ge=1, le=250)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Way(_Strict):
    """One direction; its rate is a share of the planned traffic, so that any profile fits."""

    rate_ratio: float | None = Field(default=_DEFAULT_ROOM, gt=0)
    """Rate over what the plan needs at the IP layer; null is unlimited."""
    queue_seconds: float = 0.1
    loss_ratio: float = Field(default=0.0, ge=0, le=1)
    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    burst_loss: BurstLoss | None = None

    def shape(self, planned_bits_per_second: float) -> Shape:
        """Return the shape for a line that is to carry ``planned_bits_per_second``."""
        rate = None if self.rate_ratio is None else self.rate_ratio * planned_bits_per_second
        return Shape(
            rate_bits_per_second=rate,
            queue_seconds=self.queue_seconds,
            loss_ratio=self.loss_ratio,
            delay_seconds=self.delay_seconds,
            jitter_seconds=self.jitter_seconds,
            burst_loss=self.burst_loss,
        )


class Ways(_Strict):
    """A line of a scenario."""

    up: Way = Way()
    down: Way = Way()
    udp_blocked: bool = False


class KillAgent(_Strict):
    """The agent and its children are killed outright."""

    kind: Literal["kill_agent"]
    point: PointNumber
    after_seconds: float = Field(ge=0)


class BusyPc(_Strict):
    """Processes that never rest share the PC's ``cores`` with the agent during the test."""

    kind: Literal["busy_pc"]
    point: PointNumber
    processes: int = Field(default=6, ge=1, le=64)
    cores: float = Field(default=0.3, gt=0)


class ClockStep(_Strict):
    """The wall clock of the point's PC jumps."""

    kind: Literal["clock_step"]
    point: PointNumber
    after_seconds: float = Field(ge=0)
    step_seconds: float


Fault = Annotated[KillAgent | BusyPc | ClockStep, Field(discriminator="kind")]


class Background(_Strict):
    """A TCP transfer beside the test; its rate is a share of the point's plan, null is greedy."""

    point: PointNumber
    direction: Literal["up", "down"]
    rate_ratio: float | None = Field(default=None, gt=0)


class Expected(_Strict):
    """What a truthful test says of a point; any of ``causes`` is right."""

    verdict: Verdict
    causes: tuple[Cause | None, ...] = (None,)
    near: bool = False
    """Too close to a limit to count."""


class Scenario(_Strict):
    """One district for one test; points are numbered from 1."""

    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    points: int = Field(default=4, ge=1, le=250)
    hub_line: Ways = Ways(up=Way(rate_ratio=1.5), down=Way(rate_ratio=1.5))
    lines: dict[PointNumber, Ways] = Field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    background: tuple[Background, ...] = ()
    expected: dict[PointNumber | Literal["others"], Expected] = Field(default_factory=dict)
    """Left empty in generated scenarios: there the truth decides (``expectations``)."""
    seed: int = 0
    capacity: bool = False
    """Let the test measure each line's capacity too; its error stands in the table."""

    @model_validator(mode="after")
    def _within(self) -> Self:
        named = {*self.lines, *(fault.point for fault in self.faults)}
        named |= {number for number in self.expected if number != "others"}
        named |= {one.point for one in self.background}
        if outside := sorted(number for number in named if number > self.points):
            raise ValueError(f"points {outside} are not among the {self.points} of {self.name}")
        return self

    def line(self, number: int) -> Ways:
        """Return the own line of a point."""
        return self.lines.get(number, Ways())

    def expectation(self, number: int) -> Expected | None:
        """Return what is written for a point, or for the others; None where nothing is."""
        return self.expected.get(number, self.expected.get("others"))


class _File(_Strict):
    schema_: Literal["diemcau.lab/1"] = Field(alias="schema")
    scenarios: tuple[Scenario, ...] = Field(min_length=1)


@plain(frozen=True, slots=True)
class Pace:
    """Packets of one direction at 100 % of a plan, by the packet layout alone (SPEC 5)."""

    packets_per_second: float
    frame_packets: float
    """Mean number of packets of a video frame."""
    ip_bits_per_second: float

    @classmethod
    def of(cls, plan: TrafficPlan) -> Self:
        """Return the pace of ``plan``."""
        frame = plan.video_bits_per_second / 8 / plan.frames_per_second
        packets = max(1.0, frame / _VIDEO_PAYLOAD_BYTES + 0.5) if frame else 0.0
        audio = _AUDIO_PER_SECOND if plan.audio_bits_per_second else 0
        rate = audio + packets * plan.frames_per_second
        payload = plan.audio_bits_per_second + plan.video_bits_per_second
        return cls(rate, max(1.0, packets), payload + rate * _HEADER_BYTES * 8)

    @property
    def shaped_bits_per_second(self) -> float:
        """The ``Shape`` rate that just carries it, link headers of its real sizes included."""
        link = self.ip_bits_per_second + self.packets_per_second * LINK_HEADER_BYTES * 8
        return link * REFERENCE_PACKET_BYTES / (REFERENCE_PACKET_BYTES + LINK_HEADER_BYTES)


def line_of(ways: Ways, profile: Profile, points: int = 1) -> Line:
    """Return a scenario's line in bits per second, for ``points`` points together."""
    return Line(
        up=ways.up.shape(points * Pace.of(profile.up).shaped_bits_per_second),
        down=ways.down.shape(points * Pace.of(profile.down).shaped_bits_per_second),
        udp_blocked=ways.udp_blocked,
    )


def named_scenarios(file: Path = NAMED) -> dict[str, Scenario]:
    """Return the fixed scenarios by name.

    Raises:
        DocumentError: with every mistake in the file.
        OSError: the file cannot be read.
    """
    document = parse_document(file.read_text(encoding="utf-8"), _File, file.name)
    return {scenario.name: scenario for scenario in document.scenarios}
