"""What the agent's file says of picture and sound: limits, the speaker's test, quiet hours."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

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


def checked_hours(hours: str) -> str:
    """Return the hours as they are; a mistake says how they are written."""
    if not _HOURS.fullmatch(hours):
        raise ValueMistake("phải là HH:MM-HH:MM, giờ địa phương", "must be HH:MM-HH:MM, local time")
    return hours
