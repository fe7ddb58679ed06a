"""Planned traffic of one direction (SPEC 6.1).

Standard library only: the measuring processes start by it, and they must be there at once.
"""

from dataclasses import dataclass
from typing import ClassVar

AUDIO_MAX_BITS_PER_SECOND = 1_000_000
VIDEO_MAX_BITS_PER_SECOND = 100_000_000
FRAMES_PER_SECOND_MAX = 120


@dataclass(frozen=True, slots=True)
class TrafficPlan:
    """Planned traffic of one direction, RTP payload rates.

    Raises:
        ValueError: a rate out of its range.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    audio_bits_per_second: int
    video_bits_per_second: int
    frames_per_second: float

    def __post_init__(self) -> None:
        """Hold every rate to its range."""
        for name, value, lowest, highest in (
            ("audio_bits_per_second", self.audio_bits_per_second, 0, AUDIO_MAX_BITS_PER_SECOND),
            ("video_bits_per_second", self.video_bits_per_second, 0, VIDEO_MAX_BITS_PER_SECOND),
            ("frames_per_second", self.frames_per_second, 1, FRAMES_PER_SECOND_MAX),
        ):
            if not lowest <= value <= highest:
                message = f"{name} must be from {lowest} to {highest} (got {value})"
                raise ValueError(message)
