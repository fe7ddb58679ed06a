"""Profiles: planned bit rates per point and the limits to judge by (SPEC 6.1)."""

from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from diemcau_contract.errors import ValueMistake
from diemcau_contract.identifiers import Identifier
from diemcau_contract.plans import (
    AUDIO_MAX_BITS_PER_SECOND,
    FRAMES_PER_SECOND_MAX,
    VIDEO_MAX_BITS_PER_SECOND,
    TrafficPlan,
)


@dataclass(frozen=True, slots=True)
class PlanInFile(TrafficPlan):
    """A plan whose mistakes are named key by key, with their lines."""

    audio_bits_per_second: Annotated[int, Field(ge=0, le=AUDIO_MAX_BITS_PER_SECOND)]
    video_bits_per_second: Annotated[int, Field(ge=0, le=VIDEO_MAX_BITS_PER_SECOND)]
    frames_per_second: Annotated[float, Field(ge=1, le=FRAMES_PER_SECOND_MAX)]


class Limit(BaseModel):
    """A measure is ok up to ``warn``, a warning up to ``bad``, bad beyond."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    warn: float = Field(ge=0)
    bad: float = Field(ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.warn > self.bad:
            raise ValueMistake(
                f"warn ({self.warn:g}) không được lớn hơn bad ({self.bad:g})",
                f"warn ({self.warn:g}) must not be above bad ({self.bad:g})",
            )
        return self


class RatioLimit(Limit):
    """A limit on a share, 0 to 1."""

    warn: float = Field(ge=0, le=1)
    bad: float = Field(ge=0, le=1)


class SecondsLimit(Limit):
    """A limit on a delay in seconds, at most 10."""

    warn: float = Field(ge=0, le=10)
    bad: float = Field(ge=0, le=10)


class Limits(BaseModel):
    """Limits of a line; the defaults are the windowed limits of Teams' client-to-edge table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    loss_ratio: RatioLimit = RatioLimit(warn=0.005, bad=0.01)
    loss_ratio_worst_200ms: RatioLimit = RatioLimit(warn=0.10, bad=0.20)
    queue_delay_p95_seconds: SecondsLimit = SecondsLimit(warn=0.030, bad=0.060)
    jitter_seconds: SecondsLimit = SecondsLimit(warn=0.015, bad=0.030)
    reorder_ratio: RatioLimit = RatioLimit(warn=0.0005, bad=0.005)
    late_frame_ratio: RatioLimit = RatioLimit(warn=0.04, bad=0.08)
    rtt_p95_seconds: SecondsLimit = SecondsLimit(warn=0.100, bad=0.150)


class Guards(BaseModel):
    """When a measurement is not valid, so that its point is ``unknown`` and not bad."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schedule_error_p99_seconds: float = Field(default=0.005, gt=0, le=1)
    local_drop_ratio: float = Field(default=0.001, ge=0, le=1)
    cpu_ratio: float = Field(default=0.95, gt=0, le=1)
    clock_step_seconds: float = Field(default=0.010, gt=0, le=60)
    packets_min: int = Field(default=100, ge=1)


class Profile(BaseModel):
    """Planned traffic of a point in each direction, with limits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Identifier
    name: str = Field(min_length=1, max_length=80)
    up: PlanInFile
    down: PlanInFile
    dscp: int = Field(default=34, ge=0, le=63)
    limits: Limits = Limits()
    guards: Guards = Guards()
