"""What the agent's file says of picture and sound: limits, the speaker's test, quiet hours."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, Protocol

from pydantic import BaseModel, ConfigDict

from diemcau_agent.signal.limits import (
    ECHO_LIMITS,
    PICTURE_LIMITS,
    SOUND_LIMITS,
    EchoLimits,
    PictureLimits,
    SoundLimits,
)
from diemcau_contract.errors import ValueMistake

AnyLimits = PictureLimits | SoundLimits | EchoLimits

_HOURS: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")


class Limits(BaseModel):
    """Limits of the classifiers; what is absent stays as this version has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    picture: PictureLimits = PICTURE_LIMITS
    sound: SoundLimits = SOUND_LIMITS
    echo: EchoLimits = ECHO_LIMITS

    def settings(self, kind: str) -> Mapping[str, Any]:
        """Return what a probe of this kind is told: only what differs from this version's."""
        pairs: dict[str, tuple[AnyLimits, AnyLimits]] = {
            "camera": (self.picture, PICTURE_LIMITS),
            "microphone": (self.sound, SOUND_LIMITS),
            "speaker": (self.echo, ECHO_LIMITS),
        }
        if kind not in pairs:
            return {}
        chosen, usual = pairs[kind]
        changed = {
            name: value for name, value in asdict(chosen).items() if value != getattr(usual, name)
        }
        return {"limits": changed} if changed else {}


class Listener(Protocol):
    """A device of the agent's file, as far as this module looks at it."""

    @property
    def kind(self) -> str:
        """Kind of the device."""

    @property
    def role(self) -> str:
        """Which of its kind."""

    @property
    def source(self) -> Any:  # noqa: ANN401  # the agent's file has its own type for it
        """Its ``format`` and ``url``."""


def checked_hours(hours: str) -> str:
    """Return the hours as they are; a mistake says how they are written."""
    if not _HOURS.fullmatch(hours):
        raise ValueMistake("phải là HH:MM-HH:MM, giờ địa phương", "must be HH:MM-HH:MM, local time")
    return hours


def listening_pattern(role: str, devices: Sequence[Listener]) -> str | None:
    """Return the name pattern of the microphone of this role that listens to the speaker.

    The default input where the file names no microphone at all.

    Raises:
        ValueMistake: there are others, but not this one, or it is a stand-in.
    """
    microphones = [device for device in devices if device.kind == "microphone"]
    for device in microphones:
        if device.role == role and device.source.format == "system":
            pattern: str | None = device.source.url
            return pattern
    if microphones:
        raise ValueMistake(
            f"loa được thử bằng micro {role}, nhưng không có micro {role} dạng system",
            f"microphone {role} listens to the speaker, but there is none of format system",
        )
    return None
