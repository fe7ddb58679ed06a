"""What the demo builds and what its test must find; the data stand in ``storyline.yaml``."""

from importlib.resources import files
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from diemcau_contract.causes import Cause
from diemcau_contract.documents import parse_document
from diemcau_contract.identifiers import Identifier
from diemcau_contract.profiles import Profile
from diemcau_contract.words import Verdict

_FILE = "storyline.yaml"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Expectation(_Frozen):
    """What a truthful test says of a point."""

    verdict: Verdict = Verdict.READY
    cause: Cause | None = None


class StoryPoint(_Frozen):
    """One room of the demo; the defaults make a good one."""

    id: Identifier
    name: Annotated[str, Field(min_length=1, max_length=80)]
    agent: bool = True
    """False: its agent never comes up."""
    camera: str | None = "good"
    microphone: str | None = "good"
    loss_up_ratio: Annotated[float, Field(ge=0, le=1)] = 0.0
    expect: Expectation = Expectation()

    @property
    def has_fault(self) -> bool:
        """Whether the storyline hides something here."""
        return self.expect.verdict is not Verdict.READY


class StoryHub(_Frozen):
    """The demo's hub."""

    id: Identifier
    name: str


class CameraSize(_Frozen):
    """What every stand-in camera gives."""

    width: int
    height: int
    frames_per_second: float


class SmallMachine(_Frozen):
    """What a machine with fewer processors than ``processors`` is asked to carry instead."""

    processors: Annotated[int, Field(ge=2)]
    profile: Profile


class Storyline(_Frozen):
    """The whole demo."""

    schema_: Literal["diemcau.demo/1"] = Field(alias="schema")
    hub: StoryHub
    profile: Profile
    small_machine: SmallMachine
    cameras: dict[str, str]
    camera_size: CameraSize
    microphones: dict[str, str]
    points: Annotated[tuple[StoryPoint, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _devices_are_there(self) -> Self:
        cameras, microphones = {*self.cameras, None}, {*self.microphones, None}
        for point in self.points:
            if point.camera not in cameras or point.microphone not in microphones:
                message = f"point {point.id!r} names a device that is not listed"
                raise ValueError(message)
        return self

    def sized(self, number: int) -> Self:
        """Return the storyline with ``number`` points, more of them being generic good ones."""
        more = tuple(
            StoryPoint(id=f"diem-{count}", name=f"Điểm cầu {count}")
            for count in range(len(self.points) + 1, number + 1)
        )
        return self.model_copy(update={"points": (self.points + more)[:number]})

    def on(self, processors: int) -> Self:
        """Return what a machine with ``processors`` carries.

        A small one gets a smaller profile and one stand-in, not two, in each good room: every
        stand-in is a process that loads a video library, and all start at the same moment.
        """
        if processors >= self.small_machine.processors:
            return self
        points = tuple(
            point
            if point.has_fault
            else point.model_copy(update={"microphone" if number % 2 else "camera": None})
            for number, point in enumerate(self.points)
        )
        return self.model_copy(update={"points": points, "profile": self.small_machine.profile})


def storyline(number: int) -> Storyline:
    """Read the demo's storyline, with ``number`` points."""
    text = (files(__package__ or "diemcau_server.demo") / _FILE).read_text(encoding="utf-8")
    return parse_document(text, Storyline, _FILE).sized(number)
